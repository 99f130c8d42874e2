"""Made-up hosts, ways out of the site, guessing who and what is there, and pieces of keys."""

import re
import uuid

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from classifier.services import tokens
from tests import factories

PASSWORD = "correct horse battery"
ELSEWHERE = (
    *("https://evil.example/", "//evil.example/", "///evil.example", "/\\evil.example", "https:evil.example"),
    *("javascript:alert(1)", "data:text/html,x", "\thttps://evil.example", "http:///evil.example", "/\t/evil.example"),
)


def stays_here(location: str) -> bool:
    """As a browser reads it: backslashes are slashes, tabs and line ends are nothing."""
    plain = re.sub(r"[\t\r\n]", "", location).replace("\\", "/").strip()
    return plain.startswith("/") and not plain.startswith("//")


@pytest.mark.parametrize("place", ELSEWHERE)
def test_nobody_is_sent_elsewhere_after_logging_in_or_out(alice, place):
    client = Client()
    login = client.post(reverse("account_login"), {"login": "alice", "password": PASSWORD, "next": place})
    assert (login.status_code, stays_here(login.url)) == (302, True)
    for name in ("account_reauthenticate", "account_logout"):
        shown = client.get(reverse(name), {"next": place})
        assert shown.status_code == 200 or stays_here(shown.url)
    confirmed = client.post(reverse("account_reauthenticate"), {"password": PASSWORD, "next": place})
    assert confirmed.status_code != 302 or stays_here(confirmed.url)
    left = client.post(f"{reverse('account_logout')}?next={place}", {"next": place})
    assert (left.status_code, stays_here(left.url)) == (302, True)


def test_signing_up_leads_nowhere_else(db):
    sent = {"username": "nina", "email": "nina@example.org", "password1": PASSWORD, "password2": PASSWORD}
    answer = Client().post(reverse("account_signup"), sent | {"terms": "on", "next": "//evil.example/"})
    assert (answer.status_code, stays_here(answer.url)) == (302, True)


@pytest.mark.parametrize(
    "header", ["Host", "X-Forwarded-Host", "X-Host", "Forwarded", "X-Original-URL", "X-Rewrite-URL"]
)
def test_a_made_up_host_is_in_no_mail_and_no_page(alice, header):
    value = "host=evil.example" if header == "Forwarded" else "evil.example"
    answer = Client().post(reverse("account_reset_password"), {"email": alice.email}, headers={header: value})
    if header == "Host":
        assert (answer.status_code, mail.outbox) == (400, [])
        return
    assert answer.status_code == 302
    assert "evil" not in answer.url
    (sent,) = mail.outbox
    assert "/password/reset/key/" in sent.body
    assert "evil" not in sent.body
    assert "evil" not in Client().get(reverse("account_login"), headers={header: value}).content.decode()


def test_resetting_a_password_does_not_tell_whether_there_is_an_account(alice):
    def ask(email: str) -> tuple[int, str, str]:
        client = Client()
        answer = client.post(reverse("account_reset_password"), {"email": email})
        return answer.status_code, answer.url, without_keys(client.get(answer.url).content.decode(), email)

    assert ask(alice.email) == ask("nobody@example.org")


def without_keys(page: str, *words: str) -> str:
    page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page)
    for word in words:
        page = page.replace(word, "")
    return page


def test_what_belongs_to_others_looks_like_what_is_not_there(alice, bob_client):
    face = factories.make_face(factories.make_photo(factories.CollectionFactory(owner=alice)))
    photo = face.photo
    there = {"photo-detail": photo.uid, "photo-image": photo.uid, "collection-detail": photo.collection.uid}
    there |= {"api-photo-detail": photo.uid, "api-collection-detail": photo.collection.uid, "face-crop": face.uid}
    for name, uid in there.items():
        other = uuid.uuid4()
        told = []
        for each in (uid, other):
            answer = bob_client.get(reverse(name, args=[each]))
            body = re.sub(r'"request_id": ?"\w+"|(?<=<code>)\w{32}', "", answer.content.decode())
            told.append((answer.status_code, without_keys(body, str(each))))
        assert told[0] == told[1], name
        assert told[0][0] == 404


def test_uids_and_keys_cannot_be_guessed(alice):
    assert {factories.make_photo(factories.CollectionFactory(owner=alice)).uid.version for _ in range(3)} == {4}
    _, key = tokens.create_token(alice, name="x")
    assert len(set(re.findall(r"[0-9a-f]", key))) > 8
    assert len(key.removeprefix("facet_")) * 4 >= 200  # bits


def test_no_piece_of_a_token_opens_anything(alice):
    token, key = tokens.create_token(alice, name="x")
    pieces = {key[:-1], key + "0", key[: len(key) // 2], key.upper(), token.token_key, token.digest, key.swapcase()}
    pieces |= {f"facet_{token.token_key}", key.replace(key[-1], "%"), key + "\x00", "*", "%", "facet_", f"{key} {key}"}
    for piece in pieces - {key}:
        answer = Client().get(reverse("api-photo-list"), headers={"Authorization": f"Token {piece}"})
        assert answer.status_code == 401, piece
    assert Client().get(reverse("api-photo-list"), headers={"Authorization": f"Token {key}"}).status_code == 200
