"""A clock that jumps ahead, under which something is written down, and back again: what was written holds nobody up."""

import math
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from classifier.models import Chore, Photo, State, WorkerHeartbeat
from classifier.running import beat
from classifier.services import analysis, chores, doctor, exports, jobs, rates, retention, tokens
from classifier.services.rates import Rate
from tests import factories
from tests.clock import Clock, Seconds, utc
from webapp.celery import app

JUMP = timedelta(days=30)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    return Clock(monkeypatch, at=utc(2026, 3, 10, 12))


def jump(clock: Clock, *, by: timedelta) -> None:
    clock.at += by


def test_photos_that_a_worker_took_and_lost_under_a_clock_that_was_ahead_are_taken_again(collection, clock):
    factories.make_photo(collection, state=State.QUEUED)
    jump(clock, by=JUMP)
    Photo.objects.claim(limit=1)
    jump(clock, by=-JUMP)
    assert analysis.run_once() == 1
    assert Photo.objects.get().state == State.DONE


def test_a_worker_that_is_overtaken_when_the_clock_jumps_ahead_stores_nothing_twice(collection, clock):
    factories.make_photo(collection, state=State.QUEUED)
    (mine,) = Photo.objects.claim(limit=1)
    jump(clock, by=JUMP)
    assert analysis.run_once() == 1
    jump(clock, by=-JUMP)
    assert not Photo.objects.finish(pk=mine.pk, token=mine.token, face_count=1)
    assert Photo.objects.get().faces.count() == 1


def test_a_worker_that_is_at_it_keeps_its_photo_when_the_clock_jumps_back(collection, clock):
    factories.make_photo(collection, state=State.QUEUED)
    (mine,) = Photo.objects.claim(limit=1)
    jump(clock, by=-JUMP)
    assert Photo.objects.renew(token=mine.token) == 1
    assert analysis.run_once() == 0
    assert Photo.objects.finish(pk=mine.pk, token=mine.token, face_count=0)


def test_chores_done_under_a_clock_that_was_ahead_are_done_the_next_day_all_the_same(db, clock, monkeypatch):
    done = []
    monkeypatch.setattr(chores, "CHORES", {"one": lambda *, until: bool(done.append(timezone.now())) or True})
    jump(clock, by=JUMP)
    chores.do_what_is_due()
    jump(clock, by=-JUMP)
    chores.do_what_is_due()
    chores.do_what_is_due()
    assert len(done) == 2
    assert Chore.objects.get().due_at == utc(2026, 3, 11)


def test_a_worker_last_seen_in_the_future_is_not_alive(db, clock):
    jump(clock, by=JUMP)
    WorkerHeartbeat.objects.create(name="facet1@here", device="cpu", seen_at=clock.at)
    assert WorkerHeartbeat.objects.live().exists()
    jump(clock, by=-JUMP)
    assert not WorkerHeartbeat.objects.live().exists()
    assert doctor.find_dead_workers()


def test_beat_sends_again_after_its_clock_jumped_back():
    scheduler = beat.Scheduler(app, schedule_filename=":memory:", lazy=True)
    entry = scheduler.Entry(name="sweep", task="sweep", schedule=timedelta(seconds=5), app=app)
    entry.last_run_at = app.now() + JUMP
    is_due, seconds = scheduler.is_due(entry)
    assert is_due
    assert seconds == 5
    entry.last_run_at = app.now()
    assert not scheduler.is_due(entry)[0]


@pytest.mark.parametrize("count", [rates.take, rates.charge])
def test_limits_reached_under_a_clock_that_was_ahead_lock_nobody_out(db, settings, monkeypatch, count):
    settings.REDIS_URL = ""
    seconds = Seconds(monkeypatch, of=rates)
    rate = Rate(3, 60)
    seconds.now += JUMP.total_seconds()
    for _ in range(3):
        count("alice", rate=rate, amount=1)
    seconds.now -= JUMP.total_seconds()
    assert count("alice", rate=rate, amount=1) <= 2 * 60
    seconds.now += 2 * 60
    assert count("alice", rate=rate, amount=1) == 0


def test_tokens_and_exports_hold_by_the_clock_of_the_moment_and_nothing_is_removed_early(alice, clock, media):
    token, _ = tokens.create_token(alice, name="laptop", days=10)
    exports.ask_for_export(alice)
    assert jobs.run_once() == 1
    made = exports.find_newest(alice)
    jump(clock, by=-JUMP)
    exports.remove_expired()
    assert not token.is_expired()
    assert exports.find_newest(alice).is_ready()
    jump(clock, by=2 * JUMP)
    assert token.is_expired()
    exports.remove_expired()
    assert not (media / made.file).exists()


def test_retention_goes_by_the_day_and_a_clock_that_jumps_back_deletes_nothing(collection, clock):
    collection.retention_days = 30
    collection.save()
    factories.make_photo(collection, received_at=clock.at)
    for by, left in ((-JUMP, 1), (timedelta(days=59), 1), (timedelta(days=3), 0)):
        jump(clock, by=by)
        assert retention.delete_overdue(until=math.inf)
        assert Photo.objects.count() == left


def test_the_doctor_finds_what_a_worker_lost_under_a_clock_that_was_ahead(collection, clock, capsys):
    factories.make_photo(collection, state=State.QUEUED)
    jump(clock, by=JUMP)
    Photo.objects.claim(limit=1)
    jump(clock, by=-JUMP)
    assert doctor.find_abandoned_photos()
    with pytest.raises(SystemExit):
        call_command("doctor", fix=True)
    assert Photo.objects.get().state == State.QUEUED
