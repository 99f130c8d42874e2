"""Counts over whole collections, as the pages show them; shares of groups are kept in the cache."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Count, F, Max, Min, Q, QuerySet, Sum
from django.db.models.fields.json import KT
from django.utils import timezone

from classifier.models import PENDING, Collection, Guess, Photo, State
from ml.attributes import ATTRIBUTES
from ml.labels import attribute_of

RATE_SECONDS = 20  # the speed is told over what was finished last, not over the whole run
SHARES_SECONDS = 24 * 3600
# Counting looks at every photo: what was counted in a large collection is told again until this would be about a
# twentieth of the time, so that looking at a million photos costs no more than looking at ten thousand.
LARGE_PHOTOS = 20_000
COUNTED_PER_SECOND = 50_000  # photos for each second that a count is kept
SHORTEST_SECONDS = 2  # caches count in whole seconds, and some drop what is kept for less than one
RUNS_KEPT = 8  # of each collection, for pages opened at different times; the browser says since when it watches
SHARED_PER_SECOND = 5_000  # faces likewise, for the shares of groups while they still change


@dataclass(frozen=True)
class Share:
    """One perceived group's part of the faces, 0 to 1; `start` is where its piece of the bar begins."""

    label: str
    count: int
    fraction: float
    start: float


@dataclass(frozen=True)
class Counts:
    """Photos by state: `photos` = queued + running + done + failed; `no_face` is part of done."""

    photos: int = 0
    queued: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    no_face: int = 0
    faces: int = 0
    changed_at: datetime | None = None

    @property
    def pending(self) -> int:
        """Photos that a worker has to do or is at."""
        return self.queued + self.running


@dataclass(frozen=True)
class Run:
    """How far the worker is with what was queued since `since`; `per_second` and `seconds_left` where it moves."""

    since: datetime | None
    total: int
    finished: int
    per_second: float | None = None
    seconds_left: float | None = None


@dataclass(frozen=True)
class Summary:
    """What a card in the list of collections says."""

    collection: Collection
    counts: Counts
    shares: list[Share] = field(default_factory=list)
    unsure: Share | None = None

    @property
    def changed_at(self) -> datetime:
        """When something in it changed last: a photo, or the collection itself."""
        return max(filter(None, (self.counts.changed_at, self.collection.updated_at)))


def count_photos(collections: Iterable[Collection], *, is_exact: bool = False) -> dict[int, Counts]:
    """The counts of each collection by its primary key; every collection has an entry.

    Unless they must be exact, those of a collection of more than LARGE_PHOTOS may be some seconds old, but not older
    than the last upload, deletion or rerun that the given row knows of; their sums add up all the same.
    """
    keys = {collection.pk: f"counts:{collection.uid}:{collection.updated_at.isoformat()}" for collection in collections}
    known = {} if is_exact else cache.get_many(keys.values())
    counts = {pk: known[key] for pk, key in keys.items() if key in known}
    for pk, fresh in _count_anew([pk for pk in keys if pk not in counts]).items():
        counts[pk] = fresh
        _keep_if_large(keys[pk], fresh, photos=fresh.photos)
    return counts


def _count_anew(wanted: Sequence[int]) -> dict[int, Counts]:
    counts = {pk: Counts() for pk in wanted}
    by_state: dict[str, Any] = {state: Count("pk", filter=Q(state=state)) for state in State.values}
    rows: Any = (
        Photo.objects.filter(collection_id__in=wanted, deleting_at=None)
        .order_by()
        .values("collection_id")
        .annotate(
            photos=Count("pk"),
            no_face=Count("pk", filter=Q(state=State.DONE, code=Photo.Code.NO_FACE)),
            face_total=Sum("face_count"),
            received=Max("received_at"),
            finished=Max("finished_at"),
            **by_state,
        )
    )
    for row in rows:
        counts[row["collection_id"]] = Counts(
            photos=row["photos"],
            no_face=row["no_face"],
            faces=row["face_total"],
            changed_at=max(filter(None, (row["received"], row["finished"]))),
            **{state: row[state] for state in State.values},
        )
    return counts


def _keep_if_large(key: str, counted: Any, *, photos: int) -> None:
    if photos > LARGE_PHOTOS:
        cache.set(key, counted, max(SHORTEST_SECONDS, math.ceil(photos / COUNTED_PER_SECOND)))


def summarise(collections: Sequence[Collection]) -> list[Summary]:
    """Counts and perceived shares of each collection, in the order given."""
    counts = count_photos(collections)
    places = {collection.pk: _shares_place(collection, counts=counts[collection.pk]) for collection in collections}
    known = cache.get_many(key for key, _ in places.values())
    missing = [collection for collection in collections if places[collection.pk][0] not in known]
    for pk, rows in _count_groups(missing).items():
        key, seconds = places[pk]
        cache.set(key, rows, seconds)
        known[key] = rows
    summaries = []
    for collection in collections:
        shares, unsure = _as_shares(known[places[collection.pk][0]])
        summaries.append(Summary(collection, counts[collection.pk], shares, unsure))
    return summaries


def measure_run(collection: Collection, *, since: datetime | None = None) -> Run:
    """How far the photos queued since a moment are; None: since the first of those that wait now.

    Hand the answer's `since` back in, and the total never shrinks while the queue empties. In a collection of more than
    LARGE_PHOTOS the answer may be some seconds old.
    """
    photos = Photo.objects.filter(collection=collection, deleting_at=None)
    if since is None:
        # One state at a time: that is what an index answers at once.
        firsts = [photos.filter(state=state).aggregate(first=Min("queued_at"))["first"] for state in PENDING]
        since = min(filter(None, firsts), default=None)
    if since is None:
        return Run(since=None, total=0, finished=0)
    key = f"run:{collection.uid}:{int(since.timestamp()) % RUNS_KEPT}"
    kept: Run | None = cache.get(key)
    if kept and kept.since == since:
        return kept
    run = _measure_anew(photos.filter(queued_at__gte=since), since=since)
    _keep_if_large(key, run, photos=run.total)
    return run


def _measure_anew(photos: QuerySet[Photo], *, since: datetime) -> Run:
    now = timezone.now()
    recent = now - timedelta(seconds=RATE_SECONDS)
    row = photos.aggregate(total=Count("pk"), pending=Count("pk", filter=Q(state__in=PENDING)))
    # The first of these started when the run did, or before what is watched.
    moved = photos.filter(finished_at__gte=recent).aggregate(count=Count("pk"), started=Min("started_at"))
    per_second = seconds_left = None
    if moved["count"] and moved["started"]:
        watched = (now - max(recent, moved["started"])).total_seconds()
        per_second = moved["count"] / max(watched, 1.0)
        seconds_left = row["pending"] / per_second
    return Run(since, row["total"], row["total"] - row["pending"], per_second, seconds_left)


def _shares_place(collection: Collection, *, counts: Counts) -> tuple[str, float]:
    """The key of a collection's shares in the cache, and for how many seconds they are kept.

    The key changes whenever photos come, go or are analysed again, and when the collection is changed; of many photos
    that are still analysed the shares may lag behind, however often some of them come or go.
    """
    if counts.pending and counts.photos > LARGE_PHOTOS:
        is_on = attribute_of(collection.taxonomy) in collection.attributes
        key = f"shares:{collection.uid}:running:{collection.taxonomy}:{is_on}"
        return key, max(SHORTEST_SECONDS, math.ceil(counts.faces / SHARED_PER_SECOND))
    changed = ":".join(at.isoformat() for at in (collection.updated_at, counts.changed_at) if at)
    return f"shares:{collection.uid}:{counts.done}:{counts.faces}:{changed}", SHARES_SECONDS


def _count_groups(collections: Sequence[Collection]) -> dict[int, list[tuple[str, bool, int]]]:
    """Faces by group of each collection's own taxonomy: (label, unsure, faces)."""
    rows: dict[int, list[tuple[str, bool, int]]] = {collection.pk: [] for collection in collections}
    for taxonomy in {collection.taxonomy for collection in collections}:
        attribute = ATTRIBUTES[attribute_of(taxonomy)]
        label, unsure = (
            F(name) if taxonomy == attribute.finest else KT(f"groups__{taxonomy}__{name}")
            for name in ("label", "unsure")
        )
        counted = (
            Guess.objects.filter(
                attribute=attribute.name,
                face__retired_at=None,
                face__photo__deleting_at=None,
                face__photo__collection_id__in=[c.pk for c in collections if c.taxonomy == taxonomy],
            )
            .order_by()
            .values("face__photo__collection_id", told_label=label, told_unsure=unsure)
            .annotate(faces=Count("pk"))
            .values_list("face__photo__collection_id", "told_label", "told_unsure", "faces")
        )
        for pk, label, unsure, faces in counted:
            rows[pk].append((label, str(unsure).lower() in ("true", "1"), faces))
    return rows


def _as_shares(rows: list[tuple[str, bool, int]]) -> tuple[list[Share], Share | None]:
    """Shares among all faces, the largest first, and the unsure ones by themselves, last."""
    total = sum(faces for _, _, faces in rows)
    if not total:
        return [], None
    shares, start = [], 0.0
    for label, _, faces in sorted((row for row in rows if not row[1]), key=lambda row: -row[2]):
        shares.append(Share(label, faces, faces / total, start))
        start += faces / total
    doubtful = sum(faces for _, unsure, faces in rows if unsure)
    return shares, Share("unsure", doubtful, doubtful / total, start) if doubtful else None
