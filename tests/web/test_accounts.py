"""Accounts: signing up under the terms, logging in, the account page, and tokens."""

import getpass
from io import StringIO

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import hashers
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from classifier.accounts import PASSWORDS_LOOKED_AT
from classifier.models import AccessToken, AuditEvent, Invitation, User
from classifier.terms import TERMS_OF_USE, TERMS_VERSION
from tests import factories

SIGN_UP = {
    "username": "nina",
    "email": "nina@example.org",
    "password1": "correct horse battery",
    "password2": "correct horse battery",
}


def test_signing_up_shows_the_terms_and_keeps_that_they_were_accepted(client, db):
    page = client.get(reverse("account_signup")).content.decode()
    assert TERMS_OF_USE[1] in page
    assert "What the numbers do not mean" in page
    refused = client.post(reverse("account_signup"), SIGN_UP)
    assert "Facet can only be used under these terms." in refused.content.decode()
    client.post(reverse("account_signup"), SIGN_UP | {"terms": "on"})
    nina = User.objects.get(username="nina")
    assert (nina.terms_version, nina.terms_accepted_by) == (TERMS_VERSION, "nina")
    assert client.get(reverse("account-detail")).status_code == 200


def test_sign_up_by_invitation(client, db, settings):
    settings.FACET_SIGNUP = "invite"
    page = client.get(reverse("account_signup")).content.decode()
    assert "by invitation" in page
    code = Invitation.objects.create(note="Nina").code
    page = client.get(reverse("account_signup"), {"invite": code}).content.decode()
    assert f'name="invite" value="{code}"' in page
    client.post(reverse("account_signup"), SIGN_UP | {"terms": "on", "invite": code})
    assert Invitation.objects.get().used_by.username == "nina"


def test_closed_sign_up_says_so(client, db, settings):
    settings.FACET_SIGNUP = "closed"
    page = client.get(reverse("account_signup")).content.decode()
    assert "made by its administrators" in page
    assert "Sign up</a>" not in client.get(reverse("account_login")).content.decode()


@pytest.mark.parametrize("login", ["alice", "alice@example.org"])
def test_logging_in_by_name_or_address_and_out(client, alice, login):
    response = client.post(reverse("account_login"), {"login": login, "password": "correct horse battery"})
    assert response.url == reverse("collection-list")
    assert "You are logged in as alice." in client.get(response.url).content.decode()
    assert client.post(reverse("account_logout")).status_code == 302
    assert client.get(reverse("collection-list")).status_code == 302


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(client, alice):
    answers = set()
    for login in ("alice", "nobody"):
        page = client.post(reverse("account_login"), {"login": login, "password": "wrong"})
        answers.add(str(page.context["form"].non_field_errors()))
    assert len(answers) == 1


def test_changing_and_resetting_the_password(alice, alice_client, client):
    new = {"oldpassword": "correct horse battery", "password1": "another staple", "password2": "another staple"}
    assert alice_client.post(reverse("account_change_password"), new).status_code == 302
    client.post(reverse("account_reset_password"), {"email": alice.email})
    link = next(word for word in mail.outbox[-1].body.split() if "/password/reset/key/" in word)
    page = client.get(link, follow=True)
    assert "Choose a new password" in page.content.decode()
    done = client.post(page.request["PATH_INFO"], {"password1": "third password", "password2": "third password"})
    assert done.status_code == 302
    alice.refresh_from_db()
    assert alice.check_password("third password")


def test_the_account_page_tells_what_was_accepted_and_stored(alice_client, photo):
    page = alice_client.get(reverse("account-detail")).content.decode()
    assert "alice@example.org" in page
    assert TERMS_VERSION in page
    assert "of 20\N{NO-BREAK SPACE}GB" in page


def test_a_new_token_is_shown_once_with_a_line_to_try_it(alice, alice_client):
    response = alice_client.post(reverse("token-list"), {"name": "laptop", "scope": "upload", "days": "30"})
    token = AccessToken.objects.get()
    page = response.content.decode()
    key = response.context["new_key"]
    assert key.startswith("facet_")
    assert page.count(key) == 2
    assert "http://testserver/api/v1/photos/?wait=10" in page
    assert "no-store" in response["Cache-Control"]
    assert round((token.expiry - token.created).total_seconds() / 86400) == 30
    page = alice_client.get(reverse("token-list")).content.decode()
    assert key not in page
    assert "laptop" in page


def test_a_token_needs_a_name(alice_client):
    response = alice_client.post(reverse("token-list"), {"scope": "upload", "days": "30"})
    assert "name" in response.context["form"].errors
    assert not AccessToken.objects.exists()


def test_revoking_a_token(alice_client, token):
    response = alice_client.post(reverse("token-revoke", args=[token.uid]), follow=True)
    assert "no longer opens anything" in response.content.decode()
    assert not AccessToken.objects.exists()


def test_somebody_whose_account_was_made_for_them_accepts_the_terms_themselves(client, alice):
    User.objects.filter(pk=alice.pk).update(terms_version="", terms_accepted_at=None, terms_accepted_by="")
    client.force_login(alice)
    assert "Accept the terms of use" in client.get(reverse("account-detail")).content.decode()
    page = client.post(reverse("terms-accept"), follow=True).content.decode()
    assert "Accept the terms of use" not in page
    alice.refresh_from_db()
    assert (alice.terms_version, alice.terms_accepted_by) == (TERMS_VERSION, "alice")


def sign_up(client, **changed):
    return client.post(reverse("account_signup"), SIGN_UP | {"terms": "on"} | changed)


@pytest.mark.parametrize("mode", ["none", "optional", "mandatory"])
@pytest.mark.parametrize("confirmed", [True, False])
def test_signing_up_does_not_tell_whether_an_address_has_an_account(alice, settings, mode, confirmed):
    """Neither the answer, nor the mails that are sent, nor what can be seen afterwards."""
    settings.ACCOUNT_EMAIL_VERIFICATION = mode
    EmailAddress.objects.create(user=alice, email="alice@example.org", verified=confirmed, primary=True)

    def try_out(email, name):
        mail.outbox.clear()
        browser = Client()
        answer = sign_up(browser, email=email, username=name)
        again = sign_up(Client(), email="fresh@example.org", username=name)
        return (
            (answer.status_code, answer.url, sorted(answer.cookies)),
            [message.subject.replace(email, "") for message in mail.outbox],
            browser.get(reverse("account-detail")).status_code,
            str(again.context["form"].errors),
        )

    assert try_out("alice@example.org", "nina") == try_out("nobody@example.org", "nena")


def test_a_second_account_with_an_address_gets_nothing_of_the_first(client, alice, settings):
    """An unconfirmed twin neither shuts the owner out nor takes the mails that reset the password."""
    EmailAddress.objects.create(user=alice, email="alice@example.org", verified=True, primary=True)
    theirs = "mallory's own pass"
    sign_up(Client(), email="alice@example.org", username="mallory", password1=theirs, password2=theirs)
    credentials = {"login": "alice@example.org", "password": "correct horse battery"}
    client.post(reverse("account_login"), credentials)
    assert client.session["_auth_user_id"] == str(alice.pk)
    client.logout()
    mail.outbox.clear()
    client.post(reverse("account_reset_password"), {"email": "alice@example.org"})
    assert [message.to for message in mail.outbox] == [["alice@example.org"]]
    assert "mallory" not in mail.outbox[0].body


def test_that_a_name_is_taken_is_told_only_where_an_account_would_be_made(client, alice):
    without_terms = client.post(reverse("account_signup"), SIGN_UP | {"username": "alice"})
    assert "username" not in without_terms.context["form"].errors
    answer = sign_up(client, username="ALICE")
    assert "already exists" in str(answer.context["form"].errors["username"])
    told = [sign_up(client, username="alice").status_code for _ in range(12)]
    assert told == [200] * 9 + [429] * 3
    assert User.objects.count() == 1


@pytest.mark.parametrize("login", ["alice", "Alice", "alice@example.org", "twin@example.org", "nobody", "no@b.org"])
def test_a_wrong_log_in_costs_the_same_work_whoever_it_names(client, alice, login, monkeypatch):
    """The slow hashing of passwords would tell by the clock who is there."""
    for number in range(3):
        factories.UserFactory(username=f"twin{number}", email="twin@example.org")
    worked = []
    encode = hashers.MD5PasswordHasher.encode
    monkeypatch.setattr(hashers.MD5PasswordHasher, "encode", lambda *given: worked.append(1) or encode(*given))
    client.post(reverse("account_login"), {"login": login, "password": "wrong"})
    assert len(worked) == PASSWORDS_LOOKED_AT


def test_an_address_that_somebody_took_for_a_user_name_still_opens_its_owners_account(client, alice):
    factories.UserFactory(username="alice@example.org", email="mallory@example.org", password="mallory's own pass")
    client.post(reverse("account_login"), {"login": "alice@example.org", "password": "correct horse battery"})
    assert client.session["_auth_user_id"] == str(alice.pk)


def change_password(client, **more):
    new = {"oldpassword": "correct horse battery", "password1": "another staple", "password2": "another staple"}
    return client.post(reverse("account_change_password"), new | more)


def test_who_changes_the_password_is_asked_about_tokens(alice_client, alice, token):
    page = alice_client.get(reverse("account_change_password")).content.decode()
    assert "Revoke my API tokens too" in page
    change_password(alice_client, revoke_tokens="on")
    assert not AccessToken.objects.exists()
    assert AuditEvent.objects.get().details == {"because": "password changed", "count": 1}


def test_tokens_are_kept_by_those_who_say_so(alice_client, token):
    assert change_password(alice_client).status_code == 302
    assert AccessToken.objects.count() == 1


def test_who_has_no_token_is_not_asked(alice_client):
    assert "Revoke" not in alice_client.get(reverse("account_change_password")).content.decode()
    assert change_password(alice_client).status_code == 302


def test_a_reset_password_ends_tokens_and_sessions(alice, alice_client, client, token):
    client.post(reverse("account_reset_password"), {"email": alice.email})
    link = next(word for word in mail.outbox[-1].body.split() if "/password/reset/key/" in word)
    page = client.get(link, follow=True).request["PATH_INFO"]
    client.post(page, {"password1": "third password", "password2": "third password"})
    assert not AccessToken.objects.exists()
    assert alice_client.get(reverse("account-detail")).status_code == 302
    assert AuditEvent.objects.get().details["because"] == "password reset"


def test_a_password_set_by_the_operator_ends_tokens_and_lock_outs(client, alice, token, monkeypatch):
    for _ in range(11):
        client.post(reverse("account_login"), {"login": "alice", "password": "wrong"})
    monkeypatch.setattr(getpass, "getpass", lambda prompt: "a password by the operator")
    call_command("changepassword", "alice", stdout=StringIO())
    assert not AccessToken.objects.exists()
    form = {"login": "alice", "password": "a password by the operator"}
    assert client.post(reverse("account_login"), form).status_code == 302


@pytest.mark.parametrize(("quota", "said"), [(0, "0 bytes"), (2_000_000, "2 MB"), (None, "20 GB")])
def test_a_quota_of_nothing_is_told_as_nothing(alice, alice_client, quota, said):
    User.objects.filter(pk=alice.pk).update(quota_bytes=quota)
    page = alice_client.get(reverse("account-detail")).content.decode()
    assert f"0 bytes of {said}" in page.replace("\N{NO-BREAK SPACE}", " ")
