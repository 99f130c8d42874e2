"""Collections that have little to tell, or change while they are asked: a clear answer each time."""

from datetime import timedelta

import pytest
from django.utils import timezone

from classifier.models import Collection, ComputedReport, Job, ModelVersion, Photo, State, TagColumn
from classifier.services import collections, deletion, jobs
from classifier.services.reports import caching, computing
from classifier.services.reports.questions import Question
from tests import factories

RACES = ("White", "White", "Black", "Indian")


@pytest.fixture
def evidence(db):
    return factories.give_evidence(factories.ModelVersionFactory())


@pytest.fixture
def portraits(collection, evidence) -> Collection:
    for number in range(20):
        factories.make_face(factories.make_photo(collection, name=f"{number}.jpg"), race=RACES[number % 4])
    return collection


def ask(collection: Collection, user, **asked) -> caching.Answer:
    fresh = Collection.objects.get(pk=collection.pk)
    return caching.read_answer(fresh, question=Question(taxonomy=fresh.taxonomy, **asked), user=user)


def notes_of(found: caching.Answer) -> str:
    return " ".join(found.values["notes"])


def test_one_face_is_told_with_all_its_doubt(alice, collection, evidence):
    factories.make_face(factories.make_photo(collection), race="White")
    found = ask(collection, alice)
    assert found.values["faces"] == 1
    assert "Only one face: intervals of so few say little" in notes_of(found)
    white = next(row for row in found.values["attributes"]["race"]["rows"] if row["label"] == "White")
    assert (white["low"], white["high"]) != (white["share"], white["share"])


@pytest.mark.parametrize(
    ("photos", "asked", "told"),
    [
        ([], {}, "There are no photos yet"),
        ([{"state": State.QUEUED}], {}, "The photos are being analysed"),
        ([{"code": Photo.Code.NO_FACE}], {}, "No face was found in these photos"),
        ([{"state": State.FAILED, "code": Photo.Code.CRASHED}], {}, "No face was found in these photos"),
        ([{"code": Photo.Code.NO_FACE}], {"filters": {"state": "failed"}}, "No face here fits these filters"),
    ],
)
def test_where_nobody_is_to_be_counted_the_reason_is_told(alice, collection, photos, asked, told):
    for values in photos:
        factories.make_photo(collection, **values)
    found = ask(collection, alice, **asked)
    assert found.values is None
    assert told in found.nothing


def test_a_collection_that_still_runs_tells_what_is_done(alice, portraits):
    for _ in range(3):
        factories.make_photo(portraits, state=State.QUEUED)
    found = ask(portraits, alice)
    assert found.values["faces"] == 20
    assert "3 photos are not analysed yet, and not in these numbers." in notes_of(found)


def test_two_model_versions_are_told_and_never_mixed(alice, portraits):
    older = factories.ModelVersionFactory(name="older", sha256="0" * 64, status=ModelVersion.Status.RETIRED)
    for photo in portraits.photos.all()[:5]:
        photo.faces.get().predictions.update(model_version=older)
    found = ask(portraits, alice)
    assert (found.values["model"], found.values["faces"]) == ("facet-test", 15)
    assert "5 faces are left out, since another model version looked at them last" in notes_of(found)


def test_a_model_without_matrices_gives_counted_labels_and_says_why(alice, collection):
    for _ in range(3):
        factories.make_face(factories.make_photo(collection))
    found = ask(collection, alice)
    assert found.values["basis"] == "counted"
    assert "facet-test does not carry how it errs" in notes_of(found)


def test_an_attribute_that_is_switched_off_while_a_worker_computes_is_nowhere(alice, portraits, monkeypatch):
    monkeypatch.setattr(caching, "AT_ONCE_FACES", 1)
    ask(portraits, alice)
    collections.change_collection(portraits, actor=alice, attributes=["gender", "age"])
    assert jobs.run_once() == 1
    assert not ComputedReport.objects.exclude(content="").exists()
    ask(portraits, alice)
    jobs.run_once()
    assert list(ask(portraits, alice).values["attributes"]) == ["age", "gender"]
    collections.change_collection(portraits, actor=alice, attributes=[])
    ask(portraits, alice)
    jobs.run_once()
    assert "every attribute is switched off" in ask(portraits, alice).nothing


def test_a_column_of_tags_that_is_gone_leaves_one_part_without_a_name(alice, portraits, monkeypatch):
    monkeypatch.setattr(caching, "AT_ONCE_FACES", 1)
    column = TagColumn.objects.create(collection=portraits, name="desk")
    ask(portraits, alice, by="tag:desk")
    column.delete()
    assert jobs.run_once() == 1
    assert [part["value"] for part in ask(portraits, alice, by="tag:desk").values["groups"]] == [""]


@pytest.mark.parametrize(("deleted", "told"), [(True, "was deleted"), (False, "second has nobody to count")])
def test_the_report_stands_where_there_is_nothing_to_hold_it_against(alice, portraits, monkeypatch, deleted, told):
    second = factories.CollectionFactory(owner=alice, name="second")
    question = Question(taxonomy=portraits.taxonomy, other=str(second.uid))
    if deleted:
        Collection.objects.filter(pk=second.pk).update(deleting_at=timezone.now())
    values = computing.answer_question(portraits, question=question).values
    assert values["faces"] == 20
    assert any(note.startswith("Not compared: ") and told in note for note in values["notes"])


def test_a_collection_that_is_deleted_while_a_worker_computes_takes_the_job_along(alice, portraits, monkeypatch):
    monkeypatch.setattr(caching, "AT_ONCE_FACES", 1)
    ask(portraits, alice)
    deletion.delete_collection(portraits)
    while jobs.run_once():
        pass
    assert not ComputedReport.objects.exists()
    assert set(Job.objects.values_list("state", flat=True)) <= {State.DONE}


def test_a_report_whose_worker_was_killed_is_taken_up_again_and_stored_once(alice, portraits, monkeypatch):
    monkeypatch.setattr(caching, "AT_ONCE_FACES", 1)
    ask(portraits, alice)
    (killed,) = Job.objects.claim(limit=1)  # and nothing more: as `kill -9` leaves it
    assert jobs.run_once() == 0
    assert ask(portraits, alice).state == "computing"
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert jobs.run_once() == 1
    job = Job.objects.get()
    assert (job.state, job.lost) == (State.DONE, 1)
    stored = ComputedReport.objects.get()
    assert ask(portraits, alice).values["faces"] == 20
    # The one that was thought dead comes back with an answer: nobody's any more.
    computing.do_job(killed, token=killed.token)
    assert ComputedReport.objects.get().computed_at == stored.computed_at


def test_who_asks_for_very_many_reports_waits_for_those_asked_before(alice, portraits, monkeypatch):
    monkeypatch.setattr(caching, "AT_ONCE_FACES", 1)
    monkeypatch.setattr(caching, "MOST_WAITING", 2)
    for narrowest in (41, 42, 43):
        ask(portraits, alice, narrowest_px=narrowest)
    assert Job.objects.count() == 2
    assert jobs.run_once() == 1
    assert ask(portraits, alice, narrowest_px=43).state == "computing"
    while jobs.run_once():
        pass
    assert ask(portraits, alice, narrowest_px=43).values["faces"] == 20
