"""Who may ask: tokens and sessions, scopes, strangers."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from classifier.models import AccessToken, Photo
from classifier.services import tokens
from tests import factories
from tests.api.conftest import client_of, photo
from tests.conftest import logged_in

READING = ["photos/", "faces/", "collections/", "models/"]


def error_of(response) -> dict:
    body = response.json()
    assert list(body) == ["error", "request_id"]
    assert list(body["error"]) == ["code", "message", "details"]
    assert body["error"]["message"]
    assert isinstance(body["error"]["details"], dict)
    assert body["request_id"] == response["X-Request-ID"]
    return body["error"]


@pytest.mark.parametrize("path", READING)
def test_nobody_gets_401_and_is_told_how_to_log_in(db, path):
    response = APIClient().get(f"/api/v1/{path}")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Token"
    error = error_of(response)
    assert error["code"] == "not_authenticated"
    assert "Authorization: Token" in error["message"]


def test_nobody_cannot_send_photos(db):
    response = APIClient().post("/api/v1/photos/", {"images": [photo(1)]}, format="multipart")
    assert response.status_code == 401
    assert not Photo.objects.exists()


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Token facet_unknown", "token_unknown"),
        ("token facet_unknown", "token_unknown"),
        (f"Token {'x' * 5000}", "token_unknown"),
        ("Token sch\u00f6n", "token_unknown"),
        ("Token", "authentication_failed"),
        ("Token two words", "authentication_failed"),
        ("Bearer facet_unknown", "not_authenticated"),
    ],
)
def test_what_is_no_token_gets_401(db, header, code):
    response = APIClient().get("/api/v1/photos/", HTTP_AUTHORIZATION=header)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Token"
    assert error_of(response)["code"] == code


def test_an_expired_token_gets_401_and_stays_listed(alice, api):
    token = AccessToken.objects.get(user=alice)
    AccessToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    response = api.get("/api/v1/photos/")
    assert response.status_code == 401
    assert error_of(response)["code"] == "token_expired"
    kept = AccessToken.objects.get(pk=token.pk)
    assert kept.is_expired()
    assert kept.last_used_at is None


def test_another_expired_token_of_the_same_person_stays_listed_too(alice, api):
    old, _ = tokens.create_token(alice, name="old", days=1)
    AccessToken.objects.filter(pk=old.pk).update(expiry=timezone.now() - timedelta(days=1))
    assert api.get("/api/v1/photos/").status_code == 200
    assert AccessToken.objects.filter(pk=old.pk).exists()


def test_a_revoked_token_gets_401(alice, api):
    assert api.get("/api/v1/photos/").status_code == 200
    tokens.revoke_token(AccessToken.objects.get(user=alice))
    response = api.get("/api/v1/photos/")
    assert response.status_code == 401
    assert error_of(response)["code"] == "token_unknown"


def test_the_account_of_a_token_can_be_switched_off(alice, api):
    alice.is_active = False
    alice.save()
    response = api.get("/api/v1/photos/")
    assert response.status_code == 401
    assert error_of(response)["code"] == "account_inactive"


def test_a_use_is_noted(alice, api):
    before = timezone.now()
    api.get("/api/v1/photos/")
    assert AccessToken.objects.get(user=alice).last_used_at >= before


@pytest.mark.parametrize("path", READING)
def test_a_reading_token_reads(reader, path):
    assert reader.get(f"/api/v1/{path}").status_code == 200


def test_a_reading_token_changes_nothing(reader, collection):
    kept = factories.make_photo(collection)
    answers = [
        reader.post("/api/v1/photos/", {"images": [photo(1)]}, format="multipart"),
        reader.delete(f"/api/v1/photos/{kept.uid}/"),
        reader.post("/api/v1/collections/", {"name": "x", "purpose": "y", "accept_declaration": True}),
    ]
    for response in answers:
        assert response.status_code == 403
        assert error_of(response)["code"] == "scope_missing"
    assert Photo.objects.get() == kept


def test_a_browser_session_reads_and_with_its_csrf_token_writes(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.get("/api/v1/photos/").status_code == 200
    refused = client.post("/api/v1/photos/", {"images": [photo(1)]})
    assert refused.status_code == 403
    assert error_of(refused)["code"] == "permission_denied"
    client.cookies["csrftoken"] = csrf = "a" * 32
    accepted = client.post("/api/v1/photos/", {"images": [photo(1)]}, headers={"X-CSRFToken": csrf})
    assert accepted.status_code == 202


def test_another_persons_things_are_not_there(stranger, collection):
    kept = factories.make_photo(collection)
    factories.make_face(kept)
    paths = [
        f"photos/{kept.uid}/",
        f"collections/{collection.uid}/",
        f"photos/?collection={collection.uid}",
        f"faces/?collection={collection.uid}",
        f"faces/?photo={kept.uid}",
    ]
    for path in paths:
        response = stranger.get(f"/api/v1/{path}")
        assert response.status_code == 404, path
        assert error_of(response)["code"] == "not_found"
    assert stranger.delete(f"/api/v1/photos/{kept.uid}/").status_code == 404
    assert Photo.objects.get() == kept
    for path in ("photos/", "faces/", "collections/"):
        assert stranger.get(f"/api/v1/{path}").json()["results"] == []


def test_whoever_a_collection_is_shared_with_reads_and_does_not_delete(stranger, bob, collection):
    kept = factories.make_photo(collection)
    factories.make_face(kept)
    collection.shares.create(user=bob)
    assert stranger.get(f"/api/v1/photos/{kept.uid}/").json()["uid"] == str(kept.uid)
    assert len(stranger.get("/api/v1/faces/").json()["results"]) == 1
    assert stranger.delete(f"/api/v1/photos/{kept.uid}/").status_code == 404
    assert Photo.objects.get() == kept


def test_a_reviewer_reads_what_is_opened_to_reviewers(rita, collection):
    kept = factories.make_photo(collection)
    client = client_of(rita)
    assert client.get(f"/api/v1/photos/{kept.uid}/").status_code == 404
    collection.is_opened_to_reviewers = True
    collection.save()
    assert client.get(f"/api/v1/photos/{kept.uid}/").status_code == 200


def test_an_administrator_sees_no_more_than_others_outside_the_admin(adam, collection):
    kept = factories.make_photo(collection)
    assert logged_in(adam).get(f"/api/v1/photos/{kept.uid}/").status_code == 404


def test_answers_are_kept_by_nobody_on_the_way(api):
    assert api.get("/api/v1/photos/")["Cache-Control"] == "private, no-store"
