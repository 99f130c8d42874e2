"""The audit log of the version before is anchored anew, once: by uids, and with the hash that stood for it."""

import hashlib
import json
from datetime import UTC, datetime

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from classifier.models import AuditEvent, AuditPerson
from classifier.services import audit
from tests import factories

BEFORE = ("classifier", "0021_leaving_and_taking_along")


@pytest.fixture
def old_log(transactional_db):
    """A log of three rows by names, written as it was before: alice twice, and somebody whose account has gone."""
    alice = factories.UserFactory(username="alice")
    call_command("migrate", *BEFORE, verbosity=0)
    old = MigrationExecutor(connection).loader.project_state([BEFORE]).apps.get_model("classifier", "AuditEvent")
    last = ""
    for number, (name, key) in enumerate((("alice", alice.pk), ("gone", None), ("alice", alice.pk))):
        row = old(at=datetime(2026, 1, 1 + number, tzinfo=UTC), actor_id=key, actor_name=name, action="looked")
        row.details, row.previous_hash = {"n": number}, last
        said = {"at": row.at.isoformat(), "actor": name, "action": row.action, "target": "", "details": row.details}
        canonical = json.dumps({**said, "previous": last}, sort_keys=True, separators=(",", ":"))
        row.hash = last = hashlib.sha256(canonical.encode()).hexdigest()
        row.save()
    yield alice, last, old
    call_command("migrate", "classifier", verbosity=0)
    assert apps.get_model("classifier", "AuditEvent") is AuditEvent


@pytest.mark.parametrize("is_tampered_with", [False, True])
def test_rows_of_before_are_anchored_anew_once(old_log, is_tampered_with):
    alice, last, old = old_log
    if is_tampered_with:
        old.objects.filter(details={"n": 1}).update(action="did nothing")
    call_command("migrate", "classifier", verbosity=0)
    assert audit.verify() == []
    *rows, anchor = AuditEvent.objects.order_by("id")
    assert [row.actor_uid == alice.uid for row in rows] == [True, False, True]
    assert [row.actor_name for row in rows] == ["alice", "gone", "alice"]
    assert anchor.details["last_hash_before"] == last
    assert anchor.details.get("broken") == ([rows[1].pk] if is_tampered_with else None)
    assert "alice" not in str(list(AuditEvent.objects.values()))
    AuditPerson.objects.all().delete()
    assert audit.verify() == []
