"""Limits on log-ins and other forms: each visitor has his own, and nobody is locked out by strangers."""

import re

import pytest
from allauth.account import app_settings
from django.core import mail
from django.urls import reverse

from classifier.models import AuditEvent, User
from classifier.services import attempts, rates
from tests import factories
from tests.clock import Seconds
from tests.conftest import logged_in
from tests.project.test_urls import NAMES

LOG_IN = reverse("account_login")
PROXY = "10.0.0.1"
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def behind_a_proxy(settings):
    settings.TRUSTED_PROXIES, settings.TRUST_PROXY = [PROXY], True


@pytest.fixture(autouse=True)
def clock(monkeypatch) -> Seconds:
    return Seconds(monkeypatch, of=rates)


def post(client, address, form, *, visitor: str, forged: str = ""):
    forwarded = f"{forged}, {visitor}" if forged else visitor
    return client.post(address, form, REMOTE_ADDR=PROXY, headers={"X-Forwarded-For": forwarded})


def log_in(client, name, password="wrong", *, visitor: str, forged: str = ""):
    return post(client, LOG_IN, {"login": name, "password": password}, visitor=visitor, forged=forged)


def is_in(answer) -> bool:
    return answer.status_code == 302


def test_one_visitors_wrong_passwords_do_not_touch_another(client, alice, bob):
    answers = [log_in(client, f"somebody{n}", visitor="198.51.100.1").status_code for n in range(35)]
    assert answers == [200] * 30 + [429] * 5
    assert log_in(client, "bob", PASSWORD, visitor="198.51.100.1").status_code == 429
    assert is_in(log_in(client, "alice", PASSWORD, visitor="198.51.100.2"))


def test_forging_addresses_changes_nothing(client, alice):
    answers = [
        log_in(client, "alice", visitor="198.51.100.1", forged=f"192.0.2.{n}, {PROXY}").status_code for n in range(12)
    ]
    assert answers == [200] * 10 + [429] * 2


def test_a_lock_out_says_for_how_long_and_ends_then(client, alice, clock):
    for _ in range(10):
        log_in(client, "alice", visitor="198.51.100.1")
    refused = log_in(client, "alice", PASSWORD, visitor="198.51.100.1")
    assert refused.status_code == 429
    assert refused["Retry-After"] == "180"
    assert "Try again in 3 minutes." in refused.content.decode()
    clock.now += 180
    assert is_in(log_in(client, "alice", PASSWORD, visitor="198.51.100.1"))


def test_the_right_password_costs_nothing_and_forgives_typing_errors(client, alice):
    for _ in range(2):
        for _ in range(9):
            log_in(client, "alice", visitor="198.51.100.1")
        assert is_in(log_in(client, "alice", PASSWORD, visitor="198.51.100.1"))
        client.logout()
    for _ in range(12):
        assert is_in(log_in(client, "alice", PASSWORD, visitor="198.51.100.7"))
        client.logout()


def test_strangers_who_try_a_name_do_not_lock_its_owner_out(client, alice):
    """A hundred addresses that use up all that the name has: its owner still comes in, and each of them gets less."""
    for n in range(100):
        log_in(client, "alice", visitor=f"192.0.2.{n}")
    tries = [log_in(client, "alice", visitor="203.0.113.77").status_code for _ in range(3)]
    assert tries == [200, 429, 429]
    assert is_in(log_in(client, "alice", PASSWORD, visitor="198.51.100.1"))


@pytest.mark.parametrize("name", ["alice", "ALICE", " Alice ", "\N{FULLWIDTH LATIN SMALL LETTER A}lice"])
def test_a_name_is_one_name_however_it_is_written(client, alice, name):
    for _ in range(10):
        log_in(client, "alice", visitor="198.51.100.1")
    assert log_in(client, name, visitor="198.51.100.1").status_code == 429


def test_names_that_nobody_has_are_limited_alike(client, alice, clock):
    def try_out(name, visitor):
        answers = [log_in(client, name, visitor=visitor) for _ in range(11)]
        return [(answer.status_code, answer.get("Retry-After")) for answer in answers]

    assert try_out("alice", "198.51.100.1") == try_out("nobody", "198.51.100.2")


def test_an_administrator_lifts_a_lock_out(client, alice, adam):
    for n in range(30):
        log_in(client, f"name{n}", visitor="198.51.100.1")
    for _ in range(12):
        log_in(client, "alice", visitor="198.51.100.2")
        log_in(client, "alice@example.org", visitor="198.51.100.2")
    assert log_in(client, "alice", PASSWORD, visitor="198.51.100.2").status_code == 429
    page = reverse("admin:classifier_user_changelist")
    answer = logged_in(adam).post(page, {"action": "lift_limits", "_selected_action": [alice.pk]}, follow=True)
    assert "They can try to log in again" in answer.content.decode()
    assert is_in(log_in(client, "alice", PASSWORD, visitor="198.51.100.2"))
    client.logout()
    assert is_in(log_in(client, "alice@example.org", PASSWORD, visitor="198.51.100.2"))
    client.logout()
    assert log_in(client, "bob", PASSWORD, visitor="198.51.100.1").status_code == 429, "others' limits stand"
    assert AuditEvent.objects.filter(action="log-in limits lifted", target=f"user {alice.uid}").count() == 1


def test_a_mailed_link_lifts_a_lock_out(client, alice):
    for _ in range(11):
        log_in(client, "alice", visitor="198.51.100.1")
    post(client, reverse("account_reset_password"), {"email": alice.email}, visitor="198.51.100.1")
    link = next(word for word in mail.outbox[-1].body.split() if "/password/reset/key/" in word)
    page = client.get(link, follow=True).request["PATH_INFO"]
    fresh = "another horse battery"
    assert post(client, page, {"password1": fresh, "password2": fresh}, visitor="198.51.100.1").status_code == 302
    assert is_in(log_in(client, "alice", fresh, visitor="198.51.100.1"))


def test_one_visitors_sign_ups_do_not_touch_another(client, db):
    form = {"username": "nina", "email": "nina@example.org", "password1": PASSWORD, "password2": PASSWORD}
    answers = [post(client, reverse("account_signup"), {}, visitor="198.51.100.1") for _ in range(25)]
    assert [answer.status_code for answer in answers] == [200] * 20 + [429] * 5
    assert int(answers[-1]["Retry-After"]) == 30
    assert is_in(post(client, reverse("account_signup"), form | {"terms": "on"}, visitor="198.51.100.2"))
    assert User.objects.filter(username="nina").exists()


def test_mails_that_reset_a_password_are_few_to_one_mailbox(client, alice):
    def ask(visitor):
        return post(client, reverse("account_reset_password"), {"email": "alice@example.org"}, visitor=visitor)

    assert [ask("198.51.100.1").status_code for _ in range(5)] == [302] * 3 + [429] * 2
    assert len(mail.outbox) == 3
    assert [ask(f"192.0.2.{n}").status_code for n in range(30)].count(302) == 27
    assert len(mail.outbox) == 30
    assert ask("198.51.100.9").status_code == 429


def test_guessing_the_old_password_of_an_open_session_is_limited(alice_client):
    form = {"oldpassword": "wrong", "password1": "another staple", "password2": "another staple"}
    address = reverse("account_change_password")
    assert [alice_client.post(address, form).status_code for _ in range(12)] == [200] * 10 + [429] * 2
    again = [alice_client.post(reverse("account_reauthenticate"), {"password": "wrong"}).status_code for _ in range(12)]
    assert again == [200] * 10 + [429] * 2


def test_every_form_of_the_account_pages_is_counted():
    """A page of a library's that takes a form has a limit, or says here why it needs none."""
    unlimited = {
        "account_login",  # each attempt is counted with its name
        "account_logout",
        "account_inactive",
        "account_reset_password_done",
        "account_reset_password_from_key_done",
    }
    unlimited |= {"usersessions_list", "mfa_index", "mfa_list_webauthn", "mfa_view_recovery_codes"}
    # Only for those who have just confirmed that it is them, and nothing to guess.
    unlimited |= {"mfa_deactivate_totp", "mfa_download_recovery_codes", "mfa_edit_webauthn", "mfa_remove_webauthn"}
    names = {name for name in NAMES if name.startswith(("account_", "mfa_", "usersessions_"))}
    names |= {"account-delete"}  # its own, which asks for the password
    assert names - unlimited == attempts.DOORS_OF_A_VISITOR.keys() | attempts.DOORS_OF_AN_ACCOUNT.keys()


def test_no_limit_of_the_library_is_left_that_a_page_could_meet():
    """Its own are counted in the cache and say no time; what is left is for pages that Facet has not switched on."""
    left = {action for action, rate in app_settings.RATE_LIMITS.items() if rate}
    assert left == {"confirm_email", "change_phone", "verify_phone", "request_login_code"}


def test_buckets_hold_no_name_and_no_address(client, alice):
    from classifier.models import RateBucket

    log_in(client, "alice", visitor="198.51.100.1")
    keys = " ".join(RateBucket.objects.values_list("key", flat=True))
    assert len(RateBucket.objects.all()) == 3
    assert not re.search(r"alice|198\.51", keys)


def test_of_many_at_once_only_so_many_passwords_are_looked_at(client, monkeypatch, alice):
    """The attempt is counted before the password is checked."""
    looked = []
    monkeypatch.setattr(User, "check_password", lambda self, raw: looked.append(raw) or False)
    for _ in range(30):
        log_in(client, "alice", visitor="198.51.100.1")
    assert len(looked) <= 2 * 10  # two back ends look


def test_the_log_tells_of_pressure_once_and_without_names(client, alice, caplog):
    factories.UserFactory(username="other")
    for n in range(105):
        log_in(client, "alice", visitor=f"192.0.2.{n}")
    told = [record.getMessage() for record in caplog.records if record.name == "facet.attempts"]
    assert len(told) == 1
    assert str(alice.uid) in told[0]
    assert "alice" not in told[0]
