"""Numbers beyond 64 bits, beyond a float, without end, or none at all: people are told, and nothing breaks."""

import json
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from classifier.models import Draw, Review
from classifier.services.reports import caching, keeping, reading
from classifier.services.reviews import drawing
from tests.conftest import logged_in

pytestmark = pytest.mark.usefixtures("few_resamples")

BEYOND = 2**63
# ² is a digit that `int` does not read, and 4,301 digits are more than it does.
WORDS = (str(BEYOND), "9" * 400, "9" * 4301, "nan", "1e999", "²")
VALUES = (BEYOND, 10**400, float("nan"), float("inf"), "nan", "9" * 400)


def send(client: Client, method: str, address: str, sent: object) -> int:
    """The status; whatever was changed is undone."""
    with transaction.atomic():
        if method == "get":
            answer = client.get(f"{address}?{urlencode(sent, doseq=True)}")
        elif isinstance(sent, str):
            answer = client.generic(method.upper(), address, sent, content_type="application/json")
        else:
            answer = client.post(address, sent)
        if not connection.needs_rollback:
            transaction.set_rollback(True)
    return answer.status_code


def find_broken(client: Client, requests: Iterator[tuple[str, str, object]]) -> list[tuple[str, str, str, int]]:
    client.raise_request_exception = False
    return [
        (method, address, str(sent)[:300], status)
        for method, address, sent in requests
        if (status := send(client, method, address, sent)) >= 500
    ]


@pytest.fixture
def draw(alice, collection, photo) -> Draw:
    return drawing.begin_draw(collection, creator=alice, attribute="race", size=1)


@pytest.fixture
def of_photos(alice, collection, photo) -> Draw:
    return drawing.begin_photo_draw(collection, creator=alice, size=1)


def each(method: str, address: str, field: str, **others: object) -> Iterator[tuple[str, str, object]]:
    for word in WORDS:
        yield method, address, {field: word, **others}


def test_no_number_in_an_address_breaks_a_page(alice, collection, photo, draw, of_photos):
    question = reading.default_question(collection)
    answer = caching.read_answer(collection, question=question, user=alice)
    keeping.keep_report(collection, values=answer.values, question=question, title="a report", user=alice)
    uid = [collection.uid]

    def requests() -> Iterator[tuple[str, str, object]]:
        for word in WORDS:
            yield "get", reverse("collection-kept-report-compare", args=uid), {"report": [word, "1"]}
            yield "get", f"/collections/{collection.uid}/reports/{word}/", {}
            yield "post", f"/account/sessions/{word}/end/", {}
        yield from each("get", reverse("collection-report", args=uid), "narrowest")
        for name in ("page", "at", "size"):
            yield from each("get", reverse("collection-detail", args=uid), name)
        yield from each("get", reverse("photo-detail", args=[photo.uid]), "face")
        for name in ("count", "not"):
            yield from each("get", reverse("draw-faces", args=[draw.uid]), name)
            yield from each("get", reverse("draw-faces", args=[of_photos.uid]), name)
            yield from each("get", reverse("queue-faces", args=uid), name, by="doubt", attribute="race")

    assert find_broken(logged_in(alice), requests()) == []


def test_no_number_in_an_address_breaks_the_api(alice, collection, photo):
    def requests() -> Iterator[tuple[str, str, object]]:
        yield from each("get", reverse("api-face-list"), "min_size_px")
        for name in ("page_size", "cursor"):
            yield from each("get", reverse("api-photo-list"), name)
        yield from each("get", reverse("api-photo-detail", args=[photo.uid]), "wait")
        yield from each("get", reverse("api-collection-report", args=[collection.uid]), "narrowest")
        yield from each("get", reverse("api-collection-draw-sizes", args=[collection.uid]), "size")

    assert find_broken(logged_in(alice), requests()) == []


def test_no_number_in_a_form_breaks(alice, collection, photo, draw, of_photos):
    point = reverse("draw-review", args=[of_photos.uid])

    def requests() -> Iterator[tuple[str, str, object]]:
        yield from each("post", point, "point.x", photo=photo.uid, **{"point.y": "1"})
        yield from each("post", point, "point.y", photo=photo.uid, **{"point.x": "1"})
        for act in ("save", "undo", ""):
            for word in WORDS:
                said = {"photo": photo.uid, "mark": f"{word},0.5", "act": act, "point.x": "1", "point.y": "1"}
                yield "post", point, said
        new = {"kind": "faces", "attribute": "race", "codebook": "look"}
        yield from each("post", reverse("draw-new", args=[collection.uid]), "size", **new)
        yield from each("post", reverse("draw-new", args=[collection.uid]), "other", size="other", **new)
        for act in ("enlarge", "extend"):
            yield from each("post", reverse(f"draw-{act}", args=[draw.uid]), "size")
        about = {"name": "n", "purpose": "p", "attributes": ["race"], "taxonomy": "fairface-7"}
        yield from each("post", reverse("collection-edit", args=[collection.uid]), "retention_days", **about)

    assert find_broken(logged_in(alice), requests()) == []


def test_no_number_in_json_breaks(alice, collection, photo, draw, of_photos):
    face = draw.drawn_faces.first().face.uid
    said = {"race": "Black", "gender": "Male", "age": "20-29"}
    new = {"collection": str(collection.uid), "size": 1}
    uid = [collection.uid]
    places = [
        (reverse("draw-answer", args=[draw.uid]), {"face": str(face), "answers": said}, "seconds"),
        (reverse("queue-answer", args=uid), {"face": str(face), "answers": said}, "seconds"),
        (reverse("draw-answer", args=[of_photos.uid]), {"photo": str(photo.uid), "marks": []}, "seconds"),
        (reverse("draw-answer", args=[of_photos.uid]), {"photo": str(photo.uid)}, "marks"),
        (reverse("api-draw-answers", args=[draw.uid]), {"of": str(face), "answers": said}, "seconds"),
        (reverse("api-draw-answers", args=[of_photos.uid]), {"of": str(photo.uid)}, "marks"),
        (reverse("api-draw-list"), new, "size"),
        (reverse("api-draw-list"), new, "narrowest_px"),
        (reverse("api-draw-list"), {**new, "kind": "photos"}, "size"),
        (reverse("api-draw-enlarge", args=[draw.uid]), {}, "size"),
        (reverse("api-collection-list"), {"name": "n", "purpose": "p", "accept_declaration": True}, "retention_days"),
    ]

    def requests() -> Iterator[tuple[str, str, object]]:
        for address, body, name in places:
            for value in VALUES:
                sent = [[0.5, value]] if name == "marks" else value
                yield "post", address, json.dumps({**body, name: sent})
        for value in VALUES:
            yield "patch", reverse("api-collection-detail", args=uid), json.dumps({"retention_days": value})

    assert find_broken(logged_in(alice), requests()) == []


def test_a_look_of_no_length_is_kept_without_it(alice, draw):
    face = draw.drawn_faces.first().face.uid
    said = {"face": str(face), "answers": {"race": "Black", "gender": "Male", "age": "20-29"}, "seconds": 10**400}
    answer = logged_in(alice).post(
        reverse("draw-answer", args=[draw.uid]), json.dumps(said), content_type="application/json"
    )
    assert answer.status_code == 200
    assert Review.objects.get().seconds is None


def test_no_number_breaks_the_administration(adam, draw):
    admin = "admin:classifier_"

    def requests() -> Iterator[tuple[str, str, object]]:
        yield from each("get", reverse(f"{admin}photo_changelist"), "collection__id__exact")
        yield from each("get", reverse(f"{admin}review_changelist"), "collection")
        yield from each("get", reverse(f"{admin}photo_changelist"), "p")
        for word in filter(str.isascii, WORDS):
            yield "get", f"{reverse(f'{admin}photo_changelist')}{word}/change/", {}
        for name in ("collection", "start"):
            yield from each("get", reverse(f"{admin}review_queue"), name)
        yield from each("get", reverse(f"{admin}review_not_faces"), "page")
        yield from each("post", reverse(f"{admin}review_not_faces"), "face")

    assert find_broken(logged_in(adam), requests()) == []
