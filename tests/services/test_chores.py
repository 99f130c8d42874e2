"""What is done once a day: by one process, and whatever breaks, the rest all the same."""

import logging
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.core.management import call_command
from django.db import connection

from classifier import tasks
from classifier.models import AccessToken, Chore
from classifier.services import chores, deletion, tokens
from tests.clock import Clock, utc


@pytest.fixture
def clock(monkeypatch) -> Clock:
    return Clock(monkeypatch, at=utc(2026, 3, 10, 12))


@pytest.fixture
def done(monkeypatch) -> list[str]:
    """Two chores that only say that they were done, and what was said."""
    said: list[str] = []

    def say(name):
        def chore(*, until):
            said.append(name)
            return True

        return chore

    monkeypatch.setattr(chores, "CHORES", {name: say(name) for name in ("one", "two")})
    return said


@pytest.mark.django_db
def test_a_chore_is_done_once_a_day_from_midnight_on(clock, done):
    chores.do_what_is_due()
    assert done == ["one", "two"]
    clock.set(2026, 3, 10, 23, 59)
    chores.do_what_is_due()
    assert len(done) == 2
    clock.set(2026, 3, 11)
    chores.do_what_is_due()
    chores.do_what_is_due()
    assert done == ["one", "two"] * 2


@pytest.mark.django_db
def test_a_start_has_all_of_them_done_again(clock, done):
    chores.do_what_is_due()
    chores.call_all()
    chores.do_what_is_due()
    assert done == ["one", "two"] * 2


@pytest.mark.django_db
def test_a_start_leaves_a_chore_alone_that_another_process_is_at(clock, done):
    Chore.objects.create(name="one", due_at=clock.at)
    assert chores._take("one")
    chores.call_all()
    chores.do_what_is_due()
    assert done == ["two"]


@pytest.mark.django_db
def test_one_that_breaks_is_logged_and_keeps_no_other_from_being_done(clock, done, monkeypatch, caplog):
    def break_down(*, until):
        raise RuntimeError("the first one broke")

    monkeypatch.setitem(chores.CHORES, "one", break_down)
    with caplog.at_level(logging.ERROR, logger="facet.chores"):
        chores.do_what_is_due()
        chores.do_what_is_due()
    assert done == ["two"]
    assert caplog.text.count("the daily chore “one” broke") == 1
    clock.go_on(hours=1)
    with caplog.at_level(logging.ERROR, logger="facet.chores"):
        chores.do_what_is_due()
    assert caplog.text.count("the daily chore “one” broke") == 2
    assert done == ["two"]


@pytest.mark.django_db
def test_one_whose_process_was_killed_is_done_by_another_an_hour_later(clock, done, monkeypatch):
    def be_killed(*, until):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(chores.CHORES, "one", be_killed)
        with pytest.raises(KeyboardInterrupt):
            chores.do_what_is_due()
    chores.do_what_is_due()
    assert done == ["two"]
    clock.go_on(hours=1)
    chores.do_what_is_due()
    assert done == ["two", "one"]


@pytest.mark.django_db
def test_one_that_is_not_done_yet_goes_on_with_the_next_sweep(clock, monkeypatch):
    answers = iter([False, False, True])
    monkeypatch.setattr(chores, "CHORES", {"one": lambda *, until: next(answers)})
    for _ in range(5):
        chores.do_what_is_due()
        clock.go_on(seconds=5)
    assert next(answers, "asked for all") == "asked for all"


@pytest.mark.django_db(transaction=True)
def test_of_many_processes_one_does_it(done):
    """Threads with connections of their own stand for them."""
    together = Barrier(6)

    def sweep():
        together.wait()
        chores.do_what_is_due()
        connection.close()

    threads = [Thread(target=sweep) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == ["one", "two"]


@pytest.mark.django_db
def test_the_sweep_does_them_and_deletions_go_first(done, monkeypatch):
    monkeypatch.setattr(deletion, "finish_deletions", lambda: done.append("deletions"))
    tasks.sweep()
    assert done == ["deletions", "one", "two"]


@pytest.mark.django_db
def test_a_sweep_with_nothing_to_do_asks_one_question_more(clock, done, django_assert_num_queries):
    chores.do_what_is_due()
    with django_assert_num_queries(1):
        chores.do_what_is_due()


@pytest.mark.django_db
def test_expired_sessions_go_and_the_others_stay(db):
    for seconds in (-10, 3600):
        session = SessionStore()
        session.set_expiry(seconds)
        session.save()
    assert chores.clear_sessions(until=0)
    assert Session.objects.count() == 1


@pytest.mark.django_db
def test_what_the_cache_keeps_beyond_its_time_goes(settings, clock):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "some_cache"}}
    call_command("createcachetable")
    caches["default"].set("counts:x", "kept", 3600 * 24 * 365 * 50)
    caches["default"].set("shares:x", "over", 1)
    Clock.go_on(clock, days=365 * 10)
    assert chores.clear_cache(until=0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT cache_key FROM some_cache")
        assert [key for (key,) in cursor.fetchall()] == [":1:counts:x"]


@pytest.mark.django_db
def test_expired_tokens_stay_listed(alice, clock):
    token, _ = tokens.create_token(alice, name="laptop", days=1)
    AccessToken.objects.filter(pk=token.pk).update(expiry=clock.at - timedelta(days=400))
    chores.do_what_is_due()
    assert AccessToken.objects.filter(pk=token.pk).exists()
