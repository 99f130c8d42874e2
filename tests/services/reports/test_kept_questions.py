"""How many questions are kept, who computes them, and for how long the jobs that did are there."""

import math
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from classifier.models import Collection, ComputedReport, Job, Photo, State
from classifier.services import chores, explanations, jobs
from classifier.services.reports import caching, computing
from classifier.services.reports.questions import Question
from tests import factories
from tests.clock import Clock, utc


@pytest.fixture
def portraits(collection) -> Collection:
    factories.give_evidence(factories.ModelVersionFactory())
    factories.make_face(factories.make_photo(collection))
    return collection


@pytest.fixture
def crowd(alice) -> Collection:
    second = factories.CollectionFactory(owner=alice, name="crowd")
    for _ in range(6):
        factories.make_face(factories.make_photo(second))
    return second


@pytest.fixture
def left_to_workers(monkeypatch) -> None:
    monkeypatch.setattr(caching, "AT_ONCE_FACES", 0)


def ask(collection: Collection, user, **asked) -> caching.Answer:
    fresh = Collection.objects.get(pk=collection.pk)
    return caching.read_answer(fresh, question=Question(taxonomy=fresh.taxonomy, **asked), user=user)


def work() -> None:
    while jobs.run_once():
        pass


def test_questions_that_workers_answered_make_way_for_later_ones(alice, portraits, left_to_workers, monkeypatch):
    monkeypatch.setattr(caching, "KEPT_QUESTIONS", 3)
    for narrowest in range(41, 49):
        ask(portraits, alice, narrowest_px=narrowest)
        work()
    kept = ComputedReport.objects.values_list("question__narrowest_px", flat=True)
    assert sorted(kept) == [46, 47, 48]


def test_questions_that_failed_make_way_too(alice, portraits, left_to_workers, monkeypatch):
    monkeypatch.setattr(caching, "KEPT_QUESTIONS", 1)
    ask(portraits, alice)
    Job.objects.update(state=State.FAILED, code=Job.Code.CRASHED)
    ask(portraits, alice, narrowest_px=41)
    assert ComputedReport.objects.count() == 1


def test_a_question_that_a_worker_still_has_waits_for_its_answer(alice, portraits, left_to_workers, monkeypatch):
    monkeypatch.setattr(caching, "KEPT_QUESTIONS", 1)
    for narrowest in (41, 42, 43):
        ask(portraits, alice, narrowest_px=narrowest)
    assert ComputedReport.objects.count() == 3
    work()
    assert not ComputedReport.objects.filter(computed_at=None).exists()
    ask(portraits, alice, narrowest_px=44)
    assert ComputedReport.objects.count() == 1


def test_a_question_that_makes_way_while_it_is_asked_breaks_nothing(alice, portraits, left_to_workers, monkeypatch):
    def is_small(row, **_):
        ComputedReport.objects.filter(pk=row.pk).delete()
        return False

    monkeypatch.setattr(caching, "_is_small", is_small)
    assert ask(portraits, alice).values is None
    assert not Job.objects.exists()


def test_a_large_collection_is_left_to_a_worker_from_either_side(alice, portraits, crowd, monkeypatch):
    monkeypatch.setattr(caching, "AT_ONCE_FACES", 5)
    assert ask(portraits, alice).state == "done"
    found = ask(portraits, alice, other=str(crowd.uid))
    assert (found.state, found.values) == ("computing", None)
    work()
    assert ask(portraits, alice, other=str(crowd.uid)).values["comparisons"]
    assert ask(crowd, alice, other=str(portraits.uid)).state == "computing"


def test_what_changes_on_the_other_side_rests_as_well(alice, portraits, crowd, monkeypatch):
    computed = []
    monkeypatch.setattr(
        computing, "compute_row", lambda row, usual=computing.compute_row: computed.append(row) or usual(row)
    )
    ask(portraits, alice, other=str(crowd.uid))
    factories.make_photo(crowd, state=State.QUEUED)
    for _ in range(3):
        Collection.objects.filter(pk=crowd.pk).update(revision=Collection.objects.get(pk=crowd.pk).revision + 1)
        found = ask(portraits, alice, other=str(crowd.uid))
        assert (found.is_current, bool(found.values)) == (False, True)
    assert len(computed) == 1
    Photo.objects.filter(collection=crowd, state=State.QUEUED).update(state=State.FAILED)
    assert ask(portraits, alice, other=str(crowd.uid)).is_current


def test_jobs_go_when_they_were_finished_long_ago_and_what_they_made_stays(
    alice, portraits, left_to_workers, monkeypatch
):
    clock = Clock(monkeypatch, at=utc(2026, 3, 1, 12))
    monkeypatch.setattr(jobs, "PRUNED_AT_ONCE", 1)
    for narrowest in (41, 42):
        ask(portraits, alice, narrowest_px=narrowest)
    work()
    clock.go_on(days=6)
    assert jobs.prune_finished(until=math.inf)
    assert Job.objects.count() == 2
    ask(portraits, alice, narrowest_px=43)
    clock.go_on(days=2)
    assert not jobs.prune_finished(until=0)
    assert chores.CHORES["finished jobs"](until=math.inf)
    assert Job.objects.get().state == State.QUEUED
    assert ask(portraits, alice, narrowest_px=41).values["faces"] == 1


def test_what_failed_long_ago_can_be_asked_for_anew(alice, portraits, left_to_workers, monkeypatch):
    clock = Clock(monkeypatch, at=utc(2026, 3, 1, 12))
    ask(portraits, alice)
    face = portraits.photos.get().faces.get()
    explanations.ask(alice, face=face, attribute="race")
    Job.objects.update(state=State.FAILED, code=Job.Code.CRASHED, finished_at=timezone.now())
    assert ask(portraits, alice).state == "failed"
    clock.go_on(days=8)
    assert jobs.prune_finished(until=math.inf)
    assert ask(portraits, alice).state == "computing"
    assert explanations.ask(alice, face=face, attribute="race").state == State.QUEUED


def test_pruning_jobs_costs_the_same_few_questions_for_each_batch(alice, db, django_assert_max_num_queries):
    long_ago = timezone.now() - timedelta(days=30)
    for _ in range(20):
        Job.objects.create(owner=alice, kind=Job.Kind.REPORT, state=State.DONE, finished_at=long_ago)
    with django_assert_max_num_queries(10, connection=connection):
        assert jobs.prune_finished(until=math.inf)
    assert not Job.objects.exists()
