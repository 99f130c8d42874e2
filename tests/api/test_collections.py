"""Collections by the API: made with a purpose and a declaration, read with their counts."""

import pytest

from classifier.models import Collection, Photo
from classifier.services import summaries
from classifier.terms import DECLARATION, TERMS_VERSION
from tests import factories
from tests.api.test_access import error_of

NEW = {"name": "Front pages", "purpose": "Who is on them", "accept_declaration": True}
KEYS = [
    *("uid", "name", "purpose", "owner", "is_inbox", "attributes", "taxonomy", "detail"),
    *(
        "retention_days",
        "next_deletion",
        "is_aggregate_only",
        "keeps_capture_dates",
        "is_opened_to_reviewers",
        "terms_accepted",
        "created_at",
        "photos",
    ),
]
EMPTY = {"total": 0, "queued": 0, "running": 0, "done": 0, "failed": 0}


def test_a_collection_is_made(api, alice):
    response = api.post("/api/v1/collections/", NEW)
    assert response.status_code == 201
    told = response.json()
    assert list(told) == KEYS
    made = Collection.objects.get(owner=alice)
    assert response["Location"] == f"http://testserver/api/v1/collections/{made.uid}/"
    assert (told["uid"], told["owner"], told["photos"]) == (str(made.uid), "alice", EMPTY)
    assert told["attributes"] == ["race", "gender", "age"]
    assert (told["taxonomy"], told["retention_days"], told["is_inbox"]) == ("fairface-7", None, False)
    assert told["terms_accepted"] is True
    assert (made.terms_version, made.terms_accepted_by) == (TERMS_VERSION, alice)
    assert api.get(response["Location"]).json() == told


def test_all_of_a_collection_can_be_chosen(api):
    chosen = {"attributes": ["age", "gender"], "taxonomy": "utkface-4", "detail": "fine", "retention_days": 30}
    told = api.post("/api/v1/collections/", {**NEW, **chosen, "is_opened_to_reviewers": True}).json()
    assert told["attributes"] == ["gender", "age"]
    assert (told["taxonomy"], told["retention_days"], told["is_opened_to_reviewers"]) == ("utkface-4", 30, True)
    assert told["detail"] == "fine"


@pytest.mark.parametrize("accepted", [False, None])
def test_without_the_declaration_it_is_409_with_the_text(api, accepted):
    body = {key: value for key, value in NEW.items() if key != "accept_declaration"}
    if accepted is not None:
        body["accept_declaration"] = accepted
    response = api.post("/api/v1/collections/", body)
    assert response.status_code == 409
    error = error_of(response)
    assert error["code"] == "terms_not_accepted"
    assert error["details"] == {"declaration": list(DECLARATION), "version": TERMS_VERSION}
    assert not Collection.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"purpose": " "}, "purpose"),
        ({"attributes": ["mood"]}, "attributes"),
        ({"attributes": []}, "attributes"),
        ({"taxonomy": "mine"}, "taxonomy"),
        ({"retention_days": 0}, "retention_days"),
        ({"accept_declaration": "perhaps"}, "accept_declaration"),
    ],
)
def test_a_field_that_is_wrong_is_named(api, changes, field):
    response = api.post("/api/v1/collections/", {**NEW, **changes})
    assert response.status_code == 400
    error = error_of(response)
    assert list(error["details"]) == [field]
    assert error["message"].startswith(f"{field}: ")


def test_a_body_that_is_no_object_is_400(api):
    response = api.post("/api/v1/collections/", [1, 2])
    assert response.status_code == 400
    assert error_of(response)["code"] == "invalid"


def test_counts_add_up(api, collection):
    for state in ("queued", "running", "done", "done", "failed"):
        factories.make_photo(collection, state=state)
    (told,) = api.get("/api/v1/collections/").json()["results"]
    assert list(told) == KEYS
    assert told["photos"] == {"total": 5, "queued": 1, "running": 1, "done": 2, "failed": 1}


def test_counts_are_right_for_whoever_it_is_shared_with(stranger, bob, rita, collection):
    factories.make_photo(collection)
    for person in (bob, rita):
        collection.shares.create(user=person)
    (told,) = stranger.get("/api/v1/collections/").json()["results"]
    assert told["photos"]["total"] == 1
    assert told["owner"] == "alice"


def test_what_was_counted_of_many_photos_is_told_again_for_a_while(api, collection, monkeypatch):
    monkeypatch.setattr(summaries, "LARGE_PHOTOS", 1)
    monkeypatch.setattr(summaries, "COUNTED_PER_SECOND", 0.01)
    for total in (1, 2, 2):
        factories.make_photo(collection)
        (told,) = api.get("/api/v1/collections/").json()["results"]
        assert told["photos"]["total"] == total
        assert api.get(f"/api/v1/collections/{collection.uid}/").json() == told
    Collection.objects.note_change([collection.pk])
    assert api.get(f"/api/v1/collections/{collection.uid}/").json()["photos"]["total"] == 3


def test_a_collection_and_all_in_it_is_deleted(api, alice, collection):
    factories.make_photo(collection)
    assert api.delete(f"/api/v1/collections/{collection.uid}/").status_code == 204
    assert not Photo.objects.exists()
    assert api.get(f"/api/v1/collections/{collection.uid}/").status_code == 404
    assert api.delete(f"/api/v1/collections/{collection.uid}/").status_code == 404


def test_nobody_else_deletes_a_collection(stranger, reader, bob, collection):
    assert stranger.delete(f"/api/v1/collections/{collection.uid}/").status_code == 404
    collection.shares.create(user=bob)
    assert stranger.delete(f"/api/v1/collections/{collection.uid}/").status_code == 404
    assert reader.delete(f"/api/v1/collections/{collection.uid}/").status_code == 403
    assert Collection.objects.filter(deleting_at=None).count() == 1
