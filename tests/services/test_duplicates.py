"""The same bytes twice in a collection are one photo, however they come in."""

import pytest

from classifier.intake import storage
from classifier.models import Photo, Upload
from classifier.services import deletion, uploads
from tests import factories, pictures
from tests.services.submissions import during_decoding, files_of, outcomes, sent, stored_files

pytestmark = pytest.mark.django_db


def test_a_photo_that_is_there_already_is_a_duplicate_and_names_it(alice, collection, media):
    first = uploads.submit_photos(alice, collection=collection, files=[sent("first.jpg")])
    second = uploads.submit_photos(alice, collection=collection, files=[sent("again.jpg")])
    [item] = second.items.all()
    assert item.outcome == "duplicate"
    assert item.photo == first.items.get().photo
    assert "first.jpg" in item.message
    assert collection.photos.count() == 1
    assert len(stored_files(media)) == 2


def test_the_same_file_twice_in_one_submission_is_stored_once(alice, collection, media):
    files = [sent("a.jpg"), sent("b.jpg", seed=1), sent("c.jpg"), sent("d.txt", b"text"), sent("e.txt", b"text")]
    upload = uploads.submit_photos(alice, collection=collection, files=files)
    assert outcomes(upload) == ["accepted", "accepted", "duplicate", "unsupported", "unsupported"]
    first, _, third, *_ = upload.items.all()
    assert third.photo == first.photo
    assert len(stored_files(media)) == 4


def test_a_damaged_file_sent_twice_is_damaged_twice_and_decoded_once(alice, collection, monkeypatch):
    decoded: list[object] = []
    store = storage.store_photo
    monkeypatch.setattr(storage, "store_photo", lambda file, **k: (decoded.append(file), store(file, **k))[1])
    damaged = pictures.jpeg()[:2000]
    upload = uploads.submit_photos(alice, collection=collection, files=[sent("a.jpg", damaged), sent("b.jpg", damaged)])
    assert outcomes(upload) == ["damaged", "damaged"]
    assert len(decoded) == 1


def test_the_same_photo_may_lie_in_two_collections(alice, collection):
    other = factories.CollectionFactory(owner=alice)
    for place in (collection, other):
        assert outcomes(uploads.submit_photos(alice, collection=place, files=[sent()])) == ["accepted"]


def test_duplicates_are_not_decoded_again(alice, collection, monkeypatch):
    uploads.submit_photos(alice, collection=collection, files=[sent()])
    monkeypatch.setattr(storage, "store_photo", lambda *_, **__: pytest.fail("decoded again"))
    assert outcomes(uploads.submit_photos(alice, collection=collection, files=[sent()])) == ["duplicate"]


def test_a_photo_whose_deletion_began_is_no_duplicate(alice, collection, media, monkeypatch):
    uploads.submit_photos(alice, collection=collection, files=[sent("old.jpg")])
    with monkeypatch.context() as patch:
        patch.setattr(deletion, "_finish_photos", lambda marked: 0)  # killed right after the mark
        deletion.delete_photos(collection.photos.all())
    upload = uploads.submit_photos(alice, collection=collection, files=[sent("new.jpg")])
    assert outcomes(upload) == ["accepted"]
    assert [photo.name for photo in Photo.objects.all()] == ["new.jpg"]
    assert stored_files(media) == files_of(Photo.objects.all())


def test_of_two_submissions_at_once_the_second_finds_the_photo_of_the_first(alice, collection, media, monkeypatch):
    between: list[Upload] = []
    during_decoding(
        monkeypatch,
        lambda: between.append(uploads.submit_photos(alice, collection=collection, files=[sent("winner.jpg")])),
    )
    late = uploads.submit_photos(alice, collection=collection, files=[sent("late.jpg"), sent("other.jpg", seed=1)])
    assert outcomes(between[0]) == ["accepted"]
    assert outcomes(late) == ["duplicate", "accepted"]
    assert late.items.get(number=1).photo.name == "winner.jpg"
    assert collection.photos.count() == 2
    assert stored_files(media) == files_of(collection.photos.all())


def test_a_duplicate_whose_photo_goes_meanwhile_is_accepted_after_all(alice, collection, media, monkeypatch):
    uploads.submit_photos(alice, collection=collection, files=[sent("old.jpg")])
    during_decoding(monkeypatch, lambda: deletion.delete_photos(collection.photos.all()))
    upload = uploads.submit_photos(alice, collection=collection, files=[sent("new.jpg"), sent("b.jpg", seed=1)])
    assert outcomes(upload) == ["accepted", "accepted"]
    assert stored_files(media) == files_of(collection.photos.all())
