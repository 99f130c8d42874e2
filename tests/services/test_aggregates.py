"""Aggregate-only collections: every photo is counted once, then it is gone everywhere; sums are told in steps."""

import dataclasses
import logging
import os
import signal
import threading
from datetime import timedelta

import numpy as np
import pytest
from django.apps import apps
from django.core import serializers
from django.db import close_old_connections, connection, transaction
from django.utils import timezone

from classifier.models import Aggregate, Collection, Face, Photo, Prediction, State, UploadItem
from classifier.services import aggregates, analysis, collections, deletion, uploads
from ml.attributes import ATTRIBUTES
from tests import factories, fakes
from tests.services.submissions import sent, stored_files

pytestmark = pytest.mark.django_db

SCHEMES = {"age": 5, "gender": 2, "race": 7}


@pytest.fixture
def sums_only(alice) -> Collection:
    return collections.create_collection(alice, name="Sums", purpose="who is on them", is_aggregate_only=True)


def queue(collection, count=1):
    return [factories.make_photo(collection, state=State.QUEUED, name=f"Aunt Mary {n}.jpg") for n in range(count)]


def run_all():
    while analysis.run_once():
        pass


def totals_of(collection):
    row = Aggregate.objects.get(collection=collection)
    return aggregates.read_totals(row.sums, row.replicates)


def test_it_is_chosen_for_good_when_the_collection_is_made(alice, sums_only):
    asked = collections.create_collection(
        alice, name="a", purpose="b", is_aggregate_only=True, keeps_capture_dates=True
    )
    assert not asked.keeps_capture_dates
    sums_only.is_aggregate_only = False
    sums_only.save()
    assert Collection.objects.get(pk=sums_only.pk).is_aggregate_only
    with pytest.raises(ValueError, match="is_aggregate_only"):
        collections.change_collection(sums_only, actor=alice, is_aggregate_only=False)


def test_the_sums_are_those_of_the_faces_of_an_ordinary_collection(collection, sums_only, settings):
    settings.BATCH_PHOTOS = 5
    for photo in queue(sums_only, 13):
        with photo.image.open() as file:
            content = file.read()
        twin = factories.make_photo(collection, state=State.QUEUED)
        twin.image.storage.delete(twin.image.name)
        twin.image.storage.save(twin.image.name, sent(content=content).file)
    run_all()
    vectors = list(Prediction.objects.values_list("vectors", flat=True))
    assert len(vectors) == 13
    found = totals_of(sums_only)
    assert {name: len(of.counts) for name, of in found.items()} == SCHEMES
    for name in ("race", "gender"):
        labels = [np.argmax(np.float16(vector[name])) for vector in vectors]
        assert found[name].counts.tolist() == np.bincount(labels, minlength=len(ATTRIBUTES[name].labels)).tolist()
    of_faces = [of.replicates.sum(axis=1).tolist() for of in found.values()]
    assert of_faces[0] == of_faces[1] == of_faces[2], "the weights of a photo go with all that it shows"
    assert {of.photos for of in found.values()} == {13}
    weighed = found["gender"].replicates.sum(axis=1)
    assert weighed.mean() == pytest.approx(13, abs=0.6)
    assert weighed.var() == pytest.approx(13, rel=0.25)


def everything_stored() -> str:
    there = connection.introspection.table_names()
    models = [
        of for of in apps.get_models(include_auto_created=True) if of._meta.managed and of._meta.db_table in there
    ]
    return "".join(serializers.serialize("json", of._base_manager.all(), ensure_ascii=False) for of in models)


def test_after_the_analysis_nothing_holds_the_photo(alice, sums_only, media, caplog, settings):
    """Neither tables, nor the data folder, nor logs: not the picture, its name or hash, its faces, or its guesses."""
    caplog.set_level(logging.DEBUG)
    made = uploads.submit_photos(alice, collection=sums_only, files=[sent("Aunt Mary.jpg"), sent("Bob.jpg", seed=1)])
    uploads.record_submission(made)
    uploads.submit_photos(alice, collection=sums_only, files=[sent("Aunt Mary again.jpg")])
    photos = list(Photo.objects.all())
    assert "Mary" in everything_stored()
    assert len(stored_files(media)) == 4
    run_all()
    assert not Photo.objects.exists()
    assert not Face.objects.exists()
    assert not Prediction.objects.exists()
    assert not stored_files(media)
    stored = everything_stored()
    for words in ("Mary", "Bob.jpg", *(photo.sha256 for photo in photos), *(str(photo.uid) for photo in photos)):
        assert words not in stored
    for words in ("Mary", "Bob.jpg", *ATTRIBUTES["race"].labels):
        assert words not in caplog.text
    items = sorted(UploadItem.objects.values_list("outcome", "name"))
    assert items == [("accepted", ""), ("accepted", ""), ("duplicate", "")]
    row = Aggregate.objects.get()
    assert (row.photos, row.faces) == (2, 2)


def test_without_a_face_a_photo_counts_as_one_and_small_faces_are_left_out(sums_only, monkeypatch):
    analyze = fakes.FakePipeline.analyze

    def change(self, requests):
        first, *others = analyze(self, requests)
        small = [dataclasses.replace(of, faces=[dataclasses.replace(of.faces[0], size_px=39.9)]) for of in others]
        return [dataclasses.replace(first, faces=()), *small]

    monkeypatch.setattr(fakes.FakePipeline, "analyze", change)
    queue(sums_only, 3)
    run_all()
    row = Aggregate.objects.get()
    assert (row.photos, row.photos_with_faces, row.faces, row.narrow_faces, row.sums) == (3, 0, 0, 2, {})


def work_until_killed(monkeypatch, *, at: str):
    """A worker of its own process, which gets SIGKILL when it comes to a step of the deletion."""
    connection.close()
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(deletion, at, lambda *args, **values: os.kill(os.getpid(), signal.SIGKILL))
        analysis.run_once()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    Photo.objects.filter(state=State.RUNNING).update(lease_until=timezone.now() - timedelta(seconds=1))


@pytest.mark.django_db(transaction=True)
def test_killed_after_it_was_added_a_photo_counts_once_and_goes_with_the_next_sweep(sums_only, media, monkeypatch):
    queue(sums_only, 2)
    work_until_killed(monkeypatch, at="finish_photos")
    assert Photo.objects.exclude(deleting_at=None).get().name == ""
    assert (Aggregate.objects.get().photos, len(stored_files(media))) == (1, 4)
    run_all()
    deletion.finish_deletions()
    assert (Aggregate.objects.get().photos, Photo.objects.count()) == (2, 0)
    assert not stored_files(media)


@pytest.mark.django_db(transaction=True)
def test_killed_before_the_commit_nothing_was_added(sums_only, media, monkeypatch):
    queue(sums_only)
    work_until_killed(monkeypatch, at="mark_photos")
    assert not Aggregate.objects.exists()
    run_all()
    assert Aggregate.objects.get().photos == 1
    assert not stored_files(media)


def test_a_worker_that_lost_its_photo_adds_nothing(sums_only, monkeypatch):
    (photo,) = queue(sums_only)
    analyze = fakes.FakePipeline.analyze

    def overtaken(self, requests):
        deletion.delete_photos(Photo.objects.filter(pk=photo.pk))
        return analyze(self, requests)

    monkeypatch.setattr(fakes.FakePipeline, "analyze", overtaken)
    run_all()
    assert not Aggregate.objects.exists()
    assert not Photo.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_add_everything(sums_only, settings):
    settings.BATCH_PHOTOS = 3
    queue(sums_only, 24)
    analysis.registry.loaded_version()
    broken = []

    def work():
        try:
            run_all()
        except BaseException as error:  # noqa: BLE001 - told below
            broken.append(error)
        finally:
            close_old_connections()
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not broken
    row = Aggregate.objects.get()
    assert (row.photos, row.faces, row.sums["race"]["photos"], sum(row.sums["age"]["counts"])) == (24, 24, 24, 24)
    assert totals_of(sums_only)["age"].replicates.sum(axis=1).mean() == pytest.approx(24, abs=1)


def test_it_is_told_anew_only_after_ten_more_faces(sums_only):
    told = []
    for _ in range(23):
        queue(sums_only)
        run_all()
        told.append(Aggregate.objects.get().told_faces)
    assert told == [0] * 9 + [10] * 10 + [20] * 4
    row = Aggregate.objects.get()
    assert sum(row.told["sums"]["gender"]["counts"]) == 20
    assert sum(row.sums["gender"]["counts"]) == 23
    drawn = aggregates.read_totals(row.told["sums"], row.told_replicates)
    assert drawn["gender"].replicates.sum(axis=1).mean() == pytest.approx(20, abs=1)


def test_ten_faces_of_one_photo_are_not_told_by_themselves(sums_only):
    """Else the difference of two tellings would be that photo."""
    version = analysis.registry.loaded_version()
    vectors = {name: factories.even(name, top=of.labels[0], probability=0.9) for name, of in ATTRIBUTES.items()}
    face = fakes.AnalyzedFace(None, None, fakes.Chip(1, 1, 1, 0), 80.0, 100.0, 0.5, vectors)
    told = []
    for _ in range(4):
        with transaction.atomic():
            aggregates.add_photo(sums_only.pk, version=version, found=[face] * 30, attributes=list(ATTRIBUTES))
        told.append(Aggregate.objects.get().told_faces)
    assert told == [0, 0, 90, 90]


def test_an_attribute_that_is_switched_off_takes_its_sums_along(alice, sums_only):
    queue(sums_only, 12)
    run_all()
    assert set(Aggregate.objects.get().told["together"]) == set(SCHEMES)
    collections.change_collection(sums_only, actor=alice, attributes=["gender", "age"])
    row = Aggregate.objects.get()
    assert set(row.sums) == set(row.told["sums"]) == set(row.told["together"]) == {"age", "gender"}
    assert {name: len(of.counts) for name, of in totals_of(sums_only).items()} == {"age": 5, "gender": 2}
    queue(sums_only, 12)
    run_all()
    assert sum(totals_of(sums_only)["gender"].counts) == 24
    assert set(Aggregate.objects.get().sums) == {"age", "gender"}


def test_two_model_versions_are_never_mixed(sums_only, monkeypatch):
    queue(sums_only, 2)
    run_all()
    other = dataclasses.replace(fakes.CARD, name="facet-next", sha256="e" * 64)
    monkeypatch.setattr(fakes.FakePipeline, "card", other)
    queue(sums_only, 3)
    run_all()
    assert dict(Aggregate.objects.values_list("model_version__name", "photos")) == {"facet-fake": 2, "facet-next": 3}


def test_with_its_collection_everything_goes(alice, sums_only):
    queue(sums_only, 2)
    run_all()
    deletion.delete_collection(sums_only, by=alice)
    assert not Aggregate.objects.exists()
