"""Lists: newest first, page by page, narrowed, and in a fixed number of queries."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from classifier.api import waiting
from classifier.models import Face, Photo
from classifier.services import analysis, predictions
from tests import factories
from tests.api.test_access import error_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def photo_at(collection, minute, **values):
    return factories.make_photo(collection, received_at=NOON + timedelta(minutes=minute), **values)


def uids(page) -> list[str]:
    return [row["uid"] for row in page["results"]]


def follow(api, address) -> dict:
    response = api.get(address)
    assert response.status_code == 200
    assert list(response.json()) == ["next", "previous", "results"]
    return response.json()


def test_photos_come_newest_first_page_by_page(api, collection):
    photos = [photo_at(collection, minute) for minute in range(5)][::-1]
    expected = [str(photo.uid) for photo in photos]
    first = follow(api, "/api/v1/photos/?page_size=2")
    assert (uids(first), first["previous"]) == (expected[:2], None)
    second = follow(api, first["next"])
    assert uids(second) == expected[2:4]
    third = follow(api, second["next"])
    assert (uids(third), third["next"]) == (expected[4:], None)
    assert uids(follow(api, third["previous"])) == expected[2:4]
    back = follow(api, second["previous"])
    assert (uids(back), back["previous"]) == (expected[:2], None)
    assert uids(follow(api, back["next"])) == expected[2:4]


def test_pages_stay_where_they_are_while_rows_arrive_and_go(api, collection):
    photos = [photo_at(collection, minute) for minute in range(6)][::-1]
    first = follow(api, "/api/v1/photos/?page_size=2")
    newer = photo_at(collection, 10)
    photo_at(collection, 11)
    photos[1].delete()  # the row the cursor was made from
    second = follow(api, first["next"])
    assert uids(second) == [str(photo.uid) for photo in photos[2:4]]
    before = follow(api, second["previous"])
    assert uids(before) == [str(newer.uid), str(photos[0].uid)]
    assert before["previous"] is not None


def test_rows_of_one_moment_are_told_apart(api, collection):
    photos = [photo_at(collection, 0) for _ in range(5)]
    seen, address = [], "/api/v1/photos/?page_size=2"
    while address:
        page = follow(api, address)
        seen += uids(page)
        address = page["next"]
    assert seen == [str(photo.uid) for photo in photos[::-1]]


@pytest.mark.parametrize("cursor", ["x", "eyJ4IjoxfQ", "a:b:c"])
def test_a_cursor_of_ones_own_is_404(api, cursor):
    response = api.get(f"/api/v1/photos/?cursor={cursor}")
    assert response.status_code == 404
    assert list(error_of(response)["details"]) == ["cursor"]


def test_a_cursor_of_another_list_is_404(api, collection):
    for minute in range(2):
        photo_at(collection, minute)
    page = follow(api, "/api/v1/photos/?page_size=1")
    response = api.get(page["next"].replace("/photos/", "/faces/"))
    assert response.status_code == 404


@pytest.mark.parametrize("size", ["0", "-1", "201", "many", "1.5", "00000000001", ""])
def test_an_odd_page_size_is_400(api, size):
    response = api.get(f"/api/v1/photos/?page_size={size}")
    assert response.status_code == 400
    assert list(error_of(response)["details"]) == ["page_size"]


def test_links_keep_the_filters(api, collection, alice):
    other = factories.CollectionFactory(owner=alice)
    for minute in range(3):
        photo_at(collection, minute)
        photo_at(other, minute)
    page = follow(api, f"/api/v1/photos/?collection={collection.uid}&page_size=2")
    assert len(uids(page)) == 2
    assert len(uids(follow(api, page["next"]))) == 1


def test_photos_are_narrowed_by_state_code_and_time(api, collection):
    queued = photo_at(collection, 0, state="queued")
    failed = photo_at(collection, 1, state="failed", code="crashed")
    done = photo_at(collection, 2)
    for query, expected in [
        ("state=queued", [queued]),
        ("state=done", [done]),
        ("code=crashed", [failed]),
        ("received_after=2026-11-22T12:00:00Z", [done, failed]),
        ("received_before=2026-11-22T12:01:00Z", [queued]),
        ("received_after=2026-11-22T12:00:00Z&received_before=2026-11-22T12:02:00Z", [failed]),
    ]:
        assert uids(follow(api, f"/api/v1/photos/?{query}")) == [str(photo.uid) for photo in expected], query


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("photos/?state=lost", "state"),
        ("photos/?code=tired", "code"),
        ("photos/?received_after=yesterday", "received_after"),
        ("photos/?collection=inbox", "collection"),
        ("photos/?collection=", "collection"),
        ("photos/?taxonomy=mine", "taxonomy"),
        ("faces/?race=Martian", "race"),
        ("faces/?gender=male", "gender"),
        ("faces/?age=33", "age"),
        ("faces/?min_size_px=big", "min_size_px"),
        ("faces/?taxonomy=mine", "taxonomy"),
        ("collections/?taxonomy=mine", "taxonomy"),
    ],
)
def test_an_odd_filter_is_400_and_named(api, path, field):
    response = api.get(f"/api/v1/{path}")
    assert response.status_code == 400
    error = error_of(response)
    assert error["code"] == "invalid"
    assert list(error["details"]) == [field]
    assert error["message"].startswith(f"{field}: ")


def test_faces_come_newest_first_with_photo_and_collection(api, collection):
    older, newer = photo_at(collection, 0), photo_at(collection, 1)
    faces = [factories.make_face(older), factories.make_face(newer), factories.make_face(newer, number=2)]
    page = follow(api, "/api/v1/faces/")
    assert uids(page) == [str(face.uid) for face in faces[::-1]]
    row = page["results"][0]
    assert list(row)[:4] == ["photo", "collection", "uid", "number"]
    assert (row["photo"], row["collection"], row["number"]) == (str(newer.uid), str(collection.uid), 2)
    told = api.get(f"/api/v1/photos/{newer.uid}/").json()["faces"]
    assert {key: value for key, value in row.items() if key not in ("photo", "collection")} == told[1]


def test_faces_are_narrowed_by_label_and_size(api, collection, alice):
    kept = photo_at(collection, 0)
    asian = factories.make_face(kept, number=1, race="East Asian", gender="Male", age="20-29", size_px=30.0)
    south = factories.make_face(kept, number=2, race="Southeast Asian", gender="Female", age="20-29")
    other = factories.CollectionFactory(owner=alice)
    black = factories.make_face(photo_at(other, 1), race="Black", gender="Female", age="60-69")
    for query, expected in [
        ("race=East Asian", [asian]),
        ("race=Asian&taxonomy=fairface-6", [south, asian]),
        ("race=Black&taxonomy=list-5", [black]),
        ("gender=Female", [black, south]),
        ("gender=Female&age=20-29", [south]),
        ("min_size_px=40", [black, south]),
        (f"collection={other.uid}", [black]),
        (f"photo={kept.uid}", [south, asian]),
    ]:
        assert uids(follow(api, f"/api/v1/faces/?{query}")) == [str(face.uid) for face in expected], query


def test_a_label_is_that_of_the_current_prediction(api, collection):
    face = factories.make_face(photo_at(collection, 0), race="Black")
    other = factories.ModelVersionFactory(sha256="e" * 64, status="candidate")
    predictions.store_predictions(
        {face: {"race": factories.even("race", top="Indian", probability=0.9)}}, model_version=other
    )
    assert uids(follow(api, "/api/v1/faces/?race=Black")) == []
    assert uids(follow(api, "/api/v1/faces/?race=Indian")) == [str(face.uid)]
    assert uids(follow(api, "/api/v1/faces/?gender=Female")) == []  # of which the other version said nothing
    predictions.store_predictions({face: {}}, model_version=other)
    assert uids(follow(api, "/api/v1/faces/?race=Indian")) == []
    assert follow(api, "/api/v1/faces/")["results"][0]["predictions"] == {}


def test_retired_faces_are_not_shown(api, collection):
    photo = photo_at(collection, 0)
    factories.make_face(photo)
    shown = factories.make_face(photo, number=2)
    Face.objects.filter(number=1).update(retired_at=timezone.now())
    assert uids(follow(api, "/api/v1/faces/")) == [str(shown.uid)]
    assert [face["number"] for face in api.get(f"/api/v1/photos/{photo.uid}/").json()["faces"]] == [2]


def test_what_is_being_deleted_is_not_shown(api, collection):
    photo = photo_at(collection, 0)
    factories.make_face(photo)
    Photo.objects.update(deleting_at=timezone.now())
    assert uids(follow(api, "/api/v1/photos/")) == []
    assert uids(follow(api, "/api/v1/faces/")) == []
    assert api.get(f"/api/v1/photos/{photo.uid}/").status_code == 404


@pytest.mark.parametrize("taxonomy", ["fairface-7", "fairface-6", "utkface-5", "utkface-4", "list-5"])
def test_every_grouping_is_told_everywhere(api, collection, taxonomy):
    photo = photo_at(collection, 0)
    factories.make_face(photo)
    addresses = [f"photos/{photo.uid}/", "photos/", "faces/"]
    answers = [api.get(f"/api/v1/{address}?taxonomy={taxonomy}").json() for address in addresses]
    faces = [answers[0]["faces"][0], answers[1]["results"][0]["faces"][0], answers[2]["results"][0]]
    for face in faces:
        race = face["predictions"]["race"]
        assert race["taxonomy"] == taxonomy
        assert sum(race["probabilities"].values()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("path", ["photos/", "faces/", "collections/", "models/"])
def test_a_longer_list_takes_no_more_queries(api, collection, alice, path):
    def add_rows():
        factories.CollectionFactory(owner=alice)
        for _ in range(3):
            photo = photo_at(collection, 0)
            for number in (1, 2):
                factories.make_face(photo, number=number)

    def count_queries():
        with CaptureQueriesContext(connection) as captured:
            assert api.get(f"/api/v1/{path}").json()["results"]
        return len(captured)

    add_rows()
    api.get(f"/api/v1/{path}")
    few = count_queries()
    add_rows()
    assert count_queries() == few
    assert few <= 9


def test_one_photo_is_read_and_waited_for(api, collection, monkeypatch):
    monkeypatch.setattr(waiting, "sleep", lambda seconds: analysis.run_once())
    photo = photo_at(collection, 0, state="queued")
    assert api.get(f"/api/v1/photos/{photo.uid}/").json()["state"] == "queued"
    answer = api.get(f"/api/v1/photos/{photo.uid}/?wait=5").json()
    assert answer["state"] == "done"
    assert len(answer["faces"]) == 1
    assert api.get(f"/api/v1/photos/{photo.uid}/?wait=40").status_code == 400


def test_a_photo_is_deleted_with_its_files(api, collection):
    photo = photo_at(collection, 0)
    image, thumbnail = photo.image.path, photo.thumbnail.path
    response = api.delete(f"/api/v1/photos/{photo.uid}/")
    assert (response.status_code, response.content) == (204, b"")
    assert not Path(image).exists()
    assert not Path(thumbnail).exists()
    assert api.get(f"/api/v1/photos/{photo.uid}/").status_code == 404
    assert api.delete(f"/api/v1/photos/{photo.uid}/").status_code == 404


def test_models_are_listed_with_what_is_known_of_them(api, db):
    version = factories.ModelVersionFactory()
    (row,) = follow(api, "/api/v1/models/")["results"]
    assert list(row) == ["uid", "name", "sha256", "status", "licence", "members", "metrics", "thresholds", "created_at"]
    assert (row["uid"], row["name"], row["status"]) == (str(version.uid), "facet-test", "production")
    assert row["licence"] == "test"
    assert row["thresholds"]["gender"] == {"gender": 0.7}
    assert row["members"] == []


def test_a_joined_model_tells_its_members(api, db):
    published = json.loads((settings.BASE_DIR / "ml" / "weights" / "model.json").read_text())
    factories.ModelVersionFactory(sha256="a" * 64, card=published)
    (row,) = follow(api, "/api/v1/models/")["results"]
    told = [(of["name"], of["weight"], of["views"], of["size"]) for of in row["members"]]
    assert told == [(of["name"], of["weight"], of["views"], of["preset"]["size"]) for of in published["members"]]
    assert len(told) == 2


@pytest.mark.parametrize("query", ["race=Asian", "race=East+Asian&taxonomy=fairface-6"])
def test_a_group_of_another_taxonomy_is_404_and_the_groups_are_told(api, query):
    response = api.get(f"/api/v1/faces/?{query}")
    assert response.status_code == 404
    assert error_of(response)["code"] == "no_such_group"
    assert "it has the groups White, Black" in error_of(response)["details"]["race"][0]


@pytest.mark.parametrize("name", ["received_before", "received_after"])
@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-10:00", "0001-01-01T00:00:00%2B10:00"])
def test_a_moment_that_has_no_name_in_utc_is_400(api, name, moment):
    response = api.get(f"/api/v1/photos/?{name}={moment}")
    assert response.status_code == 400
    assert list(error_of(response)["details"]) == [name]
