"""One shape for every error."""

import pytest
from django.db import InterfaceError, InternalError, OperationalError
from django.urls import reverse
from rest_framework.test import APIClient

from classifier.api import examples, views
from classifier.models import Photo
from classifier.services import rates
from tests.api.conftest import client_of, photo
from tests.api.test_access import error_of


@pytest.mark.parametrize("path", ["", "nothing/", "photos/1/", "photos/00000000-0000-0000-0000-000000000000/x/"])
def test_an_unknown_address_is_404_as_json(db, path):
    for method in ("get", "post", "delete"):
        response = getattr(APIClient(), method)(f"/api/v1/{path}")
        assert response.status_code == 404
        assert response["Content-Type"] == "application/json"
        assert error_of(response)["code"] == "not_found"


def test_a_forgotten_slash_is_told(db):
    response = APIClient().post("/api/v1/photos")
    assert response.status_code == 404
    assert "/api/v1/photos/" in error_of(response)["message"]
    assert "slash" not in error_of(APIClient().get("/api/v1/nothing"))["message"]


def test_a_photo_that_is_not_there_is_404(api):
    response = api.get("/api/v1/photos/00000000-0000-0000-0000-000000000000/")
    assert response.status_code == 404
    assert error_of(response)["code"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path"), [("put", "photos/"), ("delete", "collections/"), ("post", "faces/"), ("patch", "models/")]
)
def test_another_method_is_405_with_those_allowed(api, method, path):
    response = getattr(api, method)(f"/api/v1/{path}")
    assert response.status_code == 405
    assert error_of(response)["code"] == "method_not_allowed"
    assert "GET" in response["Allow"]


@pytest.mark.parametrize("path", [reverse("api-schema"), reverse("api-docs")])
def test_errors_of_the_document_and_its_page_are_json_too(db, path):
    response = APIClient().post(path)
    assert response.status_code == 405
    assert error_of(response)["code"] == "method_not_allowed"


def test_a_body_that_is_not_json_is_400(api):
    response = api.post("/api/v1/collections/", "{", content_type="application/json")
    assert response.status_code == 400
    assert error_of(response)["code"] == "parse_error"


def test_a_multipart_body_without_its_boundary_is_400(api):
    response = api.post("/api/v1/photos/", b"nothing", content_type="multipart/form-data")
    assert response.status_code == 400
    assert error_of(response)["code"] == "parse_error"


def test_an_empty_post_is_400_and_says_what_to_send(api):
    response = api.post("/api/v1/photos/")
    assert response.status_code == 400
    assert error_of(response)["code"] == "no_files"


def test_another_kind_of_body_is_415(api):
    response = api.post("/api/v1/photos/", {"images": []}, format="json")
    assert response.status_code == 415
    assert error_of(response)["code"] == "unsupported_media_type"


def test_an_answer_in_another_format_is_406(api):
    response = api.get("/api/v1/photos/", HTTP_ACCEPT="application/xml")
    assert response.status_code == 406
    assert error_of(response)["code"] == "not_acceptable"


class Unreadable:
    """A body that must not be touched."""

    def read(self, *args):
        raise AssertionError("the body was read")

    readline = read


@pytest.mark.parametrize("is_known", [True, False])
def test_a_body_over_the_limit_is_413_and_is_not_read(api, settings, is_known):
    settings.MAX_REQUEST_BYTES = 1000
    client = api if is_known else APIClient()
    response = client.generic(
        "POST",
        "/api/v1/photos/",
        content_type="multipart/form-data; boundary=x",
        **{"CONTENT_LENGTH": "1001", "wsgi.input": Unreadable()},
    )
    assert response.status_code == 413
    error = error_of(response)
    assert error["code"] == "body_too_large"
    assert error["details"] == {"bytes": 1001, "max_bytes": 1000}


def test_json_has_a_limit_of_its_own(api, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    response = api.post("/api/v1/collections/", {"name": "x", "purpose": "y" * 2000})
    assert response.status_code == 413
    assert error_of(response)["code"] == "body_too_large"


def test_form_fields_without_end_are_413(api, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    response = api.post("/api/v1/photos/", {"images": [photo(1)], "note": "x" * 2000}, format="multipart")
    assert response.status_code == 413
    assert error_of(response)["code"] == "body_too_large"


def test_a_body_in_chunks_is_411(api):
    response = api.generic("POST", "/api/v1/photos/", HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="")
    assert response.status_code == 411
    assert error_of(response)["code"] == "length_missing"


def test_over_the_limit_of_a_token_is_429_with_retry_after(api, alice, settings):
    limit(settings, api="2/min")
    assert [api.get("/api/v1/models/").status_code for _ in range(3)] == [200, 200, 429]
    response = api.get("/api/v1/photos/")
    error = error_of(response)
    assert error["code"] == "throttled"
    assert 25 <= int(response["Retry-After"]) <= 30
    assert error["details"] == {"retry_after": int(response["Retry-After"])}
    assert client_of(alice).get("/api/v1/models/").status_code == 200, "another token has its own allowance"


def test_a_person_has_one_limit_over_all_tokens(alice, bob, settings):
    limit(settings, user="3/min")
    answers = [client_of(alice).get("/api/v1/models/").status_code for _ in range(4)]
    assert answers == [200, 200, 200, 429]
    assert client_of(bob).get("/api/v1/models/").status_code == 200


def test_a_browser_session_is_limited_as_well(alice_client, settings):
    limit(settings, api="1/min")
    assert alice_client.get("/api/v1/models/").status_code == 200
    assert alice_client.get("/api/v1/models/").status_code == 429


def test_photos_are_counted(api, settings):
    settings.UPLOAD_RATE = "3/min"
    two = {"images": [photo(1), photo(2)]}
    assert api.post("/api/v1/photos/", two, format="multipart").status_code == 202
    response = api.post("/api/v1/photos/", {"images": [photo(3), photo(4)]}, format="multipart")
    assert response.status_code == 429
    assert int(response["Retry-After"]) >= 1
    assert Photo.objects.count() == 2
    assert api.post("/api/v1/photos/", {"images": [photo(3)]}, format="multipart").status_code == 202


def limit(settings, **changes):
    framework = settings.REST_FRAMEWORK
    changed = {**framework["DEFAULT_THROTTLE_RATES"], **changes}
    settings.REST_FRAMEWORK = {**framework, "DEFAULT_THROTTLE_RATES": changed}


def test_what_nobody_foresaw_is_500_without_details(api, monkeypatch, caplog):
    def break_down(self):
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(views.ModelList, "get_queryset", break_down)
    api.raise_request_exception = False
    response = api.get("/api/v1/models/")
    assert response.status_code == 500
    assert error_of(response)["code"] == "internal"
    assert b"secret" not in response.content
    assert "secret of the house" in caplog.text
    assert response.json()["request_id"] in caplog.text


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_is_away_is_503(api, monkeypatch, error):
    def refuse(self):
        raise error("server closed the connection")

    monkeypatch.setattr(views.ModelList, "get_queryset", refuse)
    response = api.get("/api/v1/models/")
    assert response.status_code == 503
    assert error_of(response)["code"] == "unavailable"
    assert int(response["Retry-After"]) >= 1


def test_a_standby_that_takes_no_writes_yet_is_503(api, monkeypatch):
    class ReadOnly(Exception):
        sqlstate = "25006"

    def refuse(self):
        raise InternalError("cannot execute INSERT in a read-only transaction") from ReadOnly()

    monkeypatch.setattr(views.ModelList, "get_queryset", refuse)
    assert api.get("/api/v1/models/").status_code == 503


def test_a_throttle_never_says_to_come_back_at_once():
    assert rates.whole_seconds(0.2) == 1
    assert rates.whole_seconds(3.01) == 4


def test_every_status_that_is_documented_has_an_example():
    assert set(examples.ERRORS) == {400, 401, 403, 404, 409, 410, 411, 413, 415, 429, 503, 507}


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":' * 100_000, b'{"attributes": ["\\ud800"]}', b'{"name": "a", "taxonomy": "\\udfff"}'],
    ids=["deep list", "deep object", "half a character in a list", "half a character"],
)
def test_json_that_only_looks_like_some_is_400(api, body):
    response = api.generic("POST", "/api/v1/collections/", body, content_type="application/json")
    assert response.status_code == 400
    assert error_of(response)["code"] == "parse_error"
