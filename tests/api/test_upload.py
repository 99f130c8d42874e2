"""POST /api/v1/photos/: one item a file, and the answer of the contract."""

from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.dateparse import parse_datetime
from PIL import Image

from classifier.models import Collection, Photo, Upload
from classifier.services import predictions, rates, seats
from ml import labels
from tests import factories, pictures
from tests.api.conftest import photo, text_file

ROOT = Path(__file__).resolve().parents[2]
PHOTO_KEYS = [
    *("uid", "name", "folder", "captured_on", "tags"),
    *("state", "code", "width", "height", "narrowest_face_px", "no_face_because"),
    *("turned", "received_at", "finished_at"),
    *("model", "device", "timings_ms", "faces"),
]
GUESS_KEYS = ["label", "probability", "unsure", "probabilities", "set", "set_coverage"]


def test_the_answer_is_that_of_the_contract(send, worker, alice):
    response = send(1, text_file(), query="?wait=10")
    assert response.status_code == 200
    answer = response.json()
    assert list(answer) == ["uid", "collection", "items"]
    upload = Upload.objects.get(uid=answer["uid"])
    assert answer["collection"] == str(upload.collection.uid)
    accepted, refused = answer["items"]

    assert list(accepted) == ["name", "outcome", "message", "photo"]
    assert (accepted["name"], accepted["outcome"], accepted["message"]) == ("photo1.jpg", "accepted", "")
    told = accepted["photo"]
    assert list(told) == PHOTO_KEYS
    row = Photo.objects.get(uid=told["uid"])
    assert (told["name"], told["state"], told["code"]) == ("photo1.jpg", "done", "")
    assert (told["width"], told["height"], told["narrowest_face_px"]) == (320, 240, 27)
    assert parse_datetime(told["received_at"]) == row.received_at
    assert parse_datetime(told["finished_at"]) == row.finished_at
    assert told["received_at"].endswith("Z")
    assert (told["model"], told["device"]) == ("facet-fake", "cpu")
    assert told["timings_ms"] == {"decode": 1.0, "detect": 2.0, "classify": 1.0}

    (face,) = told["faces"]
    assert list(face) == ["uid", "number", "box", "box_fraction", "detection", "size_px", "cut_off", "predictions"]
    assert UUID(face["uid"])
    assert face["number"] == 1
    assert face["box"] == {"x1": 100.0, "y1": 60.0, "x2": 220.0, "y2": 180.0}
    assert face["box_fraction"] == {"x1": 0.3125, "y1": 0.25, "x2": 0.6875, "y2": 0.75}
    assert face["detection"] == 0.99
    assert face["size_px"] == 120
    assert isinstance(face["size_px"], int)
    race, gender, age = (face["predictions"][name] for name in ("race", "gender", "age"))
    assert list(race) == ["taxonomy", *GUESS_KEYS]
    assert race["taxonomy"] == "fairface-7"
    assert list(gender) == GUESS_KEYS
    assert list(age) == [*GUESS_KEYS, "years", "low", "high"]
    for attribute, guess in face["predictions"].items():
        assert list(guess["probabilities"]) == list(labels.ATTRIBUTES[attribute])
        assert sum(guess["probabilities"].values()) == pytest.approx(1, abs=1e-3)
        assert guess["probability"] == max(guess["probabilities"].values())
        assert guess["probabilities"][guess["label"]] == guess["probability"]
        assert isinstance(guess["unsure"], bool)
    assert 0 <= age["low"] <= age["years"] <= age["high"] <= 90

    assert (refused["name"], refused["outcome"], refused["photo"]) == ("b.txt", "unsupported", None)
    assert "JPEG" in refused["message"]


def test_without_waiting_the_answer_is_202_and_the_photo_is_queued(send):
    response = send(1)
    assert response.status_code == 202
    told = response.json()["items"][0]["photo"]
    assert list(told) == PHOTO_KEYS
    assert told["state"] == "queued"
    assert (told["code"], told["finished_at"], told["model"], told["device"]) == ("", None, "", "")
    assert (told["timings_ms"], told["faces"]) == ({}, [])


def test_several_photos_are_answered_in_order(send, worker):
    names = [item["name"] for item in send(3, 1, 2, query="?wait=5").json()["items"]]
    assert names == ["photo3.jpg", "photo1.jpg", "photo2.jpg"]


def test_every_file_gets_an_outcome_and_the_sums_add_up(send, worker, api):
    response = send(1, 1, text_file(), 2, photo(3, name="c.jpg"), query="?wait=5")
    outcomes = [item["outcome"] for item in response.json()["items"]]
    assert outcomes == ["accepted", "duplicate", "unsupported", "accepted", "accepted"]
    collection = api.get(f"/api/v1/collections/{response.json()['collection']}/").json()
    assert collection["photos"] == {"total": 3, "queued": 0, "running": 0, "done": 3, "failed": 0}
    assert outcomes.count("accepted") == collection["photos"]["total"]


def test_when_every_file_is_refused_the_answer_is_200(send):
    response = send(text_file(), text_file("c.txt"))
    assert response.status_code == 200
    assert [item["outcome"] for item in response.json()["items"]] == ["unsupported", "unsupported"]


def test_a_duplicate_names_the_photo_that_is_there_and_its_result(send, worker):
    first = send(1, query="?wait=5").json()["items"][0]
    response = send(photo(1, name="again.jpg"))
    assert response.status_code == 200
    (again,) = response.json()["items"]
    assert (again["name"], again["outcome"]) == ("again.jpg", "duplicate")
    assert again["photo"] == first["photo"]
    assert again["photo"]["faces"]


def test_a_duplicate_of_a_photo_that_waits_is_pending_too(send):
    send(1)
    response = send(1)
    assert response.json()["items"][0]["outcome"] == "duplicate"
    assert response.status_code == 202


def test_a_photo_without_a_face_is_done_with_a_code(send, worker):
    black = SimpleUploadedFile("night.png", pictures.encode(Image.new("RGB", (64, 64)), "PNG"))
    told = send(black, query="?wait=5").json()["items"][0]["photo"]
    assert (told["state"], told["code"], told["faces"]) == ("done", "no_face", [])


def test_photos_without_a_collection_go_to_the_inbox(send, alice):
    uid = send(1).json()["collection"]
    inbox = Collection.objects.get(owner=alice, is_inbox=True)
    assert uid == str(inbox.uid)
    assert (inbox.name, inbox.purpose) == ("Inbox", "trying Facet out")
    assert send(2, collection="").json()["collection"] == uid


def test_photos_go_to_the_collection_that_is_named(send, collection):
    assert send(1, collection=str(collection.uid)).json()["collection"] == str(collection.uid)
    assert collection.photos.count() == 1


def test_a_grouping_is_chosen_in_the_answer(send, worker):
    faces = send(1, query="?wait=5&taxonomy=utkface-4").json()["items"][0]["photo"]["faces"]
    race = faces[0]["predictions"]["race"]
    assert race["taxonomy"] == "utkface-4"
    assert list(race["probabilities"]) == ["White", "Black", "Asian", "Indian"]
    assert sum(race["probabilities"].values()) == pytest.approx(1, abs=1e-3)


def test_what_is_switched_off_is_absent(send, worker, collection):
    collection.attributes = ["gender"]
    collection.save()
    told = send(1, query="?wait=5", collection=str(collection.uid)).json()["items"][0]["photo"]
    assert list(told["faces"][0]["predictions"]) == ["gender"]


def test_somebody_elses_collection_is_not_there(send, stranger, collection):
    response = send(1, client=stranger, collection=str(collection.uid))
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"
    assert not Photo.objects.exists()


def test_a_collection_shared_for_reading_takes_no_photos(send, stranger, bob, collection):
    collection.shares.create(user=bob)
    assert send(1, client=stranger, collection=str(collection.uid)).status_code == 404


def test_a_collection_is_named_by_its_uid(send):
    response = send(1, collection="Front pages")
    assert response.status_code == 400
    assert list(response.json()["error"]["details"]) == ["collection"]


@pytest.mark.parametrize("field", ["image", "file", "photo"])
def test_files_in_another_field_are_told_apart(api, field):
    response = api.post("/api/v1/photos/", {field: photo(1)}, format="multipart")
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "no_files"
    assert "“images”" in error["message"]
    assert error["details"] == {"fields": [field]}


def test_the_inbox_needs_the_terms_of_use(send, api, alice):
    alice.terms_accepted_at = None
    alice.save()
    response = send(1)
    assert response.status_code == 409
    error = response.json()["error"]
    assert error["code"] == "terms_not_accepted"
    assert error["details"] == {"accept_at": "http://testserver/account/"}
    assert "http://testserver/account/" in error["message"]
    assert not Photo.objects.exists()


def test_a_collection_needs_its_declaration(send, alice):
    collection = factories.CollectionFactory(owner=alice, terms_accepted_at=None)
    response = send(1, collection=str(collection.uid))
    assert response.status_code == 409
    assert response.json()["error"]["details"]["accept_at"].endswith(f"/collections/{collection.uid}/")


def test_a_full_queue_is_503_with_retry_after(send, settings):
    settings.MAX_PENDING_PHOTOS = 1
    assert send(1).status_code == 202
    response = send(2)
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "queue_full"
    assert int(response["Retry-After"]) >= 1


def test_a_full_quota_is_413(send, alice):
    alice.quota_bytes = 10
    alice.save()
    response = send(1)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "quota_exceeded"


def test_too_many_files_are_413(send, settings):
    settings.MAX_FILES_PER_REQUEST = settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    response = send(1, 2, 3)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "too_many_files"
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 100
    assert send(1, 2, 3).json()["error"]["code"] == "too_many_files"


def test_who_has_several_uploads_being_read_is_told_to_wait_and_nobody_else(send, alice, stranger, settings):
    with ExitStack() as taken:
        for _ in range(max(1, (settings.WEB_THREADS - seats.PAGE_THREADS) // 2)):
            taken.enter_context(seats.take_seat(alice))
        response = send(1)
        assert response.status_code == 429
        assert response.json()["error"]["code"] == "too_many_uploads"
        assert int(response["Retry-After"]) >= 1
        assert send(1, client=stranger).status_code == 202
    assert send(1).status_code == 202


def test_when_every_seat_is_taken_the_answer_is_503_with_retry_after(send, settings):
    with ExitStack() as taken:
        for n in range(settings.WEB_THREADS - seats.PAGE_THREADS):
            taken.enter_context(seats.take_seat(factories.UserFactory.build(pk=-n - 1)))
        response = send(1)
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "busy"
    assert int(response["Retry-After"]) >= 1
    assert send(1).status_code == 202


def test_who_used_up_the_time_of_the_decoders_is_told_for_how_long(send, alice, stranger, settings):
    settings.DECODE_RATE = "60/hour"
    rates.charge_decoding(alice, seconds=90)
    response = send(1)
    assert response.status_code == 429
    error = response.json()["error"]
    assert error["code"] == "throttled"
    assert error["details"] == {"retry_after": int(response["Retry-After"])}
    assert error["message"].startswith("That is more photos than one person may send at once.")
    assert 1700 < int(response["Retry-After"]) <= 1800
    assert not Photo.objects.exists()
    assert send(1, client=stranger).status_code == 202


def test_an_unknown_grouping_is_400_before_anything_is_stored(send):
    response = send(1, query="?taxonomy=fairface-8")
    assert response.status_code == 400
    assert list(response.json()["error"]["details"]) == ["taxonomy"]
    assert not Photo.objects.exists()


def test_the_number_of_queries_does_not_grow_with_the_photos(send, worker):
    def selects(*seeds):
        with CaptureQueriesContext(connection) as captured:
            assert send(*seeds).status_code == 202
        return len([query for query in captured if query["sql"].startswith("SELECT")])

    send(0)  # the Inbox is made
    assert selects(1, 2) == selects(3, 4, 5, 6, 7, 8)


def test_the_predictions_are_those_of_the_service(send, worker):
    told = send(1, query="?wait=5").json()["items"][0]["photo"]["faces"][0]
    face = Photo.objects.get().faces.get()
    assert told["predictions"] == predictions.describe_prediction(face.prediction)
