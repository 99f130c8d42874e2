"""An account goes when its owner says so: after seven days, or at once, with everything; the others are told."""

import pytest
from django.core import mail
from django.urls import reverse

from classifier import tasks
from classifier.models import AuditEvent, Chore, CollectionShare, Photo, User
from classifier.services import accounts, analysis, chores
from tests import factories
from tests.clock import Clock, utc
from tests.conftest import logged_in

PAGE = reverse("account-delete")
PASSWORD = {"password": "correct horse battery"}


@pytest.fixture
def clock(monkeypatch) -> Clock:
    return Clock(monkeypatch, at=utc(2026, 3, 10, 12))


def exists(user: User) -> bool:
    return User.objects.filter(pk=user.pk).exists()


def test_after_seven_days_everything_goes_and_before_that_nothing(
    alice, bob, collection, alice_client, media, clock, django_capture_on_commit_callbacks
):
    factories.make_face(factories.make_photo(collection))
    CollectionShare.objects.create(collection=collection, user=bob)
    assert alice_client.post(PAGE, {"password": "wrong"}).status_code == 200
    assert User.objects.get(pk=alice.pk).leaving_at is None
    with django_capture_on_commit_callbacks(execute=True):
        alice_client.post(PAGE, PASSWORD)
        alice_client.post(PAGE, PASSWORD)  # asked again, the first day stands and nobody is told twice
    assert {message.to[0]: "Front pages" in message.body for message in mail.outbox} == {
        "bob@example.org": True,
        "alice@example.org": False,
    }
    assert "17 March 2026, 12:00 UTC" in mail.outbox[0].body
    assert "17 March 2026, 12:00 UTC" in alice_client.get("/").content.decode()
    detail = reverse("collection-detail", args=[collection.uid])
    assert "its owner’s account is being deleted" in logged_in(bob).get(detail).content.decode()

    clock.set(2026, 3, 17, 11)
    chores.call_all()
    tasks.sweep()
    assert exists(alice)
    clock.set(2026, 3, 10, 12)  # jumps back
    chores.call_all()
    tasks.sweep()
    assert exists(alice)
    clock.set(2026, 3, 18, 0, 1)
    tasks.sweep()
    assert not exists(alice)
    assert not [path for path in media.rglob("*") if path.is_file()]
    assert AuditEvent.objects.filter(action="account deleted after its grace").count() == 1


def test_they_may_think_better_of_it(alice, alice_client, clock):
    alice_client.post(PAGE, PASSWORD)
    alice_client.post(reverse("account-keep"))
    clock.go_on(days=30)
    Chore.objects.all().delete()
    tasks.sweep()
    assert exists(alice)
    assert "Your account and all its photos go" not in alice_client.get("/").content.decode()


def test_the_grace_can_be_cut_short(alice, collection, alice_client, media):
    factories.make_photo(collection)
    alice_client.post(PAGE, PASSWORD | {"when": "now"})
    assert exists(alice), "the first time asks for the grace only"
    alice_client.post(PAGE, {"password": "wrong", "when": "now"})
    assert User.objects.get(pk=alice.pk).deleting_at is None
    answer = alice_client.post(PAGE, PASSWORD | {"when": "now"})
    assert "Your account is deleted" in answer.content.decode()
    assert alice_client.get(reverse("account-detail")).status_code == 302
    tasks.sweep()
    assert not exists(alice)
    assert not [path for path in media.rglob("*") if path.is_file()]


def test_photos_that_are_being_analysed_leave_nothing_behind(alice, collection, media, monkeypatch):
    factories.make_photo(collection, state="queued")
    usual = analysis.inference.analyze

    def analyze(*args, **kwargs):
        accounts.delete_account(alice)
        return usual(*args, **kwargs)

    monkeypatch.setattr(analysis.inference, "analyze", analyze)
    analysis.run_once()
    tasks.sweep()
    assert not exists(alice)
    assert not Photo.objects.exists()
    assert not [path for path in media.rglob("*") if path.is_file()]


def test_a_site_keeps_somebody_who_can_give_rights(adam):
    client = logged_in(adam)
    assert "Make another one first" in client.post(PAGE, PASSWORD).content.decode()
    factories.UserFactory(is_staff=True, is_superuser=True)
    assert client.post(PAGE, PASSWORD).status_code == 302


def test_a_mail_server_that_is_away_stops_nothing(alice_client, alice, monkeypatch, django_capture_on_commit_callbacks):
    def refuse(*args, **kwargs):
        raise ConnectionRefusedError

    monkeypatch.setattr(accounts, "send_mail", refuse)
    with django_capture_on_commit_callbacks(execute=True):
        alice_client.post(PAGE, PASSWORD)
    assert User.objects.get(pk=alice.pk).leaving_at is not None


def test_guessing_the_password_there_is_limited(alice_client):
    assert [alice_client.post(PAGE, {"password": "no"}).status_code for _ in range(12)] == [200] * 10 + [429] * 2
