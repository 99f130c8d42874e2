from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from classifier.models import AuditEvent, User
from classifier.terms import TERMS_VERSION


class Terminal(StringIO):
    """A standard input that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_an_administrator_has_accepted_the_terms_and_stands_in_the_audit_log(db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a long enough password")
    call_command("createsuperuser", "--noinput", username="ada", email="ada@example.org", stdout=StringIO())
    ada = User.objects.get(username="ada")
    assert ada.is_superuser
    assert ada.is_staff
    assert (ada.terms_version, ada.terms_accepted_by) == (TERMS_VERSION, "operator")
    assert AuditEvent.objects.get().target == f"user {ada.uid}"


def test_who_was_there_before_is_left_alone(db, adam, monkeypatch):
    adam.terms_version = ""
    adam.save()
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a long enough password")
    call_command("createsuperuser", "--noinput", username="ada", email="ada@example.org", stdout=StringIO())
    adam.refresh_from_db()
    assert adam.terms_version == ""


def test_without_the_terms_no_account_is_made(db, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda prompt: "n")
    with pytest.raises(CommandError, match="No account"):
        call_command("createsuperuser", username="ada", email="a@example.org", stdin=Terminal(), stdout=StringIO())
    assert not User.objects.filter(username="ada").exists()


def test_the_terms_are_shown_and_accepted_at_the_terminal(db, monkeypatch):
    shown = StringIO()
    monkeypatch.setattr("builtins.input", lambda prompt: "y")
    monkeypatch.setattr("getpass.getpass", lambda prompt="": "a long enough password")
    call_command("createsuperuser", username="ada", email="ada@example.org", stdin=Terminal(), stdout=shown)
    assert User.objects.get(username="ada").terms_version == TERMS_VERSION
    assert TERMS_VERSION in shown.getvalue()


def test_without_a_terminal_it_says_that_nobody_was_made(db):
    with pytest.raises(CommandError, match="no administrator was made"):
        call_command("createsuperuser", stdin=StringIO(), stdout=StringIO())
