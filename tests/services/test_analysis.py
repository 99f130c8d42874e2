"""From a queued photo to its faces: once each, and a bad photo fails alone."""

import dataclasses
from datetime import timedelta

import pytest
from django.utils import timezone

from classifier import inference
from classifier.models import Collection, Face, ModelVersion, Photo, Prediction, State
from classifier.services import analysis, collections, deletion, predictions, rerun
from ml import labels
from ml.requests import PhotoResult
from tests import factories, fakes

pytestmark = pytest.mark.django_db


def queued(collection, count=1):
    return [factories.make_photo(collection, state=State.QUEUED) for _ in range(count)]


def run_all():
    while analysis.run_once():
        pass


def test_photos_are_analysed_in_batches_and_each_gets_its_faces(collection, settings):
    settings.BATCH_PHOTOS = 4
    photos = queued(collection, 6)
    assert [analysis.run_once(), analysis.run_once(), analysis.run_once()] == [4, 2, 0]
    for photo in photos:
        photo.refresh_from_db()
        assert (photo.state, photo.code, photo.face_count, photo.device) == (State.DONE, "", 1, "cpu")
        assert photo.model_version.name == "facet-fake"
        assert set(photo.timings_ms) == {"decode", "detect", "classify"}
        face = photo.faces.get()
        assert sum(face.prediction.vectors["race"]) == pytest.approx(1)


def test_a_photo_keeps_how_narrow_a_face_it_could_show_as_its_collection_is_searched(collection):
    (photo,) = queued(collection)
    run_all()
    for again, detail, narrowest in [
        (rerun.run_again, "fast", 27),
        (rerun.detect_again, "fast", 124),
        (rerun.detect_again, "fine", 20),
    ]:
        Collection.objects.filter(pk=collection.pk).update(detail=detail)
        again(Photo.objects.filter(pk=photo.pk))
        run_all()
        photo.refresh_from_db()
        assert photo.narrowest_face_px == narrowest


def test_a_photo_without_a_face_is_done_with_a_code(collection, monkeypatch):
    (photo,) = queued(collection)
    result = PhotoResult(320, 240, (), {"decode": 1.0, "detect": 1.0, "classify": 0.0}, no_face_because="dark")
    monkeypatch.setattr(fakes.FakePipeline, "analyze", lambda self, requests: [result])
    run_all()
    photo.refresh_from_db()
    assert (photo.state, photo.code, photo.face_count) == (State.DONE, "no_face", 0)
    assert photo.no_face_because == "dark"


def break_on(monkeypatch, name):
    """The pipeline breaks on every batch with this photo in it."""
    content = Photo.objects.get(name=name).image.open("rb").read()
    analyze = fakes.FakePipeline.analyze

    def broken(self, requests):
        if any(request.image == content for request in requests):
            raise RuntimeError("the network met a photo it cannot bear")
        return analyze(self, requests)

    monkeypatch.setattr(fakes.FakePipeline, "analyze", broken)


def test_a_photo_that_breaks_the_batch_fails_alone_after_three_attempts(collection, monkeypatch):
    good = queued(collection, 3)
    bad = factories.make_photo(collection, state=State.QUEUED, name="bad.jpg")
    break_on(monkeypatch, "bad.jpg")
    run_all()
    bad.refresh_from_db()
    assert (bad.state, bad.code, bad.attempts) == (State.FAILED, "crashed", 3)
    for photo in good:
        photo.refresh_from_db()
        assert photo.state == State.DONE


def test_a_missing_file_fails_its_photo_and_no_other(collection):
    gone, here = queued(collection, 2)
    gone.image.storage.delete(gone.image.name)
    run_all()
    gone.refresh_from_db()
    here.refresh_from_db()
    assert (gone.state, gone.code) == (State.FAILED, "file_missing")
    assert here.state == State.DONE


def test_a_photo_the_pipeline_cannot_read_fails_as_internal(collection, monkeypatch):
    (photo,) = queued(collection)
    result = PhotoResult(0, 0, (), {}, error="unreadable")
    monkeypatch.setattr(fakes.FakePipeline, "analyze", lambda self, requests: [result])
    run_all()
    photo.refresh_from_db()
    assert (photo.state, photo.code) == (State.FAILED, "internal")


def test_a_result_that_comes_after_the_lease_was_lost_is_dropped(collection):
    (photo,) = queued(collection)
    (old,) = Photo.objects.claim(limit=1)
    Photo.objects.filter(pk=photo.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert analysis.run_once() == 1
    (result,) = inference.analyze([inference.build_request(old.image.open("rb").read(), faces=(), attributes=())])
    version = ModelVersion.objects.get()
    assert not analysis.store_result(old, result=result, known=(), token=old.token, version=version)
    assert photo.faces.count() == 1


def test_attributes_that_are_off_are_not_stored(collection):
    collection.attributes = ["age"]
    collection.save()
    (photo,) = queued(collection)
    run_all()
    prediction = photo.faces.get().prediction
    assert (set(prediction.vectors), prediction.predicted_label("race")) == ({"age"}, "")
    assert [guess.attribute for guess in prediction.face.guesses.all()] == ["age"]
    assert list(predictions.describe_prediction(prediction)) == ["age"]


def test_an_attribute_that_goes_off_while_the_model_looks_is_not_stored(collection, alice, monkeypatch):
    (photo,) = queued(collection)
    analyze = fakes.FakePipeline.analyze

    def analyze_and_be_overtaken(self, requests):
        results = analyze(self, requests)
        collections.change_collection(collection, actor=alice, attributes=["age"])
        assert "race" in results[0].faces[0].probabilities
        return results

    monkeypatch.setattr(fakes.FakePipeline, "analyze", analyze_and_be_overtaken)
    run_all()
    assert list(predictions.describe_prediction(photo.faces.get().prediction)) == ["age"]


def test_running_again_keeps_the_faces_and_asks_the_model_on_the_same_crops(collection):
    (photo,) = queued(collection)
    run_all()
    face = photo.faces.get()
    assert rerun.run_again(Photo.objects.filter(pk=photo.pk)) == 1
    run_all()
    assert photo.faces.get() == face
    assert face.predictions.filter(is_current=True).count() == 1


def test_another_model_version_speaks_beside_the_old_one_and_becomes_current(collection, monkeypatch):
    (photo,) = queued(collection)
    run_all()
    monkeypatch.setattr(fakes.FakePipeline, "card", dataclasses.replace(fakes.CARD, name="facet-next", sha256="e" * 64))
    rerun.run_again(Photo.objects.filter(pk=photo.pk))
    run_all()
    face = photo.faces.get()
    assert face.predictions.count() == 2
    assert face.prediction.model_version.name == "facet-next"


def test_detecting_again_retires_the_old_faces_and_goes_on_numbering(collection):
    (photo,) = queued(collection)
    run_all()
    assert rerun.detect_again(Photo.objects.filter(pk=photo.pk)) == 1
    run_all()
    assert [face.number for face in photo.faces.order_by("number")] == [1, 2]
    assert [face.number for face in Face.objects.counted().filter(photo=photo)] == [2]
    photo.refresh_from_db()
    assert photo.face_count == 1


def test_known_retired_and_new_faces_of_one_batch_go_to_their_own_photos(collection, monkeypatch):
    known, retired = queued(collection, 2)
    run_all()
    face, gone = known.faces.get(), retired.faces.get()
    rerun.run_again(Photo.objects.filter(pk=known.pk))
    rerun.detect_again(Photo.objects.filter(pk=retired.pk))
    new, deleted = queued(collection, 2)
    analyze = fakes.FakePipeline.analyze

    def analyze_and_be_overtaken(self, requests):
        results = analyze(self, requests)
        deletion.delete_photos(Photo.objects.filter(pk=deleted.pk))
        return results

    monkeypatch.setattr(fakes.FakePipeline, "analyze", analyze_and_be_overtaken)
    assert analysis.run_once() == 4
    assert list(known.faces.all()) == [face]
    assert [(one.number, one.retired_at is None) for one in retired.faces.order_by("number")] == [(1, False), (2, True)]
    assert new.faces.count() == 1
    assert not Face.objects.filter(photo_id=deleted.pk).exists()
    assert [one.predictions.filter(is_current=True).count() for one in Face.objects.all()] == [1] * 4
    assert gone.prediction.is_current


def test_storing_a_batch_of_faces_takes_a_bounded_number_of_queries(collection, django_assert_max_num_queries):
    queued(collection, 4)
    ModelVersion.objects.all().delete()
    with django_assert_max_num_queries(51):
        analysis.run_once()
    assert Prediction.objects.count() == 4


def test_the_model_is_described_once_and_its_row_is_found_again(collection, settings, monkeypatch):
    settings.BATCH_PHOTOS = 2
    queued(collection, 6)
    described, describe = [], inference.describe_model
    monkeypatch.setattr(inference, "describe_model", lambda: described.append(1) or describe())
    ModelVersion.objects.all().delete()
    run_all()
    assert described == [1]
    version = ModelVersion.objects.get()
    assert version.status == ModelVersion.Status.PRODUCTION
    assert {photo.model_version for photo in Photo.objects.all()} == {version}


def test_a_description_sums_into_the_taxonomy_before_it_picks(collection):
    photo = factories.make_photo(collection)
    face = factories.make_face(photo)
    vector = [0.3, 0.05, 0.05, 0.25, 0.25, 0.05, 0.05]
    version = factories.ModelVersionFactory()
    predictions.store_predictions({face: {"race": vector}}, model_version=version)
    prediction = face.predictions.get()
    assert predictions.describe_prediction(prediction)["race"]["label"] == "White"
    told = predictions.describe_prediction(prediction, taxonomy="utkface-4")["race"]
    assert told["label"] == "Asian"
    assert told["probability"] == pytest.approx(0.5 / 0.9, abs=1e-4)
    assert told["taxonomy"] == "utkface-4"
    assert sum(told["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    with pytest.raises(KeyError):
        predictions.describe_prediction(prediction, taxonomy="of-my-own")


def test_unsure_is_told_by_the_threshold_of_the_model_version(collection):
    photo = factories.make_photo(collection)
    sure = factories.make_face(photo, number=1, probability=0.9)
    doubtful = factories.make_face(photo, number=2, probability=0.3)
    told = [predictions.describe_prediction(face.prediction) for face in (sure, doubtful)]
    assert [one["race"]["unsure"] for one in told] == [False, True]
    assert [one["age"]["unsure"] for one in told] == [False, True]
    assert told[0]["age"]["low"] < told[0]["age"]["years"] < told[0]["age"]["high"]
    assert set(told[0]["race"]["probabilities"]) == set(labels.RACE)
