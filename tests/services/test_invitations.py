"""One invitation lets one person in: by whatever way its code comes, and when two come at the same moment."""

from threading import Barrier, Thread

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse

from classifier.models import Invitation, RateBucket, User
from classifier.services import invitations

PASSWORD = "correct horse battery"
SIGN_UP = reverse("account_signup")


@pytest.fixture(autouse=True)
def by_invitation(settings):
    settings.FACET_SIGNUP = "invite"
    settings.REDIS_URL = ""


def form(name: str, **more: str) -> dict[str, str]:
    fields = {"username": name, "email": f"{name}@example.org", "password1": PASSWORD, "password2": PASSWORD}
    return fields | {"terms": "on"} | more


@pytest.fixture
def code(db) -> str:
    return Invitation.objects.create(note="for one").code


@pytest.mark.parametrize("way", ["address", "form", "both"])
def test_an_invitation_is_used_up_by_whatever_way_it_came(code, way):
    address = SIGN_UP if way == "form" else f"{SIGN_UP}?invite={code}"
    more = {} if way == "address" else {"invite": code}
    for name in ("anna", "berta", "clara", "dora"):
        Client().post(address, form(name, **more))
    assert list(User.objects.values_list("username", flat=True)) == ["anna"]
    invitation = Invitation.objects.get()
    assert invitation.used_by.username == "anna"
    assert invitation.used_at is not None


def test_the_code_that_opens_the_door_is_the_one_that_is_used_up(code):
    other = Invitation.objects.create(note="another").code
    Client().post(f"{SIGN_UP}?invite={other}", form("anna", invite=code))
    assert Invitation.objects.get(code=code).used_by.username == "anna"
    assert Invitation.objects.get(code=other).used_at is None


def test_who_came_by_an_invitation_stays_written_down(code, alice, bob):
    invitations.note_guest(code, user=alice)
    invitations.note_guest(code, user=bob)
    assert Invitation.objects.get().used_by == alice


@pytest.mark.parametrize("sent", [{}, {"invite": "made-up"}])
def test_without_a_code_that_holds_nobody_comes_in(code, sent):
    answer = Client().post(SIGN_UP, form("anna", **sent))
    assert "by invitation" in answer.content.decode()
    assert not User.objects.exists()


def test_a_form_with_an_error_leaves_the_invitation_usable(code):
    Client().post(f"{SIGN_UP}?invite={code}", form("anna", password2="another"))
    assert Invitation.usable().count() == 1
    assert Client().post(f"{SIGN_UP}?invite={code}", form("anna")).status_code == 302


def test_a_failure_after_the_account_was_made_takes_both_back(code, monkeypatch):
    def fail(self, **kwargs):
        raise RuntimeError("the power went")

    monkeypatch.setattr(User, "accept_terms", fail)
    with pytest.raises(RuntimeError):
        Client().post(f"{SIGN_UP}?invite={code}", form("anna"))
    assert not User.objects.exists()
    assert Invitation.usable().count() == 1


def at_once(posts: list[tuple[str, dict[str, str]]], monkeypatch) -> list[int]:
    """The status of each post; all of them have passed the open door before any goes on to make its account."""
    from classifier.forms import SignupForm

    barrier, statuses = Barrier(len(posts), timeout=30), []
    save = SignupForm.try_save

    def wait_for_the_others(self, request):
        barrier.wait()
        return save(self, request)

    def post(address, fields):
        try:
            statuses.append(Client().post(address, fields).status_code)
        finally:
            connections.close_all()

    monkeypatch.setattr(SignupForm, "try_save", wait_for_the_others)
    threads = [Thread(target=post, args=one) for one in posts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(statuses)


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_is_let_in(monkeypatch):
    code = Invitation.objects.create(note="for one").code
    names = ("anna", "berta", "clara")
    assert at_once([(SIGN_UP, form(name, invite=code)) for name in names], monkeypatch) == [200, 200, 302]
    (user,) = User.objects.all()
    assert Invitation.objects.get().used_by == user
    RateBucket.objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_of_two_with_the_same_name_at_once_the_second_is_told(monkeypatch, settings):
    settings.FACET_SIGNUP = "open"
    posts = [(SIGN_UP, form("anna") | {"email": f"anna{n}@example.org"}) for n in range(2)]
    assert at_once(posts, monkeypatch) == [200, 302]
    assert User.objects.count() == 1
