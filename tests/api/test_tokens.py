from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from classifier.models import AccessToken, AuditEvent
from classifier.services import tokens
from classifier.terms import TERMS_VERSION
from tests import factories


def create_token(*args: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("createtoken", *args, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_a_token_is_told_once_and_stored_as_a_hash(alice):
    token, secret = tokens.create_token(alice, name="laptop")
    assert secret.startswith("facet_")
    assert len(secret) > 60
    kept = AccessToken.objects.values().get(pk=token.pk)
    assert secret not in str(kept)
    assert kept["name"] == "laptop"
    assert kept["scope"] == "upload"


def test_a_token_expires_after_ninety_days_unless_chosen_otherwise(alice):
    for days, expected in ((90, timedelta(days=90)), (7, timedelta(days=7))):
        token, _ = tokens.create_token(alice, name="laptop", days=days)
        assert abs(token.expiry - timezone.now() - expected) < timedelta(minutes=1)
    token, _ = tokens.create_token(alice, name="forever", days=None)
    assert token.expiry is None
    assert not token.is_expired()


def test_a_person_has_several_tokens_and_revokes_one(alice):
    first, _ = tokens.create_token(alice, name="one")
    second, _ = tokens.create_token(alice, name="two")
    tokens.revoke_token(first)
    assert list(AccessToken.objects.filter(user=alice)) == [second]


def test_the_last_use_is_written_at_most_once_a_minute(alice, django_assert_num_queries):
    token, _ = tokens.create_token(alice, name="laptop")
    assert tokens.note_use(token)
    assert not tokens.note_use(token), "another process that still has the old row does not write again"
    token.refresh_from_db()
    with django_assert_num_queries(0):
        assert not tokens.note_use(token)
    AccessToken.objects.update(last_used_at=timezone.now() - timedelta(seconds=61))
    token.refresh_from_db()
    assert tokens.note_use(token)


def test_createtoken_prints_only_the_token(alice):
    out, err = create_token("alice", "--name", "script", "--scope", "read", "--days", "5")
    assert out.startswith("facet_")
    assert out.count("\n") == 1
    assert err == ""
    token = AccessToken.objects.get(user=alice)
    assert (token.name, token.scope) == ("script", "read")
    assert timedelta(days=4) < token.expiry - timezone.now() <= timedelta(days=5)


def test_createtoken_records_that_the_operator_accepted_the_terms(db):
    user = factories.UserFactory(username="carol", terms_version="", terms_accepted_at=None, terms_accepted_by="")
    _, err = create_token("carol")
    user.refresh_from_db()
    assert (user.terms_version, user.terms_accepted_by) == (TERMS_VERSION, "operator")
    assert user.terms_accepted_at is not None
    assert "operator accepts" in err
    assert list(AuditEvent.objects.values_list("action", flat=True)) == ["terms accepted", "token made"]


def test_createtoken_leaves_terms_that_were_accepted_alone(alice):
    before = alice.terms_accepted_at
    create_token("alice")
    alice.refresh_from_db()
    assert (alice.terms_accepted_by, alice.terms_accepted_at) == ("alice", before)


def test_createtoken_says_when_there_is_no_such_user(db):
    with pytest.raises(CommandError, match="There is no user named 'nobody'") as error:
        create_token("nobody")
    assert error.value.returncode == 1


def test_createtoken_refuses_an_account_that_is_switched_off(alice):
    alice.is_active = False
    alice.save()
    with pytest.raises(CommandError, match="switched off"):
        create_token("alice")


@pytest.mark.parametrize("days", ["0", "-1", "100000"])
def test_createtoken_refuses_odd_numbers_of_days(alice, days):
    with pytest.raises(CommandError, match="--days"):
        create_token("alice", f"--days={days}")
