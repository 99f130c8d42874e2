"""Accounts: signing up under the terms, logging in, the account page, and tokens."""

import pytest
from django.core import mail
from django.urls import reverse

from classifier.models import AccessToken, Invitation, User
from classifier.terms import TERMS_OF_USE, TERMS_VERSION

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
    assert "of 21.5\N{NO-BREAK SPACE}GB" in page


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


@pytest.mark.parametrize(("quota", "said"), [(0, "0 bytes"), (2_000_000, "2 MB"), (None, "21.5 GB")])
def test_a_quota_of_nothing_is_told_as_nothing(alice, alice_client, quota, said):
    User.objects.filter(pk=alice.pk).update(quota_bytes=quota)
    page = alice_client.get(reverse("account-detail")).content.decode()
    assert f"0 bytes of {said}" in page.replace("\N{NO-BREAK SPACE}", " ")
