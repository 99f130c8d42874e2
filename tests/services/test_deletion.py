"""Deletion: mark, remove files, remove rows, from whatever point it was cut short."""

import pytest
from django.db import connection

from classifier.intake import storage
from classifier.models import Collection, Face, Photo, Prediction, State, Upload, UploadItem
from classifier.services import collections, deletion
from tests import factories

pytestmark = pytest.mark.django_db


def stored_files(media) -> list[str]:
    return sorted(path.name for path in media.rglob("*") if path.is_file())


@pytest.fixture
def photo(collection) -> Photo:
    photo = factories.make_photo(collection)
    factories.make_face(photo)
    return photo


def submitted(photo: Photo) -> UploadItem:
    upload = Upload.objects.create(owner=photo.owner, collection=photo.collection)
    return UploadItem.objects.create(upload=upload, number=1, name=photo.name, outcome="accepted", photo=photo)


def test_a_deleted_photo_takes_its_files_faces_and_predictions_along(photo, media):
    item = submitted(photo)
    other = factories.make_photo(photo.collection)

    assert deletion.delete_photos(Photo.objects.filter(pk=photo.pk)) == 1

    assert list(Photo.objects.all()) == [other]
    assert not Face.objects.exists()
    assert not Prediction.objects.exists()
    assert len(stored_files(media)) == 2
    item.refresh_from_db()
    assert item.photo is None
    assert item.outcome == "accepted"  # what became of the file stays told


def test_photos_are_deleted_through_a_filter_that_no_longer_finds_marked_ones(photo, alice):
    assert deletion.delete_photos(Photo.objects.owned_by(alice)) == 1
    assert not Photo.objects.exists()


def test_deleting_nothing_deletes_nothing(photo):
    assert deletion.delete_photos(Photo.objects.none()) == 0
    assert Photo.objects.count() == 1


def test_more_photos_than_one_batch_are_all_deleted(collection, monkeypatch, media):
    monkeypatch.setattr(deletion, "BATCH_PHOTOS", 2)
    for _ in range(5):
        factories.make_photo(collection)
    assert deletion.delete_photos(collection.photos.all()) == 5
    assert not Photo.objects.exists()
    assert stored_files(media) == []


def test_unfinished_parts_of_files_go_too(photo, media):
    part = media / (photo.image.name + ".part")
    part.write_bytes(b"half")
    deletion.delete_photos(Photo.objects.filter(pk=photo.pk))
    assert stored_files(media) == []


@pytest.mark.parametrize("step", ["files", "rows"])
def test_a_deletion_that_is_cut_short_is_finished_later(photo, alice, media, monkeypatch, step):
    def be_killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if step == "files":
            patch.setattr(storage, "remove_files", be_killed)
        else:
            patch.setattr("django.db.models.query.QuerySet.delete", be_killed)
        with pytest.raises(KeyboardInterrupt):
            deletion.delete_photos(Photo.objects.filter(pk=photo.pk))

    assert not Photo.objects.visible_to(alice).exists()
    assert not Photo.objects.claimable().exists()
    assert Photo.objects.exists()

    assert deletion.finish_deletions() == 1
    assert not Photo.objects.exists()
    assert stored_files(media) == []
    assert deletion.finish_deletions() == 0


def test_a_file_that_resists_holds_up_only_its_own_photo(collection, media, monkeypatch):
    stuck, other = factories.make_photo(collection), factories.make_photo(collection)
    remove = storage.remove_files

    def refuse_one(*names):
        if stuck.image.name in names:
            raise PermissionError(13, "Permission denied")
        remove(*names)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "remove_files", refuse_one)
        assert deletion.delete_photos(collection.photos.all()) == 2
    assert list(Photo.objects.all()) == [stuck]
    assert not Photo.objects.filter(pk=other.pk).exists()

    assert deletion.finish_deletions() == 1
    assert stored_files(media) == []


def test_a_photo_deleted_while_a_worker_has_it_leaves_nothing_behind(collection, media):
    photo = factories.make_photo(collection, state=State.QUEUED)
    [claimed] = Photo.objects.claim(limit=1)

    deletion.delete_photos(Photo.objects.filter(pk=photo.pk))

    assert not Photo.objects.finish(pk=claimed.pk, token=claimed.token, face_count=1)
    assert not Photo.objects.fail_attempt(pk=claimed.pk, token=claimed.token, code="crashed")
    assert not Photo.objects.exists()
    assert stored_files(media) == []


def test_the_mark_alone_takes_a_photo_from_its_worker(collection, monkeypatch):
    factories.make_photo(collection, state=State.QUEUED)
    [claimed] = Photo.objects.claim(limit=1)
    monkeypatch.setattr(deletion, "_finish_photos", lambda marked: 0)  # killed right after the mark

    deletion.delete_photos(collection.photos.all())

    assert not Photo.objects.finish(pk=claimed.pk, token=claimed.token, face_count=1)
    assert Photo.objects.renew(token=claimed.token) == 0


def test_a_deleted_collection_takes_everything_along(photo, media):
    submitted(photo)
    deletion.delete_collection(photo.collection)
    for model in (Collection, Photo, Face, Prediction, Upload, UploadItem):
        assert not model.objects.exists()
    assert stored_files(media) == []


@pytest.mark.parametrize("step", ["_mark_photos", "_finish_photos"])
def test_a_collection_s_deletion_is_finished_from_any_step(photo, alice, media, monkeypatch, step):
    def be_killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(deletion, step, be_killed)
        with pytest.raises(KeyboardInterrupt):
            deletion.delete_collection(photo.collection)

    assert not Collection.objects.visible_to(alice).exists()
    assert not Photo.objects.visible_to(alice).exists()
    assert deletion.finish_deletions() == 2
    assert not Collection.objects.exists()
    assert not Photo.objects.exists()
    assert stored_files(media) == []


def test_a_collection_with_a_file_that_resists_waits_for_the_next_sweep(photo, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "remove_files", refuse)
        deletion.delete_collection(photo.collection)
        assert Collection.objects.exists()
    deletion.finish_deletions()
    assert not Collection.objects.exists()


def test_an_inbox_under_deletion_makes_room_for_a_new_one(alice, monkeypatch):
    old = collections.get_inbox(alice)
    with monkeypatch.context() as patch:
        patch.setattr(deletion, "finish_collection", lambda collection: 0)  # killed right after the mark
        deletion.delete_collection(old)
    assert collections.get_inbox(alice) != old


def test_deletion_asks_the_database_in_batches_not_for_each_photo(collection, django_assert_max_num_queries):
    for _ in range(20):
        factories.make_photo(collection)
    with django_assert_max_num_queries(18, connection=connection):
        deletion.delete_photos(collection.photos.all())
