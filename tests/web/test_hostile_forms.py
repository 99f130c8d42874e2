"""Every form of the site with values that no browser sends: it is told what is wrong, and nothing breaks."""

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import quote, quote_from_bytes

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import resolve, reverse

from classifier.models import Face
from classifier.services.reviews import drawing
from tests.conftest import logged_in

HOSTILE = {
    "NUL": "a\x00b",
    "huge": "x" * 70_000,
    "right to left": "\u202e\u2066gpj.exe\u2069",
    "half a character": b"\xed\xa0\x80 \xff",
    "a number without end": "9" * 5000,
    "no number": "-1e999",
    "markup": "'\"><script>alert(1)</script>{{7*7}}%s",
    "JSON of the wrong kind": '{"id": ["\\ud800"], "rawId": 1, "response": {"clientDataJSON": 9}}',
    "half a character in JSON": '{"id": "\\ud800", "rawId": "\\ud800", "response": {}}',
    "JSON without end": "[" * 20_000,
    "nothing": "",
}


class Forms(HTMLParser):
    """The forms of a page: where each goes, how, and what its fields hold."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "form":
            self.found.append((told.get("method", "get"), told.get("action") or "", {}))
        elif tag in ("input", "select", "textarea", "button") and self.found and (name := told.get("name")):
            self.found[-1][2].setdefault(name, told.get("value") or "")


def forms_of(client: Client, addresses: list[str]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each form once, however many pages have it."""
    seen = set()
    for address in addresses:
        answer = client.get(address)
        parser = Forms()
        parser.feed(answer.content.decode())
        for method, action, fields in parser.found:
            place = action.partition("?")[0].partition("#")[0] or address.partition("?")[0]
            key = (method, resolve(place).view_name, *sorted(fields))
            if key not in seen:
                seen.add(key)
                yield method, place, fields


def encode(fields: dict[str, object]) -> str:
    cells = []
    for name, value in fields.items():
        for each in value if isinstance(value, list) else [value]:
            quoted = quote_from_bytes(each) if isinstance(each, bytes) else quote(str(each))
            cells.append(f"{quote(name)}={quoted}")
    return "&".join(cells)


def variants(fields: dict[str, str]) -> Iterator[tuple[str, dict[str, object]]]:
    """All fields at once with each value; then each field alone with one, the others as the page has them."""
    kept = {name: value for name, value in fields.items() if name == "csrfmiddlewaretoken"}
    own = [name for name in fields if name not in kept]
    for what, value in HOSTILE.items():
        yield what, dict.fromkeys(own, value)
    yield "several", {name: ["1", "2", ""] for name in own}
    yield "arrays", {f"{name}[]": "1" for name in own}
    yield "no field", {}
    values = list(HOSTILE.items())
    for number, name in enumerate(own):
        what, value = values[number % len(values)]
        yield f"{what} in {name}", {**fields, name: value}


def send(client: Client, method: str, place: str, fields: dict[str, object]) -> int:
    """The status; whatever was changed is undone."""
    with transaction.atomic():
        if method == "get":
            answer = client.get(f"{place}?{encode(fields)}")
        else:
            answer = client.post(place, encode(fields), content_type="application/x-www-form-urlencoded")
        if not connection.needs_rollback:
            transaction.set_rollback(True)
    return answer.status_code


@pytest.fixture
def own_pages(alice, page_addresses, gallery, settings) -> list[str]:
    settings.ACCOUNT_RATE_LIMITS = {}
    draw = drawing.begin_draw(gallery, creator=alice, attribute="race", size=1)
    more = [reverse("draw-detail", args=[draw.uid]), reverse("draw-new", args=[gallery.uid]), reverse("review-home")]
    more += [reverse(f"collection-{name}", args=[gallery.uid]) for name in ("report", "kept-report-list")]
    more += [reverse("account-delete"), reverse("mfa_index"), reverse("mfa_activate_totp")]
    return [*page_addresses, *more]


def assert_nothing_breaks(client: Client, addresses: list[str], *, fewest: int) -> None:
    found = list(forms_of(client, addresses))
    assert len(found) >= fewest
    broken = [
        (place, what, status)
        for method, place, fields in found
        for what, sent in variants(fields)
        if (status := send(client, method, place, sent)) >= 500
    ]
    assert broken == []


def test_no_form_of_somebody_logged_in_breaks(alice, own_pages, monkeypatch):
    client = logged_in(alice)
    client.raise_request_exception = False
    monkeypatch.setattr("classifier.services.attempts.take_door", lambda *_, **__: None)
    assert_nothing_breaks(client, own_pages, fewest=25)


def test_no_form_of_a_stranger_breaks(open_addresses, db, monkeypatch):
    client = Client(raise_request_exception=False)
    monkeypatch.setattr("classifier.services.attempts.take_door", lambda *_, **__: None)
    assert_nothing_breaks(client, open_addresses[:5], fewest=4)


@pytest.mark.parametrize("value", ["\ud800", "\x00", "\u202e", "x" * 70_000, 10**400, ["a"], {"a": 1}, None])
def test_no_json_of_pages_or_api_breaks(alice, photo, collection, value):
    """JSON can hold half a character, which forms cannot."""
    client = logged_in(alice)
    client.raise_request_exception = False
    draw = drawing.begin_draw(collection, creator=alice, attribute="race", size=1)
    face = str(Face.objects.filter(photo__collection=collection).first().uid)
    new = {"name": value, "purpose": value, "attributes": value, "taxonomy": value, "retention_days": value}
    said = {"face": face, "answers": {"race": value}, "comment": value, "seconds": value, "verdict": value}
    right = {"face": face, "answers": {"race": "Black", "gender": "Male", "age": "20-29"}}
    bodies = [
        (reverse("api-collection-list"), new),
        (reverse("api-collection-list"), {"name": value, "purpose": "why", "declaration": True}),
        (reverse("api-collection-list"), {"name": "n", "purpose": value, "declaration": True}),
        (reverse("api-draw-list"), {"collection": str(collection.uid), "size": value, "filter": value}),
        (reverse("api-draw-answers", args=[draw.uid]), said),
        (reverse("api-draw-answers", args=[draw.uid]), {**right, "comment": value}),
        (reverse("api-kept-report-list"), {"collection": value, "title": value}),
        (reverse("draw-answer", args=[draw.uid]), said),
        (reverse("draw-answer", args=[draw.uid]), {**right, "comment": value}),
        (reverse("api-collection-list"), value),
        (reverse("draw-answer", args=[draw.uid]), value),
    ]
    broken = []
    for address, body in bodies:
        with transaction.atomic():
            status = client.post(address, json.dumps(body), content_type="application/json").status_code
            transaction.set_rollback(True)
        if status >= 500:
            broken.append((address, body, status))
    assert broken == []


QUERY = ("page", "at", "sort", "taxonomy", "tile", "since", "by", "format", "against", "other", "q", "race", "count")


@pytest.mark.parametrize("what", ["NUL", "half a character", "a number without end"])
def test_no_query_of_a_page_breaks(alice, own_pages, what):
    client = logged_in(alice)
    client.raise_request_exception = False
    value = HOSTILE[what]
    query = encode(dict.fromkeys(QUERY, value[:5000]))
    addresses = {address.partition("?")[0] for address in own_pages}
    assert [
        (place, status) for place in addresses if (status := client.get(f"{place}?{query}").status_code) >= 500
    ] == []


def test_no_form_of_the_administration_breaks(adam, photo, gallery):
    client = logged_in(adam)
    client.raise_request_exception = False
    models = ("user", "collection", "photo", "face", "invitation", "auditevent", "modelversion", "job", "upload")
    addresses = [reverse(f"admin:classifier_{name}_changelist") for name in models]
    addresses += [reverse("admin:classifier_invitation_add"), reverse("admin:classifier_user_change", args=[adam.pk])]
    addresses += [reverse("admin:classifier_collection_change", args=[gallery.pk]), reverse("admin:password_change")]
    assert_nothing_breaks(client, addresses, fewest=8)
