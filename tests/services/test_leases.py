"""The thread that keeps a lease, and results that the database refuses."""

import threading
import time
import uuid
from datetime import timedelta

import pytest
from django.db import DataError, InterfaceError, OperationalError, connection
from django.utils import timezone

from classifier.models import Job, LeasedQuerySet, Photo, State
from classifier.services import analysis, jobs, leases, predictions
from tests import factories
from tests.site import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def queued(collection, *, count: int = 1) -> list[Photo]:
    return [factories.make_photo(collection, state=State.QUEUED) for _ in range(count)]


def break_connection() -> None:
    """What this thread has open to the database is dead from now on, and nothing told Django."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            try:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            except OperationalError:
                return
    connection.connection.close()


@pytest.fixture
def renewals(monkeypatch):
    """The times at which the lease's thread renewed."""
    renew, times = LeasedQuerySet.renew, []

    def note(self, **options):
        count = renew(self, **options)
        times.append(time.monotonic())
        return count

    monkeypatch.setattr(LeasedQuerySet, "renew", note)
    return times


def test_a_lease_is_renewed_until_the_work_is_done_and_no_longer(collection, settings, renewals):
    settings.LEASE_SECONDS = 0.6
    queued(collection)
    [photo] = Photo.objects.claim(limit=1)
    with leases.keep_lease(Photo.objects.all(), token=photo.token, alone=True):
        wait_for(lambda: len(renewals) >= 4, seconds=20, what="it is not renewed")
        photo.refresh_from_db()
        assert photo.lease_until > timezone.now() - timedelta(seconds=0.2)
    [thread] = [thread for thread in threading.enumerate() if thread.name == "lease"] or [None]
    if thread:
        thread.join(timeout=20)
    count = len(renewals)
    time.sleep(0.5)
    assert len(renewals) == count


def test_a_lease_is_renewed_again_after_its_connection_broke(collection, settings, renewals, monkeypatch):
    settings.LEASE_SECONDS = 0.6
    queued(collection)
    [photo] = Photo.objects.claim(limit=1)
    renew, broken = LeasedQuerySet.renew, []

    def renew_over_a_line_that_broke(self, **options):
        if len(renewals) == 1 and not broken:
            broken.append(threading.current_thread().name)
            break_connection()
        return renew(self, **options)

    monkeypatch.setattr(LeasedQuerySet, "renew", renew_over_a_line_that_broke)
    with leases.keep_lease(Photo.objects.all(), token=photo.token, alone=True):
        wait_for(lambda: len(renewals) >= 3, seconds=20, what="it is not renewed any more")
    assert broken == ["lease"]
    photo.refresh_from_db()
    assert photo.lease_until > timezone.now() - timedelta(seconds=1)


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_renewal_that_failed_is_tried_again_soon(collection, settings, monkeypatch, error):
    settings.LEASE_SECONDS = 4.5  # renewed every 1.5 s
    monkeypatch.setattr(leases, "RETRY_SECONDS", 0.05)
    tries = []

    def fail_twice(self, **_):
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise error("the connection is closed")
        return 1

    monkeypatch.setattr(LeasedQuerySet, "renew", fail_twice)
    with leases.keep_lease(Photo.objects.all(), token=uuid.uuid4(), alone=True):
        wait_for(lambda: len(tries) >= 3, seconds=20, what="nothing is tried again")
    assert tries[2] - tries[0] < 1.5


def test_work_that_hangs_ends_its_worker_even_when_the_database_is_away(collection, settings, monkeypatch):
    settings.LEASE_SECONDS = 0.15
    monkeypatch.setattr(leases, "HANGS_AFTER_LEASES", 1)
    hung = threading.Event()

    def be_away(self, **_):
        raise OperationalError("no route to the database")

    monkeypatch.setattr(LeasedQuerySet, "renew", be_away)
    monkeypatch.setattr(LeasedQuerySet, "fail_attempt", be_away)
    queued(collection)
    [photo] = Photo.objects.claim(limit=1)
    with leases.keep_lease(Photo.objects.all(), token=photo.token, alone=True, on_hang=hung.set):
        assert hung.wait(timeout=20)


def hang(monkeypatch, settings, photos: list[Photo], *, alone: bool) -> None:
    """Work on one claim of these photos until it is given up."""
    settings.LEASE_SECONDS = 0.3
    monkeypatch.setattr(leases, "HANGS_AFTER_LEASES", 1)
    hung = threading.Event()
    with leases.keep_lease(Photo.objects.all(), token=photos[0].token, alone=alone, on_hang=hung.set):
        assert hung.wait(timeout=20)


def test_a_photo_that_hangs_alone_is_counted_a_failed_attempt_and_after_the_last_one_timed_out(
    collection, settings, monkeypatch
):
    [photo] = queued(collection)
    for attempts in (1, 2, 3):
        hang(monkeypatch, settings, Photo.objects.claim(limit=1), alone=True)
        photo.refresh_from_db()
        assert (photo.attempts, photo.token) == (attempts, None)
    assert (photo.state, photo.code) == (State.FAILED, "timed_out")


def test_photos_that_hang_together_are_not_blamed_and_only_their_own_claim_is_touched(
    collection, settings, monkeypatch
):
    photos = queued(collection, count=3)
    both = Photo.objects.claim(limit=2)
    [other] = Photo.objects.claim(limit=1)
    hang(monkeypatch, settings, both, alone=False)
    assert [Photo.objects.get(pk=photo.pk).attempts for photo in photos] == [0, 0, 0]
    assert {Photo.objects.get(pk=photo.pk).token for photo in both} == {both[0].token}, "their lease runs out"
    hang(monkeypatch, settings, [other], alone=True)
    assert [Photo.objects.get(pk=photo.pk).attempts for photo in photos] == [0, 0, 1]


@pytest.fixture
def told(monkeypatch) -> list[bool]:
    """Whether each lease that a worker kept was of one row alone."""
    keep_lease, told = leases.keep_lease, []

    def note(rows, **options):
        told.append(options["alone"])
        return keep_lease(rows, **options)

    monkeypatch.setattr(leases, "keep_lease", note)
    return told


@pytest.mark.parametrize(("count", "alone"), [(1, True), (2, False)])
def test_a_worker_tells_whether_a_photo_was_claimed_alone(collection, told, count, alone):
    queued(collection, count=count)
    assert analysis.run_once() == count
    assert told == [alone]


def test_a_job_is_always_claimed_alone(alice, told):
    """So one that hangs is blamed for it, and given up in the end."""
    Job.objects.create(owner=alice, kind=Job.Kind.EXPLANATION)
    assert jobs.run_once() == 1
    assert told == [True]


def test_a_worker_whose_work_hangs_ends_with_a_status_of_its_own(settings, monkeypatch):
    ended, hung = [], threading.Event()
    monkeypatch.setattr("os._exit", lambda status: (ended.append(status), hung.set()))
    settings.LEASE_SECONDS = 0.15
    monkeypatch.setattr(leases, "HANGS_AFTER_LEASES", 1)
    with leases.keep_lease(Photo.objects.all(), token=uuid.uuid4(), alone=True):
        assert hung.wait(timeout=20)
    assert ended == [75]


def refuse(monkeypatch, photo: Photo, how) -> None:
    """The database does not take what was found on one photo."""
    store = predictions.store_predictions

    def store_or_refuse(faces, **options):
        if any(face.photo_id == photo.pk for face in faces):
            how()
        return store(faces, **options)

    monkeypatch.setattr(predictions, "store_predictions", store_or_refuse)


@pytest.mark.parametrize("error", [OperationalError, DataError, InterfaceError])
def test_a_result_that_the_database_refuses_stops_no_other_photo_of_its_batch(collection, monkeypatch, error):
    first, bad, last = queued(collection, count=3)

    def break_off():
        raise error("refused")

    refuse(monkeypatch, bad, break_off)
    assert analysis.run_once() == 3
    assert [Photo.objects.get(pk=photo.pk).state for photo in (first, last)] == [State.DONE] * 2
    bad.refresh_from_db()
    assert (bad.state, bad.attempts, bad.faces.count()) == (State.QUEUED, 1, 0)
    while analysis.run_once():
        pass
    bad.refresh_from_db()
    assert (bad.state, bad.code) == (State.FAILED, Photo.Code.INTERNAL)


def test_a_connection_that_breaks_while_one_photo_is_stored_costs_the_others_nothing(collection, monkeypatch):
    photos = queued(collection, count=3)
    with monkeypatch.context() as patch:
        refuse(patch, photos[0], break_connection)
        assert analysis.run_once() == 3
    assert Photo.objects.filter(state=State.DONE).count() == 2
    assert analysis.run_once() == 1
    assert Photo.objects.filter(state=State.DONE).count() == 3
