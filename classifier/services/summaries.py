"""Counts over whole collections, as the pages show them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Count, Max, Min, OuterRef, Q, QuerySet, Subquery, Sum
from django.utils import timezone

from classifier.models import PENDING, Aggregate, Collection, Photo, State

RATE_SECONDS = 20  # the speed is told over what was finished last, not over the whole run
# Counting looks at every photo: what was counted in a large collection is told again until this would be about a
# twentieth of the time, so that looking at a million photos costs no more than looking at ten thousand.
LARGE_PHOTOS = 20_000
COUNTED_PER_SECOND = 50_000  # photos for each second that a count is kept
SHORTEST_SECONDS = 2  # caches count in whole seconds, and some drop what is kept for less than one
RUNS_KEPT = 8  # of each collection, for pages opened at different times; the browser says since when it watches
THUMBNAILS = 4  # on a card


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
    thumbnails: list[Photo] = field(default_factory=list)

    @property
    def changed_at(self) -> datetime:
        """When something in it changed last: a photo, or the collection itself."""
        return max(filter(None, (self.counts.changed_at, self.collection.updated_at)))


def count_photos(collections: Iterable[Collection], *, is_exact: bool = False) -> dict[int, Counts]:
    """The counts of each collection by its primary key; every collection has an entry.

    Unless they must be exact, those of a collection of more than LARGE_PHOTOS may be some seconds old, but not older
    than the last upload, deletion or rerun that the given row knows of; their sums add up all the same.
    """
    found = list(collections)
    keys = {collection.pk: f"counts:{collection.uid}:{collection.updated_at.isoformat()}" for collection in found}
    known = {} if is_exact else cache.get_many(keys.values())
    counts = {pk: known[key] for pk, key in keys.items() if key in known}
    for pk, fresh in _count_anew([pk for pk in keys if pk not in counts]).items():
        counts[pk] = fresh
        _keep_if_large(keys[pk], fresh, photos=fresh.photos)
    summed = [collection.pk for collection in found if collection.is_aggregate_only]
    return counts | _add_sums(counts, summed=summed) if summed else counts


def _add_sums(counts: Mapping[int, Counts], *, summed: Iterable[int]) -> dict[int, Counts]:
    """The counts with the photos that aggregate-only collections have counted and deleted, and faces as told last.

    How many faces one photo had, or that it had none, is not to be seen from the counts as they grow.
    """
    sums = Aggregate.objects.filter(collection__in=summed).values_list("collection_id")
    return {
        pk: replace(counts[pk], photos=counts[pk].photos + photos, done=counts[pk].done + photos, faces=faces)
        for pk, photos, faces in sums.annotate(Sum("photos"), Sum("told_faces"))
    }


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
    """Counts and the newest photos of each collection, in the order given."""
    counts = count_photos(collections)
    thumbnails = _newest_photos(collections)
    return [Summary(of, counts[of.pk], thumbnails.get(of.pk, [])) for of in collections]


def _newest_photos(collections: Sequence[Collection]) -> dict[int, list[Photo]]:
    """By collection, a few photos that are done; one query that looks at no more than it tells."""
    done = Photo.objects.filter(deleting_at=None, state=State.DONE)
    newest = done.filter(collection=OuterRef("collection")).order_by("-received_at", "-pk").values("pk")[:THUMBNAILS]
    found: dict[int, list[Photo]] = {}
    for photo in done.filter(collection__in=collections, pk__in=Subquery(newest)).order_by("-received_at", "-pk"):
        found.setdefault(photo.collection_id, []).append(photo)
    return found


def measure_run(collection: Collection, *, since: datetime | None = None) -> Run:
    """How far the photos queued since a moment are; None: since the first of those that wait now.

    Hand the answer's `since` back in, and the total never shrinks while the queue empties. In a collection of more than
    LARGE_PHOTOS the answer may be some seconds old.
    """
    photos = Photo.objects.filter(collection=collection, deleting_at=None)
    if collection.is_aggregate_only:  # photos that are done are gone: how far all that ever came are
        counts = count_photos([collection])[collection.pk]
        return Run(collection.created_at, counts.photos, counts.done + counts.failed)
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
