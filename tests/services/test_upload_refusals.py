"""Submissions that are turned away as a whole: named, with a sentence, and nothing of them is left."""

import pytest
from django.db import OperationalError

from classifier.http.refusals import STATUS, find_wait
from classifier.intake import storage
from classifier.models import Photo, State, Upload, UploadItem
from classifier.services import deletion, refusals, uploads
from tests import factories
from tests.services.submissions import during_decoding, outcomes, sent, stored_files

pytestmark = pytest.mark.django_db


def refuse(alice, collection, files, *, by: type[refusals.UploadRefused]) -> refusals.UploadRefused:
    with pytest.raises(by) as caught:
        uploads.submit_photos(alice, collection=collection, files=files)
    assert caught.value.code
    assert str(caught.value).endswith(".")
    assert not Upload.objects.exists()
    return caught.value


def test_a_submission_without_files_is_refused(alice, collection):
    refuse(alice, collection, [], by=refusals.NoFiles)


def test_too_many_files_are_refused(alice, collection, settings):
    settings.MAX_FILES_PER_REQUEST = 2
    refusal = refuse(alice, collection, [sent(), sent(), sent()], by=refusals.TooManyFiles)
    assert "2 files" in str(refusal)


def test_a_collection_without_a_declaration_takes_no_photos(alice):
    collection = factories.CollectionFactory(owner=alice, terms_accepted_at=None)
    refuse(alice, collection, [sent()], by=refusals.TermsNotAccepted)


def test_a_full_queue_takes_no_more(alice, collection, settings):
    settings.MAX_PENDING_PHOTOS = 2
    factories.make_photo(collection, state=State.QUEUED)
    factories.make_photo(collection, state=State.DONE)
    refuse(alice, collection, [sent(), sent(seed=1)], by=refusals.QueueFull)
    assert outcomes(uploads.submit_photos(alice, collection=collection, files=[sent()])) == ["accepted"]


def test_a_full_quota_takes_no_more_and_leaves_no_file(alice, collection, media):
    alice.quota_bytes = 30_000
    refuse(alice, collection, [sent(seed=n) for n in range(12)], by=refusals.QuotaExceeded)
    assert stored_files(media) == set()
    assert outcomes(uploads.submit_photos(alice, collection=collection, files=[sent()])) == ["accepted"]
    alice.quota_bytes = 10
    with pytest.raises(refusals.QuotaExceeded):
        uploads.submit_photos(alice, collection=collection, files=[sent(seed=1)])


def test_the_instance_s_quota_holds_for_those_without_one_of_their_own(alice, collection, settings):
    settings.USER_QUOTA_BYTES = 10
    refuse(alice, collection, [sent()], by=refusals.QuotaExceeded)


def test_duplicates_cost_no_quota(alice, collection):
    uploads.submit_photos(alice, collection=collection, files=[sent()])
    alice.quota_bytes = Photo.objects.get().stored_bytes + 1
    assert outcomes(uploads.submit_photos(alice, collection=collection, files=[sent()])) == ["duplicate"]


def test_a_collection_deleted_meanwhile_takes_no_photo(alice, collection, media, monkeypatch):
    during_decoding(monkeypatch, lambda: deletion.delete_collection(collection))
    refuse(alice, collection, [sent()], by=refusals.CollectionGone)
    assert stored_files(media) == set()


def test_a_full_disk_is_named_and_leaves_neither_rows_nor_files(alice, collection, media, monkeypatch):
    store = storage.store_photo

    def run_full(file, **options):
        if "b.jpg" in file.name:
            raise OSError(28, "No space left on device")
        return store(file, **options)

    monkeypatch.setattr(storage, "store_photo", run_full)
    refuse(alice, collection, [sent("a.jpg"), sent("b.jpg", seed=1), sent("c.jpg", seed=2)], by=refusals.StorageFull)
    assert not Photo.objects.exists()
    assert stored_files(media) == set()


@pytest.mark.parametrize(("sign", "value"), [("sqlite_errorname", "SQLITE_FULL"), ("sqlstate", "53100")])
def test_a_database_without_room_is_a_full_disk_too(alice, collection, media, monkeypatch, sign, value):
    def run_full(*_, **__):
        cause = Exception("disk full")
        setattr(cause, sign, value)
        raise OperationalError("disk full") from cause

    monkeypatch.setattr(UploadItem.objects, "bulk_create", run_full)
    refuse(alice, collection, [sent()], by=refusals.StorageFull)
    assert stored_files(media) == set()


def test_another_error_of_the_disk_is_not_called_a_full_one(alice, collection, media, monkeypatch):
    def break_down(*_, **__):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(storage, "store_photo", break_down)
    with pytest.raises(OSError, match="Input/output error"):
        uploads.submit_photos(alice, collection=collection, files=[sent()])
    assert stored_files(media) == set()


@pytest.mark.parametrize("table", [Photo, Upload, UploadItem])
def test_an_error_of_the_database_leaves_neither_rows_nor_files(alice, collection, media, monkeypatch, table):
    def break_down(*_, **__):
        raise RuntimeError("the database went away")

    monkeypatch.setattr(table.objects, "create" if table is Upload else "bulk_create", break_down)
    with pytest.raises(RuntimeError):
        uploads.submit_photos(alice, collection=collection, files=[sent(), sent("b.txt", b"text")])
    for model in (Photo, Upload, UploadItem):
        assert not model.objects.exists()
    assert stored_files(media) == set()


def test_more_photos_than_a_person_may_send_at_once_are_refused_with_how_long_to_wait(alice, collection, settings):
    settings.UPLOAD_RATE = "2/hour"
    uploads.submit_photos(alice, collection=collection, files=[sent()])
    Upload.objects.all().delete()
    refusal = refuse(alice, collection, [sent(seed=1), sent(seed=2)], by=refusals.Throttled)
    assert 1700 < refusal.wait <= 1800
    assert "Go on in 1800 s." in str(refusal)
    uploads.submit_photos(alice, collection=collection, files=[sent(seed=1)])


def test_every_refusal_has_a_status_of_its_own_and_says_when_to_come_again(settings):
    made = [*(kind() for kind in refusals.UploadRefused.__subclasses__() if kind is not refusals.Throttled)]
    made.append(refusals.Throttled(wait=7.2))
    assert {refusal.code for refusal in made} == set(STATUS)
    waits = {refusal.code: find_wait(refusal) for refusal in made}
    assert {code for code, wait in waits.items() if wait} == {"throttled", "too_many_uploads", "busy", "queue_full"}
    assert waits["throttled"] == 8
