"""The upload form, with and without its script."""

from contextlib import ExitStack

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from classifier.models import Photo, Upload
from classifier.services import rates, seats
from tests import factories, pictures


def file(name="a.jpg", content=None, seed=1):
    return SimpleUploadedFile(name, pictures.jpeg(seed=seed) if content is None else content, "image/jpeg")


@pytest.fixture
def address(collection):
    return reverse("photo-upload", args=[collection.uid])


def test_a_plain_form_leads_to_the_page_of_outcomes(alice_client, address):
    response = alice_client.post(address, {"images": [file(), file("notes.jpg", b"hello")]}, follow=True)
    upload = Upload.objects.get()
    assert response.redirect_chain == [(reverse("upload-detail", args=[upload.uid]), 302)]
    page = response.content.decode()
    assert "1 added" in page
    assert "1 refused" in page
    assert "notes.jpg" in page
    assert "Facet reads JPEG" in page


def test_the_script_gets_a_fragment_with_sums_and_names_and_the_gallery_its_tiles(alice_client, address):
    files = [file(), file("same.jpg"), file("empty.jpg", b""), file("b.jpg", seed=2)]
    response = alice_client.post(address, {"images": files}, headers={"HX-Request": "true"})
    fragment = response.content.decode()
    assert "<html" not in fragment
    assert 'data-accepted="2" data-duplicate="1" data-refused="1"' in fragment
    assert "same.jpg" in fragment
    assert "empty.jpg" in fragment
    assert Photo.objects.count() == 2
    shown = alice_client.get(address.removesuffix("upload/"), headers={"HX-Request": "true"}).text
    assert shown.count('<li class="tile ') == 2


def test_no_file_is_told(alice_client, address):
    response = alice_client.post(address, headers={"HX-Request": "true"})
    assert (response.status_code, response["X-Code"]) == (400, "no_files")
    page = alice_client.post(address, follow=True).content.decode()
    assert "No photo was chosen." in page


def test_several_uploads_at_once_are_told_with_how_long_to_wait(alice, alice_client, address, settings):
    with ExitStack() as taken:
        for _ in range(max(1, (settings.WEB_THREADS - seats.PAGE_THREADS) // 2)):
            taken.enter_context(seats.take_seat(alice))
        response = alice_client.post(address, {"images": [file()]}, headers={"HX-Request": "true"})
    assert (response.status_code, response["X-Code"]) == (429, "too_many_uploads")
    assert int(response["Retry-After"]) >= 1
    assert "Nothing is lost" in response.content.decode()
    assert alice_client.post(address, {"images": [file()]}, headers={"HX-Request": "true"}).status_code == 200


def test_files_that_were_not_read_are_told_by_name(alice_client, address, settings):
    settings.DECODE_REQUEST_SECONDS = 0
    response = alice_client.post(address, {"images": [file("later.jpg")]}, headers={"HX-Request": "true"})
    fragment = response.content.decode()
    assert 'data-accepted="0" data-duplicate="0" data-refused="1"' in fragment
    assert "later.jpg" in fragment
    assert "Send this file again." in fragment


def test_a_collection_without_declaration_takes_nothing(alice, alice_client):
    collection = factories.CollectionFactory(owner=alice, terms_accepted_at=None, terms_accepted_by=None)
    address = reverse("photo-upload", args=[collection.uid])
    response = alice_client.post(address, {"images": [file()]}, headers={"HX-Request": "true"})
    assert (response.status_code, response["X-Code"]) == (409, "terms_not_accepted")
    page = alice_client.get(reverse("collection-detail", args=[collection.uid])).content.decode()
    assert "It was not made for this collection." in page
    assert 'id="upload"' not in page


@pytest.mark.parametrize(
    ("setting", "value", "status", "code"),
    [
        ("MAX_PENDING_PHOTOS", 0, 503, "queue_full"),
        ("USER_QUOTA_BYTES", 10, 413, "quota_exceeded"),
        ("MAX_FILES_PER_REQUEST", 1, 413, "too_many_files"),
        ("MAX_REQUEST_BYTES", 1000, 413, "request_too_large"),
    ],
)
def test_a_refused_request_says_why(alice_client, address, settings, setting, value, status, code):
    setattr(settings, setting, value)
    files = [file(), file("b.jpg", seed=2)]
    response = alice_client.post(address, {"images": files}, headers={"HX-Request": "true"})
    assert (response.status_code, response["X-Code"]) == (status, code)
    assert response.content.decode().endswith(".")
    assert not Photo.objects.exists()


def test_somebody_logged_out_is_told_and_nothing_is_stored(client, address):
    response = client.post(address, {"images": [file()]}, headers={"HX-Request": "true"})
    assert response.status_code == 401
    assert response["HX-Redirect"].startswith(reverse("account_login"))
    assert not Photo.objects.exists()


def test_a_reviewer_cannot_add_photos(rita, collection, address):
    from tests.conftest import logged_in

    collection.is_opened_to_reviewers = True
    collection.save()
    assert logged_in(rita).post(address, {"images": [file()]}).status_code == 404


def test_photos_by_page_and_api_come_out_of_one_allowance(alice, alice_client, address, settings):
    settings.UPLOAD_RATE = "2/hour"
    assert rates.take_upload(alice, files=1) == 0
    files = [file(), file("b.jpg", seed=2)]
    response = alice_client.post(address, {"images": files}, headers={"HX-Request": "true"})
    assert (response.status_code, response["X-Code"]) == (429, "throttled")
    assert not Photo.objects.exists()
