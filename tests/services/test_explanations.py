"""What mattered: asked once, worked out once, kept with the face, gone with it."""

import dataclasses
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from classifier import inference, tasks
from classifier.intake import storage
from classifier.models import MAX_ATTEMPTS, Explanation, Face, Job, Photo, State
from classifier.running import hints
from classifier.services import accounts, analysis, collections, deletion, doctor, explanations, jobs, rerun
from classifier.services.explanations import ExplanationRefused
from tests import factories, fakes

pytestmark = pytest.mark.django_db


@pytest.fixture
def face(collection) -> Face:
    """A face that the stand-in model found."""
    photo = factories.make_photo(collection, state=State.QUEUED)
    analysis.run_once()
    return photo.faces.get()


def heat_files(media) -> list[str]:
    return sorted(path.name for path in (media / "heat").rglob("*") if path.is_file())


def ask(face, attribute="race", **more):
    return explanations.ask(face.photo.owner, face=face, attribute=attribute, **more)


def let_leases_run_out():
    Job.objects.filter(state=State.RUNNING).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_question_is_queued_worked_out_and_known_from_then_on(face, media):
    assert explanations.read_answer(face, attribute="race").state == ""
    assert ask(face).state == State.QUEUED
    assert ask(face).state == State.QUEUED  # asking again while it waits adds nothing
    assert Job.objects.count() == 1
    assert jobs.run_once() == 1
    answer = ask(face)
    assert answer.state == State.DONE
    assert [row.method for row in answer.maps] == ["gradcam", "shap"]
    for row in answer.maps:
        assert row.label == face.prediction.predicted_label("race")
        assert row.heat.name == storage.heat_name(row.uid)
        assert row.heat.open("rb").read().startswith(b"\x89PNG")
        assert row.crop_side == face.chip_side
        assert row.probability == pytest.approx(0.63)
    assert answer.maps[0].reference_probability is None
    assert answer.maps[1].reference_probability == pytest.approx(0.269, abs=0.001)
    assert jobs.run_once() == 0
    assert Job.objects.count() == 1
    assert len(heat_files(media)) == 2


def test_each_attribute_is_a_question_of_its_own(face):
    ask(face, "race")
    ask(face, "age")
    assert jobs.run_once() + jobs.run_once() == 2
    assert explanations.read_answer(face, attribute="age").maps[0].label == face.prediction.predicted_label("age")
    assert explanations.read_answer(face, attribute="gender").state == ""
    assert explanations.explainable(face) == ("race", "gender", "age")


def test_the_database_allows_one_explanation_for_each_question(face):
    row = factories.make_explanation(face)
    with pytest.raises(IntegrityError), transaction.atomic():
        factories.make_explanation(face)
    assert Explanation.objects.get() == row


def test_the_task_does_photos_and_jobs_in_turn(face, collection, settings, monkeypatch):
    monkeypatch.setattr(tasks, "close_old_connections", lambda: None)  # the test's own is one
    settings.BATCH_PHOTOS = 1
    ask(face)
    photos = [factories.make_photo(collection, state=State.QUEUED) for _ in range(3)]
    tasks.analyze()
    assert Job.objects.get().state == State.DONE
    assert {Photo.objects.get(pk=photo.pk).state for photo in photos} == {State.DONE}
    assert Job.objects.get().finished_at < max(Photo.objects.values_list("finished_at", flat=True))


def test_asking_wakes_a_worker_and_the_sweeper_calls_again(face, monkeypatch, django_capture_on_commit_callbacks):
    woken = []
    monkeypatch.setattr(hints, "wake_workers", lambda: woken.append(1))
    with django_capture_on_commit_callbacks(execute=True):
        ask(face)
    assert woken == [1]
    tasks.sweep()
    assert woken == [1, 1]
    jobs.run_once()
    tasks.sweep()
    assert woken == [1, 1]


def test_a_worker_that_is_killed_leaves_the_question_to_the_next(face, media, monkeypatch):
    ask(face)

    def be_killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Job.objects.all().__class__, "finish", be_killed)  # the files lie there, the rows do not know
        with pytest.raises(KeyboardInterrupt):
            jobs.run_once()
    assert len(heat_files(media)) == 2
    assert explanations.read_answer(face, attribute="race").is_pending
    assert jobs.run_once() == 0
    let_leases_run_out()
    assert jobs.run_once() == 1
    assert explanations.read_answer(face, attribute="race").state == State.DONE
    assert len(heat_files(media)) == 2


def test_a_worker_that_lost_its_lease_stores_nothing_twice_and_spoils_nothing(face, media, monkeypatch):
    ask(face)
    explain = inference.explain

    def explain_while_another_does(*arguments, **options):
        monkeypatch.setattr(inference, "explain", explain)
        let_leases_run_out()
        assert jobs.run_once() == 1
        return explain(*arguments, **options)

    monkeypatch.setattr(inference, "explain", explain_while_another_does)
    jobs.run_once()
    answer = explanations.read_answer(face, attribute="race")
    assert answer.state == State.DONE
    assert sorted(heat_files(media)) == sorted(f"{row.uid}.png" for row in answer.maps)


def test_what_breaks_is_tried_three_times_then_told_and_can_be_asked_again(face, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("the network met a face it cannot bear")

    with monkeypatch.context() as patch:
        patch.setattr(fakes.FakePipeline, "explain", broken)
        ask(face)
        assert sum(jobs.run_once() for _ in range(MAX_ATTEMPTS + 2)) == MAX_ATTEMPTS
    answer = ask(face)
    assert answer.state == State.FAILED
    assert "could not work this out" in answer.reason
    assert answer.can_ask_again
    assert ask(face, again=True).state == State.QUEUED
    jobs.run_once()
    assert ask(face).state == State.DONE


def test_an_exported_model_says_kindly_that_it_cannot(face, settings):
    settings.PIPELINE = "tests.fakes.ExportedPipeline"
    inference.get_pipeline.cache_clear()
    ask(face)
    assert jobs.run_once() == 1
    answer = explanations.read_answer(face, attribute="race")
    assert (answer.state, answer.can_ask_again) == (State.FAILED, False)
    assert "ONNX" in answer.reason
    assert ask(face, again=True).state == State.FAILED  # asking again would only fail again
    assert Job.objects.get().attempts == 0


def test_a_guess_of_a_model_that_is_gone_is_told(face, monkeypatch):
    ask(face)
    monkeypatch.setattr(fakes.FakePipeline, "card", dataclasses.replace(fakes.CARD, name="facet-next", sha256="e" * 64))
    jobs.run_once()
    assert "Run the photo again" in explanations.read_answer(face, attribute="race").reason
    rerun.run_again(Photo.objects.filter(pk=face.photo_id))
    analysis.run_once()
    face = Face.objects.get(pk=face.pk)
    assert explanations.read_answer(face, attribute="race").state == ""  # another guess, another question
    ask(face)
    jobs.run_once()
    assert explanations.read_answer(face, attribute="race").state == State.DONE


def test_a_missing_photo_is_told(face):
    face.photo.image.storage.delete(face.photo.image.name)
    ask(face)
    jobs.run_once()
    assert "missing" in explanations.read_answer(face, attribute="race").reason


def test_a_heat_map_that_was_lost_is_made_again(face, media):
    ask(face)
    jobs.run_once()
    for path in (media / "heat").rglob("*.png"):
        path.unlink()
    assert ask(face).state == State.QUEUED
    jobs.run_once()
    assert len(heat_files(media)) == 2


@pytest.mark.parametrize("attribute", ["race", "height", ""])
def test_what_is_switched_off_or_unknown_is_refused(face, attribute):
    face.photo.collection.attributes = ["gender", "age"]
    with pytest.raises(ExplanationRefused):
        ask(face, attribute)
    assert not Job.objects.exists()


def test_switching_an_attribute_off_takes_its_explanations_along(face, alice, collection, media):
    ask(face, "race")
    ask(face, "age")
    jobs.run_once()
    jobs.run_once()
    collections.change_collection(collection, actor=alice, attributes=["gender", "age"])
    assert set(Explanation.objects.values_list("attribute", flat=True)) == {"age"}
    assert len(heat_files(media)) == 2


def test_an_attribute_that_is_switched_off_meanwhile_is_not_explained(face, alice, collection, media):
    ask(face)
    collection.attributes = ["age"]
    collection.save()
    jobs.run_once()
    assert Job.objects.get().code == "switched_off"
    ask_later = Job.objects.create(owner=alice, kind=Job.Kind.EXPLANATION, photo=face.photo)
    jobs.run_once()  # its explanations are gone: nothing is left to do
    ask_later.refresh_from_db()
    assert ask_later.state == State.DONE
    assert heat_files(media) == []


def test_questions_are_limited_and_known_answers_are_not(face, settings):
    settings.EXPLAIN_RATE = "2/hour"
    ask(face, "race")
    ask(face, "gender")
    with pytest.raises(ExplanationRefused, match=r"again in \d+ s"):
        ask(face, "age")
    assert ask(face, "race").is_pending
    assert Job.objects.count() == 2


def test_a_full_queue_is_told(face, monkeypatch):
    monkeypatch.setattr(explanations, "MAX_PENDING_JOBS", 1)
    ask(face, "race")
    with pytest.raises(ExplanationRefused, match="waiting"):
        ask(face, "age")


def test_a_deleted_photo_takes_jobs_explanations_and_heat_along(face, media):
    ask(face, "race")
    jobs.run_once()
    ask(face, "age")
    deletion.delete_photos(Photo.objects.filter(pk=face.photo_id))
    assert not Explanation.objects.exists()
    assert not Job.objects.exists()
    assert heat_files(media) == []


def test_a_deleted_account_leaves_no_heat(face, alice, media):
    ask(face)
    jobs.run_once()
    assert accounts.delete_account(alice)
    assert not Explanation.objects.exists()
    assert heat_files(media) == []


def test_a_deletion_that_is_cut_short_after_the_mark_finishes_the_job_of_nobody(face, media, monkeypatch):
    ask(face)
    [job] = Job.objects.claim(limit=1)
    with monkeypatch.context() as patch:
        patch.setattr(deletion, "_finish_photos", lambda marked: 0)  # killed right after the mark
        deletion.delete_photos(Photo.objects.filter(pk=face.photo_id))
    jobs.DOERS[job.kind](job, token=job.token)
    assert not Explanation.objects.exclude(heat="").exists()
    assert deletion.finish_deletions() == 1
    assert heat_files(media) == []


def test_a_photo_deleted_while_a_worker_explains_it_leaves_nothing_behind(face, media, monkeypatch):
    ask(face)
    explain = inference.explain

    def explain_and_delete(*arguments, **options):
        found = explain(*arguments, **options)
        deletion.delete_photos(Photo.objects.filter(pk=face.photo_id))
        return found

    monkeypatch.setattr(inference, "explain", explain_and_delete)
    assert jobs.run_once() == 1
    assert not Explanation.objects.exists()
    assert heat_files(media) == []


def test_somebody_who_asked_and_leaves_does_not_take_the_answer_along(face, bob):
    explanations.ask(bob, face=face, attribute="race")
    jobs.run_once()
    bob.delete()
    assert explanations.read_answer(face, attribute="race").state == State.DONE


def test_the_doctor_finds_heat_of_nobody_and_leaves_the_rest(face, media, monkeypatch):
    ask(face)
    jobs.run_once()
    left_over = media / "heat" / "ab" / "ab0c0de0-8b7d-4a53-b1c5-2f0d3f7f5b77.png"
    left_over.parent.mkdir(exist_ok=True)
    left_over.write_bytes(b"heat")
    monkeypatch.setattr(doctor.files, "ORPHAN_AFTER", timedelta(0))
    finding = doctor.find_orphan_files()
    assert finding is not None
    assert finding.subjects == (f"heat/ab/{left_over.name}",)


def test_a_guess_that_became_another_is_asked_anew_under_another_name(face):
    ask(face)
    jobs.run_once()
    earlier = set(Explanation.objects.values_list("uid", flat=True))
    prediction = face.prediction
    other = "Indian" if prediction.predicted_label("race") != "Indian" else "Black"
    prediction.vectors["race"] = factories.even("race", top=other, probability=0.9)
    prediction.save()
    face = Face.objects.get(pk=face.pk)
    assert explanations.read_answer(face, attribute="race").state == ""
    ask(face)
    jobs.run_once()
    answer = explanations.read_answer(face, attribute="race")
    assert {row.label for row in answer.maps} == {other}
    assert not earlier & {row.uid for row in answer.maps}


@pytest.mark.parametrize("gone", ["attribute", "photo"])
def test_what_went_while_somebody_asked_is_refused(face, collection, gone):
    face.photo.collection  # noqa: B018 - the page has read it by now
    if gone == "attribute":
        type(collection).objects.update(attributes=["age"])
    else:
        Photo.objects.update(deleting_at=timezone.now())
    with pytest.raises(ExplanationRefused):
        ask(face)
    assert not Explanation.objects.exists()
    assert not Job.objects.exists()


def test_an_attribute_that_is_switched_off_as_its_map_is_stored_leaves_nothing_behind(
    face, alice, collection, media, monkeypatch
):
    ask(face)
    store = storage.store_heat

    def store_after_the_switch(content, *, uid):
        if Explanation.objects.exists():
            collections.change_collection(collection, actor=alice, attributes=["age"])
        return store(content, uid=uid)

    monkeypatch.setattr(storage, "store_heat", store_after_the_switch)
    jobs.run_once()
    assert not Explanation.objects.exists()
    assert heat_files(media) == []


def test_the_doctor_queues_a_question_again_that_its_worker_left(face):
    ask(face)
    Job.objects.claim(limit=1)
    assert doctor.find_abandoned_jobs() is None
    Job.objects.update(lease_until=timezone.now() - timedelta(hours=1))
    finding = doctor.find_abandoned_jobs()
    assert finding is not None
    assert finding.subjects == (str(Job.objects.get().uid),)
    assert finding.remedy is not None
    assert finding.remedy() == 1
    assert (Job.objects.get().state, Job.objects.get().lost) == (State.QUEUED, 1)
