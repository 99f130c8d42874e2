"""Each step of the queue and of the gallery finds its photos by an index on SQLite too, which knows no numbers of rows.

PostgreSQL does know them: there `test_growth` asks how many rows are read.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import product

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from classifier.filters import SORTS
from classifier.models import Collection, Face, Guess, Photo, PhotoTag, State, TagColumn
from classifier.services import analysis, deletion, matches, retention, summaries, workers
from classifier.services.paging import find_neighbours, read_page
from tests import factories

TABLE = Photo._meta.db_table
MANY = 1_000
STEPS_A_FACE = 60  # to find it and its photo by their keys
STEPS_A_PHOTO = 15  # of SQLite's machine: to pass over a key in an index, and no row
# Filter -> a value that nearly all photos have, and one that three have.
ORIGINS = {"group": ("White", "Indian"), "folder": ("common", "rare"), "tag:paper": ("common", "rare")}


@pytest.fixture
def long_ago(collection):
    """A photo in each state, all of an hour ago."""
    if connection.vendor != "sqlite":
        pytest.skip("asks SQLite")
    then = timezone.now() - timedelta(hours=1)
    for state in State.values:
        factories.make_photo(collection, state=state, queued_at=then, received_at=then)
    return collection


def explain(step: Callable[[], object]) -> list[str]:
    """How SQLite finds the photos in each query of a step."""
    asked = []

    def note(run, sql, params, *more):
        asked.append((sql, params))
        return run(sql, params, *more)

    with connection.execute_wrapper(note):
        step()
    plans = []
    with connection.cursor() as cursor:
        for sql, params in asked:
            if TABLE in sql and sql.startswith(("SELECT", "UPDATE")):
                cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
                plans.append("\n".join(row[3] for row in cursor.fetchall()) + "\n")
    assert plans
    return plans


def test_no_step_goes_through_the_whole_table(long_ago, alice_client):
    Photo.objects.claim(limit=8)
    photo = factories.make_photo(long_ago, state=State.QUEUED, queued_at=timezone.now() - timedelta(hours=1))
    steps = {
        "claim": partial(Photo.objects.claim, limit=8),
        "is there work": analysis.has_work,
        "how much waits": Photo.objects.count_pending,
        "an upload's turn": partial(Photo.objects.next_turn, long_ago.owner_id),
        "does the queue move": workers.readiness,
        "progress": partial(summaries.measure_run, long_ago),
        "are deletions begun": deletion.finish_deletions,
        "a deletion's photos": partial(deletion.finish_photos, at=timezone.now()),
        "what goes next": partial(retention.foresee, [Collection(pk=long_ago.pk, retention_days=3)]),
        "what is overdue": lambda: list(retention.overdue_photos(Collection(pk=long_ago.pk, retention_days=3))),
        "gallery": partial(alice_client.get, reverse("collection-detail", args=[long_ago.uid])),
        "next to a photo": partial(find_neighbours, long_ago.photos.all(), row=photo),
    }
    plans = {(what, plan) for what, step in steps.items() for plan in explain(step)}
    assert {(what, plan) for what, plan in plans if f"SCAN {TABLE}\n" in plan} == set()


def test_what_waits_is_claimed_in_its_order_without_sorting(long_ago):
    first, *_ = explain(partial(Photo.objects.claim, limit=8))
    assert first == f"SCAN {TABLE} USING INDEX photo_queue\n"
    (lowest, own) = explain(partial(Photo.objects.next_turn, long_ago.owner_id))
    assert "photo_queue" in lowest
    assert "photo_turns" in own


@pytest.mark.parametrize("order", SORTS.values())
def test_a_page_of_the_gallery_is_read_without_sorting(long_ago, order):
    photos = long_ago.photos.all()
    for cursor in ("", read_page(photos, order=order, size=1).next):
        (plan,) = explain(partial(read_page, photos, order=order, cursor=cursor))
        assert f"SEARCH {TABLE} USING INDEX" in plan
        assert "TEMP B-TREE" not in plan


def test_photos_of_one_state_have_an_index_in_the_order_of_the_gallery(long_ago):
    failed = long_ago.photos.filter(state=State.FAILED)
    (plan,) = explain(partial(read_page, failed, order=SORTS["newest"]))
    assert "photo_gallery_of_state (collection_id=? AND state=?)" in plan
    assert "TEMP B-TREE" not in plan


@pytest.fixture
def many(collection):
    """A thousand photos with a face each, of which the three oldest have a label, a folder and a tag of their own."""
    if connection.vendor != "sqlite":
        pytest.skip("asks SQLite")
    now = timezone.now()
    common = {"owner": collection.owner, "collection": collection, "state": State.DONE, "width": 100, "height": 80}
    photos = Photo.objects.bulk_create(
        Photo(
            name=f"{n}.jpg",
            sha256=str(n),
            received_at=now + timedelta(seconds=n),
            folder="rare" if n < 3 else "common",
            face_count=1,
            **common,
        )
        for n in range(MANY)
    )
    box = dict.fromkeys(("x1", "y1", "x2", "y2", "detection", "size_px", "sharpness", "brightness"), 1.0)
    chip = dict.fromkeys(("chip_cx", "chip_cy", "chip_side", "chip_angle"), 1.0)
    faces = Face.objects.bulk_create(Face(photo=photo, number=1, **box, **chip) for photo in photos)
    Guess.objects.bulk_create(
        Guess(face=face, attribute="race", label="Indian" if n < 3 else "White", probability=1, unsure=False)
        for n, face in enumerate(faces)
    )
    column = TagColumn.objects.create(collection=collection, name="paper")
    PhotoTag.objects.bulk_create(
        PhotoTag(photo=photo, column=column, value="rare" if n < 3 else "common") for n, photo in enumerate(photos)
    )
    Collection.objects.filter(pk=collection.pk).update(has_origins=True)
    return collection


@contextmanager
def counted_steps() -> Iterator[list[int]]:
    """How many instructions SQLite's machine carries out, in tens."""
    steps = [0]

    def step() -> int:
        steps[0] += 1
        return 0

    connection.ensure_connection()
    connection.connection.set_progress_handler(step, 10)
    try:
        yield steps
    finally:
        connection.connection.set_progress_handler(None, 0)


def test_no_order_and_no_filter_looks_at_each_photo_for_long(many, alice_client, monkeypatch):
    monkeypatch.setattr("classifier.filters.FEW", 50)
    monkeypatch.setattr(matches, "LARGE_PHOTOS", 0)  # so matches are counted when the page is there, as of many photos
    spent = {}
    for sort, asked in product(SORTS, ("", *(f"{name}={value}" for name in ORIGINS for value in ORIGINS[name]))):
        with counted_steps() as steps:
            page = alice_client.get(f"{reverse('collection-detail', args=[many.uid])}?sort={sort}&{asked}")
        assert len(page.context["page"].rows) == (3 if asked.endswith(("rare", "Indian")) else 48)
        spent[sort, asked] = 10 * steps[0]
    plain = spent["newest", ""]
    assert {what: count for what, count in spent.items() if count - plain > STEPS_A_PHOTO * MANY} == {}


def test_counting_what_a_filter_matches_asks_no_face_in_turn_what_it_is(many, alice_client, monkeypatch):
    monkeypatch.setattr(matches, "LARGE_PHOTOS", 0)
    monkeypatch.setattr(matches, "KEPT_SECONDS", 0)
    address = reverse("collection-detail", args=[many.uid])
    spent = {}
    for asked in ("state=done", "group=White", "group=Indian"):
        alice_client.get(f"{address}?{asked}&count=1", headers={"HX-Request": "true"})
        with counted_steps() as steps:
            told = alice_client.get(f"{address}?{asked}&count=1", headers={"HX-Request": "true"}).content.decode()
        assert ("<strong>3</strong> photos" if asked == "group=Indian" else " photos") in told
        spent[asked] = 10 * steps[0]
    assert spent["group=Indian"] < spent["state=done"]  # three faces, and no photo besides theirs
    assert spent["group=White"] < STEPS_A_FACE * MANY
