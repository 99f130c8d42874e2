"""Collections whose counts are told again for a while: what their owner does is seen at once all the same."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.urls import reverse

from classifier.models import Collection, Photo, State
from classifier.services import collections, deletion, rerun, summaries, uploads
from classifier.services.reports import caching, reading
from tests import factories
from tests.services.submissions import sent


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch):
    monkeypatch.setattr(summaries, "LARGE_PHOTOS", 0)
    monkeypatch.setattr(summaries, "COUNTED_PER_SECOND", 0.01)


@pytest.fixture
def progress(alice_client, collection):
    """The fragment that the page asks for, after two photos are done and the page has been looked at."""
    for _ in range(2):
        factories.make_photo(collection)

    def ask() -> str:
        return alice_client.get(reverse("collection-progress", args=[collection.uid])).content.decode()

    assert "every 2s" not in ask()
    return ask


def test_the_page_follows_what_is_uploaded_to_it(progress, alice, collection, media):
    uploads.submit_photos(alice, collection=collection, files=[sent(seed=99)])
    page = progress()
    assert "every 2s" in page
    assert "analysed 0 of 1" in page


def test_what_runs_again_and_what_is_deleted_is_counted_at_once(progress, collection):
    rerun.run_again(Photo.objects.filter(pk=collection.photos.first().pk))
    assert "every 2s" in progress()
    deletion.delete_photos(Photo.objects.filter(state=State.QUEUED))
    assert "<strong>1</strong> photo<" in progress()
    rerun.detect_again(Photo.objects.all())
    assert "every 2s" in progress()


def test_a_bar_is_not_drawn_for_nothing(progress, collection):
    rerun.run_again(Photo.objects.all())
    assert "analysed 0 of 2" in progress()
    Photo.objects.update(state=State.DONE)
    page = progress()
    assert "every 2s" in page  # the count is an old one: it is asked for again
    assert "analysed" not in page


def test_a_browser_that_asks_since_ever_other_moments_fills_no_cache(progress, collection, monkeypatch):
    kept = {}
    stand_in = SimpleNamespace(
        get=kept.get, get_many=lambda keys: {}, set=lambda key, value, timeout: kept.update({key: value})
    )
    monkeypatch.setattr(summaries, "cache", stand_in)
    first = collection.photos.earliest("queued_at").queued_at
    for seconds in range(50):
        since = first - timedelta(seconds=seconds)
        assert summaries.measure_run(collection, since=since).since == since
    assert len([key for key in kept if key.startswith("run:")]) == summaries.RUNS_KEPT


def test_progress_since_the_same_moment_is_told_again(progress, collection):
    since = collection.photos.earliest("queued_at").queued_at
    assert summaries.measure_run(collection, since=since).total == 2
    factories.make_photo(collection)
    assert summaries.measure_run(collection, since=since).total == 2
    assert summaries.measure_run(collection, since=since - timedelta(seconds=1)).total == 3


def test_shares_lag_while_photos_come_but_not_behind_the_collections_own_settings(collection, monkeypatch):
    factories.make_face(factories.make_photo(collection), race="East Asian")
    factories.make_photo(collection, state=State.QUEUED)

    def tell() -> list[tuple[str, int]]:
        found = Collection.objects.get(pk=collection.pk)
        answer = caching.read_answer(found, question=reading.default_question(found), user=found.owner)
        return [(row.label, row.n) for row in answer.report.tables[0].rows if row.n] if answer.report else []

    assert tell() == [("East Asian", 1)]
    factories.make_face(factories.make_photo(collection), race="East Asian")
    Collection.objects.note_change([collection.pk])
    assert tell() == [("East Asian", 1)]
    collections.change_collection(collection, actor=collection.owner, taxonomy="utkface-5")
    assert tell() == [("Asian", 2)]
    collections.change_collection(collection, actor=collection.owner, attributes=["age"])
    assert tell() == [("20-39", 2)]
    Collection.objects.note_change([collection.pk])
    monkeypatch.setattr(caching, "SHORTEST_REST_SECONDS", 0)
    monkeypatch.setattr(caching, "RESTS", 0)
    factories.make_face(factories.make_photo(collection))
    assert tell() == [("20-39", 3)]


def test_what_is_about_to_be_deleted_is_told_exactly(progress, alice_client, collection):
    factories.make_photo(collection)
    page = alice_client.get(reverse("collection-delete", args=[collection.uid])).content.decode()
    assert "with 3 photos" in page


@pytest.mark.parametrize(("photos", "seconds"), [(30_000, 2), (50_000, 2), (1_000_000, 20)])
def test_a_count_is_kept_for_whole_seconds(monkeypatch, photos, seconds):
    monkeypatch.setattr(summaries, "COUNTED_PER_SECOND", 50_000)
    kept = []
    monkeypatch.setattr(summaries, "cache", SimpleNamespace(set=lambda key, value, timeout: kept.append(timeout)))
    summaries._keep_if_large("counts", summaries.Counts(photos=photos), photos=photos)
    assert kept == [seconds]
