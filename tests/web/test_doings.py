"""Who did what, when, from where and in which request stands in the audit log; names and addresses can be erased."""

import csv
import io
import time

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from classifier.models import AccessToken, AuditAddress, AuditEvent, AuditPerson, Review
from classifier.services import accounts, audit, chores, configuration, registry
from classifier.services.reviews import answering, drawing
from tests import factories, pictures
from tests.conftest import logged_in

PASSWORD = "correct horse battery"
VISITOR = "198.51.100.7"


@pytest.fixture
def visitor(alice) -> Client:
    client = Client(REMOTE_ADDR=VISITOR)
    client.post(reverse("account_login"), {"login": "alice", "password": "wrong"})
    client.post(reverse("account_login"), {"login": "nobody-at-all", "password": "wrong"})
    client.post(reverse("account_login"), {"login": "alice", "password": PASSWORD})
    return client


def told() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


def photo(seed: int = 1) -> SimpleUploadedFile:
    return SimpleUploadedFile("secret-name.jpg", pictures.jpeg(seed=seed), "image/jpeg")


def test_what_a_person_does_is_written_down_with_where_and_in_which_request(visitor, alice, collection):
    send = visitor.post(reverse("photo-upload", args=[collection.uid]), {"images": photo()})
    token_page = visitor.post(reverse("token-list"), {"name": "laptop", "scope": "upload", "days": 30})
    key = token_page.context["new_key"]
    for _ in range(2):
        visitor.get(reverse("api-photo-list"), headers={"Authorization": f"Token {key}"})
    visitor.get(reverse("collection-faces", args=[collection.uid]))
    sent = collection.photos.get()
    visitor.post(reverse("photo-delete", args=[sent.uid]))
    visitor.post(reverse("token-revoke", args=[AccessToken.objects.get().uid]))
    visitor.post(reverse("collection-delete", args=[collection.uid]))
    assert told() == [
        *("log-in failed", "log-in failed", "logged in", "photos uploaded", "token made", "token first used"),
        *("faces exported", "photos deleted", "token revoked", "collection deleted"),
    ]
    known, unknown, *own = AuditEvent.objects.order_by("id")
    assert (known.target, known.actor_uid) == (f"user {alice.uid}", None)
    assert unknown.target == ""
    assert {event.actor_uid for event in own} == {alice.uid}
    assert set(AuditAddress.objects.values_list("address", flat=True)) == {VISITOR}
    assert AuditAddress.objects.count() == len(told())
    uploaded = AuditEvent.objects.get(action="photos uploaded")
    assert uploaded.request_id == send["X-Request-ID"]
    assert uploaded.details == {"collection": str(collection.uid), "files": 1, "accepted": 1}
    assert AuditEvent.objects.get(action="photos deleted").details == {"photos": 1, "uids": [str(sent.uid)]}
    stored = str(list(AuditEvent.objects.values()))
    assert not [word for word in ("alice", "nobody", "secret-name", "laptop", VISITOR, key) if word in stored]
    assert audit.verify() == []


def test_models_and_settings_are_told_when_they_change(db, settings):
    registry.introduce_version(name="facet-x", sha256="a" * 64, card={})
    registry.introduce_version(name="facet-x", sha256="a" * 64, card={})
    for days in (90, 90, 30):
        settings.KEEP_UPLOADS_DAYS = days
        configuration.note_settings(until=0)
    assert told() == ["model version registered", "settings changed", "settings changed"]
    assert AuditEvent.objects.last().details["changed"] == ["KEEP_UPLOADS_DAYS"]


def test_erasing_somebody_leaves_the_chain_whole_and_nothing_that_tells_who_it_was(visitor, alice, bob):
    audit.record("something", actor=bob)
    noted = audit.last_hash()
    collection = factories.CollectionFactory(owner=bob)
    face = factories.make_face(factories.make_photo(collection))
    draw = drawing.begin_draw(collection, creator=bob, attribute="race", size=1)
    said = answering.Answer(answers={"race": "Black", "gender": "Female", "age": "30-39"})
    earlier = factories.UserFactory(username="earlier")
    for reviewer in (earlier, alice):
        answering.answer_face(draw, face=face, reviewer=reviewer, answer=said)
    for person in (earlier, alice):
        accounts.delete_account(person)
    assert audit.verify() == []
    assert AuditEvent.objects.filter(hash=noted).exists()
    assert list(AuditPerson.objects.values_list("name", flat=True)) == ["bob"]
    assert not AuditAddress.objects.exclude(event__target="").exists()
    assert AuditEvent.objects.filter(actor_uid=alice.uid).exists()
    assert [review.tell_reviewer() for review in Review.objects.order_by("pk")] == ["reviewer 1", "reviewer 2"]


def test_addresses_go_after_their_days(visitor, alice, monkeypatch):
    assert AuditAddress.objects.exists()
    later = timezone.now() + timezone.timedelta(days=91)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert chores.CHORES["addresses in the audit log"](until=time.monotonic() + 5)
    assert not AuditAddress.objects.exists()
    assert audit.verify() == []


def test_the_administration_finds_filters_and_exports_it(visitor, alice, bob, adam):
    audit.record("=cmd|' /C calc'!A0", actor=bob, target="photo 1")
    client = logged_in(adam)
    page = reverse("admin:classifier_auditevent_changelist")
    shown = client.get(page).content.decode()
    assert VISITOR in shown
    assert ">alice<" in shown
    found = client.get(page, {"q": "alice"}).context["cl"]
    assert {event.action for event in found.result_list} == {"logged in"}
    export = reverse("admin:classifier_auditevent_export")
    rows = list(csv.DictReader(io.StringIO(client.get(export, {"q": "alice"}).getvalue().decode())))
    assert [(row["actor"], row["action"], row["address"]) for row in rows] == [("alice", "logged in", VISITOR)]
    everything = client.get(export).getvalue().decode()
    assert "'=cmd" in everything
    assert told()[-2:] == ["audit log exported"] * 2
    assert client.get(export, {"action": "log-in failed"}).getvalue().decode().count("log-in failed") == 2


def test_a_log_that_cannot_be_written_keeps_nobody_out(alice, monkeypatch):
    from django.db import OperationalError

    def refuse(*args, **kwargs):
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(audit, "record", refuse)
    client = Client()
    client.post(reverse("account_login"), {"login": "alice", "password": PASSWORD})
    assert client.get(reverse("account-detail")).status_code == 200
