"""Bodies that are too large are turned away at every address before anything reads them."""

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse

from classifier.http import body_limits
from classifier.serving.answers import REFUSED
from classifier.serving.requests import Refusal
from tests import factories

MIB = 1024**2
VALUES = {"uuid:uid": "00000000-0000-4000-8000-000000000000", "slug:x": "x"}


class Unreadable:
    """A body that must not be touched."""

    def read(self, *args):
        raise AssertionError("the body was read")

    readline = read


def addresses():
    """One path for each view of the site whose path has no part to fill in, and those that take photos."""

    def walk(patterns, prefix):
        for pattern in patterns:
            path = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, path)
            elif not set("<(^[") & set(path):
                yield "/" + path

    return sorted(set(walk(get_resolver().url_patterns, "")))


def send(client, path, *, length, **environ):
    return client.generic(
        "POST", path, content_type="application/x-www-form-urlencoded",
        **{"CONTENT_LENGTH": str(length), "wsgi.input": Unreadable(), **environ},
    )  # fmt: skip


@pytest.mark.parametrize("path", [*addresses(), "/nowhere/"])
def test_more_than_the_address_takes_is_413_and_is_not_read(settings, path):
    client = Client(enforce_csrf_checks=True)
    response = send(client, path, length=body_limits.max_body_bytes(path) + 1)
    assert response.status_code == 413
    assert (response["Content-Type"] == "application/json") == path.startswith("/api/")
    assert response["Cache-Control"] == "private, no-store"


def test_only_the_addresses_of_photos_and_tables_take_more_than_a_form(settings):
    names = ("photo-upload", "tag-list", "api-tag-list", "collection-labels")
    upload, *tables = (reverse(name, args=["00000000-0000-4000-8000-000000000000"]) for name in names)
    assert {path for path in [*addresses(), upload, *tables] if body_limits.max_body_bytes(path) > MIB} == {
        upload,
        reverse("api-photo-list"),
        *tables,
    }
    assert {body_limits.max_body_bytes(path) for path in tables} == {9 * MIB}
    assert body_limits.max_body_bytes(upload) == settings.MAX_REQUEST_BYTES
    assert body_limits.max_body_bytes("/" + "%C3" * 9) == body_limits.max_body_bytes_at("/\xc3\xff") == MIB


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (Refusal.TOO_LARGE, 413, "body_too_large"),
        (Refusal.NO_ROOM, 507, "storage_full"),
        (Refusal.TOO_MUCH_AT_ONCE, 429, "throttled"),
    ],
)
def test_what_the_web_server_refused_is_told_to_programs_and_people(client, refusal, status, code):
    environ = {REFUSED: refusal, "HTTP_X_REQUESTED_WITH": "test"}
    response = send(client, reverse("api-photo-list"), length=10, **environ)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.json()["request_id"] == response["X-Request-ID"]
    page = send(client, "/accounts/login/", length=10, **environ)
    assert page.status_code == status
    assert b"<h1>" in page.content
    script = send(client, "/accounts/login/", length=10, HTTP_HX_REQUEST="true", **environ)
    assert script.status_code == status
    assert script["X-Code"] in (code, "request_too_large")
    assert script.content.decode().endswith(".")
    assert ("Retry-After" in script) == (status == 429)


@pytest.mark.django_db
def test_an_upload_as_large_as_a_form_may_not_be_comes_in(alice_client, alice):
    collection = factories.CollectionFactory(owner=alice)
    from tests.web.test_uploads import file

    files = [file(), file("b.jpg", seed=2)]
    large = file("c.jpg", seed=3)
    large.seek(0, 2)
    large.write(bytes(2 * MIB))
    large.seek(0)
    address = reverse("photo-upload", args=[collection.uid])
    response = alice_client.post(address, {"images": [*files, large]}, headers={"HX-Request": "true"})
    assert response.status_code == 200
    assert collection.photos.count() == 3
