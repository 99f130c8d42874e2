"""The second factor and sessions: who has the password alone does not come in, and who lost the factor is helped."""

import re
import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from allauth.usersessions.models import UserSession
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from classifier.models import AuditEvent
from classifier.services import attempts, chores, rates
from tests.conftest import logged_in

PASSWORD = "correct horse battery"
NEXT_STEP = reverse("mfa_authenticate")


def log_in(client: Client, *, visitor: str = "127.0.0.1", agent: str = "Firefox/1 Linux"):
    form = {"login": "alice", "password": PASSWORD}
    return client.post(reverse("account_login"), form, REMOTE_ADDR=visitor, HTTP_USER_AGENT=agent)


def code_now(secret: str) -> str:
    return totp.format_hotp_value(totp.hotp_value(secret, int(time.time()) // 30))


def is_in(client: Client) -> bool:
    return client.get(reverse("account-detail")).status_code == 200


@pytest.fixture
def secret(client, alice, django_capture_on_commit_callbacks) -> str:
    """The key of an app that alice has set up, and a client that is out again."""
    log_in(client)
    assert client.get(reverse("mfa_activate_totp")).status_code == 302  # to be confirmed first
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    page = client.get(reverse("mfa_activate_totp")).content.decode()
    key = re.search(r'class="key">(\w+)<', page)[1]
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(reverse("mfa_activate_totp"), {"code": code_now(key)})
    assert answer.url == reverse("mfa_view_recovery_codes")
    client.codes = re.findall(r"\d{8}", client.get(answer.url).content.decode())
    assert len(client.codes) == 10
    assert client.codes[0] not in client.get(answer.url).content.decode()  # shown once
    client.logout()
    cache.clear()  # the code may be used again: the next half minute is not waited for
    return key


def test_the_password_alone_lets_nobody_in(client, secret):
    assert log_in(client).url == NEXT_STEP
    assert not is_in(client)
    assert client.post(NEXT_STEP, {"code": "000000"}).status_code == 200
    assert not is_in(client)
    code = code_now(secret)
    assert client.post(NEXT_STEP, {"code": code}).status_code == 302
    assert is_in(client)
    other = Client()
    log_in(other)
    other.post(NEXT_STEP, {"code": code})
    assert not is_in(other), "a code opens once"


def test_a_recovery_code_opens_once(client, secret):
    for expected in (True, False):
        log_in(client)
        client.post(NEXT_STEP, {"code": client.codes[0]})
        assert is_in(client) is expected
        client.logout()


def test_codes_can_only_be_guessed_at_slowly_and_whoever_shows_one_is_known(client, secret, alice, monkeypatch):
    now = 1_800_000_000.0
    monkeypatch.setattr(rates, "time", lambda: now)
    for _ in range(11):
        Client().post(reverse("account_login"), {"login": "alice", "password": "wrong"}, REMOTE_ADDR="192.0.2.9")
    log_in(client)
    tries = [client.post(NEXT_STEP, {"code": f"{n:06}"}) for n in range(12)]
    assert [answer.status_code for answer in tries] == [200] * 10 + [429] * 2
    assert tries[-1]["Retry-After"] == "180"
    assert client.post(NEXT_STEP, {"code": code_now(secret)}).status_code == 429
    now += 180
    assert client.post(NEXT_STEP, {"code": code_now(secret)}).status_code == 302
    assert log_in(Client(), visitor="192.0.2.9").status_code == 302, "the lock-out of her name is lifted"


@pytest.mark.parametrize("by", ["administrator", "operator"])
def test_who_lost_the_factor_is_let_in_by_the_password_again(client, secret, alice, adam, by, monkeypatch):
    for _ in range(attempts.CODES_OF_AN_ACCOUNT.limit):
        attempts.take_code(alice)
    if by == "administrator":
        form = {"action": "remove_second_factors", "_selected_action": [alice.pk]}
        logged_in(adam).post(reverse("admin:classifier_user_changelist"), form)
    else:
        monkeypatch.setattr("getpass.getpass", lambda *args, **options: "another horse battery")
        call_command("changepassword", "alice", remove_second_factors=True)
        alice.refresh_from_db()
        alice.set_password(PASSWORD)
        alice.save()
    assert log_in(client).url != NEXT_STEP
    assert is_in(client)
    attempts.take_code(alice)
    told = AuditEvent.objects.filter(target=f"user {alice.uid}", action__startswith="second factors removed")
    assert told.count() == 1


def test_a_copy_of_the_database_opens_nothing(client, secret, settings, alice):
    stored = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in stored
    assert client.codes[0] not in stored
    settings.SECRET_KEY = "another secret key, for a database that was taken somewhere else"
    log_in(client)
    for code in (code_now(secret), client.codes[0]):
        assert client.post(NEXT_STEP, {"code": code}).status_code == 200
    assert not is_in(client)


def test_keys_and_sessions_stand_nowhere_in_the_administration(adam):
    page = logged_in(adam).get(reverse("admin:index")).content.decode()
    assert "authenticator" not in page.lower()
    assert "usersession" not in page.lower()


def test_sessions_are_listed_and_ended_one_by_one_and_together(client, alice, bob):
    phone, library = Client(), Client()
    log_in(client, agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    log_in(phone, visitor="192.0.2.7", agent="Mozilla/5.0 (Linux; Android 15) AppleWebKit/5 Chrome/140.0 Safari/5")
    log_in(library, visitor="2001:db8:1:2:3:4:5:6", agent="curl/8")
    page = client.get(reverse("usersessions_list")).content.decode()
    told = ("Firefox on Linux", "Chrome on Android", "A browser or program", "192.0.2.7", "2001:db8:1:2::")
    assert [words for words in told if words not in page] == []

    session = UserSession.objects.get(ip="192.0.2.7")
    assert logged_in(bob).post(reverse("session-end", args=[session.pk])).status_code == 404
    client.post(reverse("session-end", args=[session.pk]))
    assert [is_in(one) for one in (client, phone, library)] == [True, False, True]
    client.post(reverse("usersessions_list"))
    assert [is_in(one) for one in (client, phone, library)] == [True, False, False]


def test_what_was_kept_of_a_session_goes_with_it(client, alice):
    log_in(client)
    other = Client()
    log_in(other)
    other.logout()
    chores.clear_sessions(until=0)
    assert UserSession.objects.count() == 1
