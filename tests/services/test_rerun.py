"""Photos that are analysed once more: whole at any moment, many of them, and beside others who want the same."""

import threading
from contextlib import closing
from time import monotonic

import pytest
from django.db import OperationalError, connection

from classifier.models import Face, Photo, State
from classifier.models import leases as lease_queue
from classifier.services import analysis, audit, rerun
from ml.requests import PhotoResult
from tests import factories, fakes
from tests.admin.test_photos import choose
from tests.conftest import logged_in


def analyse_all() -> None:
    while analysis.run_once():
        pass


def analysed(collection, *, count: int) -> list[Photo]:
    photos = [factories.make_photo(collection, state=State.QUEUED) for _ in range(count)]
    analyse_all()
    return photos


def many(collection, *, count: int, state: State = State.DONE) -> None:
    """Rows without files."""
    first = Photo.objects.count()
    Photo.objects.bulk_create(
        Photo(
            owner=collection.owner,
            collection=collection,
            name=f"{n}",
            sha256=f"{n:064}",
            width=8,
            height=8,
            state=state,
        )
        for n in range(first, first + count)
    )


def assert_each_photo_is_whole() -> None:
    for photo in Photo.objects.all():
        assert photo.state == State.DONE
        assert photo.face_count == Face.objects.counted().filter(photo=photo).count() == 1


@pytest.mark.parametrize("error", ["unreadable", "crash"])
def test_faces_count_until_a_new_look_succeeded(db, collection, monkeypatch, error):
    [photo] = analysed(collection, count=1)
    face = photo.faces.get()
    rerun.detect_again(Photo.objects.all())

    def fail(self, requests):
        if error == "crash":
            raise RuntimeError("the network met a photo it cannot bear")
        return [PhotoResult(0, 0, (), {}, error=error)]

    with monkeypatch.context() as patch:
        patch.setattr(fakes.FakePipeline, "analyze", fail)
        analyse_all()
    photo.refresh_from_db()
    assert (photo.state, photo.face_count) == (State.FAILED, 1)
    assert list(Face.objects.counted().filter(photo=photo)) == [face]
    rerun.run_again(Photo.objects.all())
    analyse_all()
    photo.refresh_from_db()
    assert (photo.state, photo.face_count) == (State.DONE, 1)
    assert face not in Face.objects.counted(), "what was asked for happens with the first look that succeeds"


def test_a_new_look_that_finds_nobody_retires_who_was_there(db, collection, monkeypatch):
    [photo] = analysed(collection, count=1)
    rerun.detect_again(Photo.objects.all())
    nobody = PhotoResult(320, 240, (), {"decode": 1.0, "detect": 1.0, "classify": 0.0})
    monkeypatch.setattr(fakes.FakePipeline, "analyze", lambda self, requests: [nobody])
    analyse_all()
    photo.refresh_from_db()
    assert (photo.state, photo.code, photo.face_count) == (State.DONE, "no_face", 0)
    assert not Face.objects.counted().exists()


def at_once(*actions) -> None:
    """Each in a thread and with a connection of its own; the first error is raised here."""
    start, errors = threading.Barrier(len(actions)), []

    def act(action):
        try:
            with closing(connection):
                start.wait(timeout=20)
                action()
        except Exception as error:  # noqa: BLE001 - told by the thread that waits
            errors.append(error)

    threads = [threading.Thread(target=act, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads), "one waits for ever"
    if errors:
        raise errors[0]


@pytest.mark.django_db(transaction=True)
def test_running_and_detecting_again_at_once_leave_every_photo_whole(collection, monkeypatch, settings):
    monkeypatch.setattr(fakes.FakePipeline, "seconds_per_photo", 0.002)
    monkeypatch.setattr(lease_queue, "RESTART_ROWS", 3)
    settings.BATCH_PHOTOS = 2
    analysed(collection, count=6)
    for _ in range(6):
        at_once(
            lambda: rerun.detect_again(Photo.objects.all()),
            lambda: rerun.run_again(Photo.objects.all()),
            analyse_all,
            analyse_all,
        )
        analyse_all()
        assert_each_photo_is_whole()


@pytest.mark.django_db(transaction=True)
def test_a_photo_that_is_run_again_meanwhile_is_not_detected_again(collection, monkeypatch):
    """Between the list of photos and their change another queues one, and a worker looks at the face it has."""
    [photo] = analysed(collection, count=1)
    store, results = analysis.store_result, []
    monkeypatch.setattr(analysis, "store_result", lambda *result, **more: results.append((result, more)))

    def run_again_and_look():
        rerun.run_again(Photo.objects.all())
        analysis.run_once()

    def overtake(execute, sql, params, many, context):
        found = execute(sql, params, many, context)
        if sql.startswith("SELECT") and '"state" IN' in sql and not results:
            at_once(run_again_and_look)
        return found

    with connection.execute_wrapper(overtake):
        rerun.detect_again(Photo.objects.all())
    [(result, more)] = results
    assert store(*result, **more)
    photo.refresh_from_db()
    assert photo.state == State.DONE
    assert_each_photo_is_whole()


def test_many_photos_are_queued_in_few_statements(db, collection, bob, django_assert_max_num_queries):
    many(collection, count=1_600)
    many(factories.CollectionFactory(owner=bob), count=100, state=State.FAILED)
    with django_assert_max_num_queries(40):
        assert rerun.run_again(Photo.objects.all()) == 1_700
    assert Photo.objects.filter(state=State.QUEUED).count() == 1_700
    for owner, count in ((collection.owner, 1_600), (bob, 100)):
        turns = Photo.objects.filter(owner=owner).order_by("pk").values_list("turn", flat=True)
        assert list(turns) == list(range(count))


@pytest.mark.django_db(transaction=True)
def test_what_was_cut_short_is_whole_and_the_next_call_goes_on_from_there(collection, monkeypatch):
    many(collection, count=50)
    monkeypatch.setattr(lease_queue, "RESTART_ROWS", 10)
    restart_batch = lease_queue.LeasedQuerySet._restart_batch
    batches = []

    def restart_three(self, keys, **options):
        if len(batches) == 3:
            raise OperationalError("the server went away")
        batches.append(keys)
        return restart_batch(self, keys, **options)

    with monkeypatch.context() as patch:
        patch.setattr(lease_queue.LeasedQuerySet, "_restart_batch", restart_three)
        with pytest.raises(OperationalError):
            rerun.detect_again(Photo.objects.all())
    assert Photo.objects.filter(state=State.QUEUED, detect_anew=True).count() == 30
    assert rerun.detect_again(Photo.objects.all()) == 20
    assert list(Photo.objects.order_by("pk").values_list("turn", flat=True)) == list(range(50))


@pytest.mark.django_db(transaction=True)
def test_others_write_while_many_photos_are_queued(collection, alice):
    """Also to the audit log, which has one writer at a time."""
    many(collection, count=4_000)
    has_begun, is_done = threading.Event(), threading.Event()
    written = []

    def write_now_and_then():
        has_begun.wait(timeout=20)
        while not is_done.is_set():
            audit.record("looked", actor=alice)
            written.append(monotonic())
            is_done.wait(0.01)

    def run_again():
        has_begun.set()
        try:
            rerun.run_again(Photo.objects.all())
        finally:
            is_done.set()

    at_once(write_now_and_then, run_again)
    assert len(written) > 4, "in one transaction they would all wait for its end"


@pytest.mark.django_db(transaction=True)
def test_the_audit_log_is_free_while_an_administrator_queues_photos(collection, adam, monkeypatch):
    photo = factories.make_photo(collection, state=State.DONE)
    others = []

    def run_again(photos):
        at_once(lambda: others.append(audit.record("meanwhile")))
        return photos.restart()

    monkeypatch.setattr(rerun, "run_again", run_again)
    choose(logged_in(adam), "run_again", photo)
    assert len(others) == 1
    photo.refresh_from_db()
    assert photo.state == State.QUEUED
