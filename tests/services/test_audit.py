import uuid
from datetime import timedelta
from threading import Thread

import pytest
from django.core.management import call_command
from django.db import connection

from classifier.models import AuditEvent
from classifier.models.audit import AppendOnlyError
from classifier.services import audit


def tamper(event, **columns):
    """Change a row behind the model's back, as somebody with a database shell would."""
    assignments = ", ".join(f"{name} = %s" for name in columns)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE classifier_auditevent SET {assignments} WHERE id = %s", [*columns.values(), event.pk])


def test_a_row_says_who_did_what_to_what(alice):
    event = audit.record("photo.viewed", actor=alice, target="photo 1", details={"via": "admin"})
    event.refresh_from_db()
    assert (event.actor, event.actor_name, event.action, event.target) == (
        alice,
        "alice",
        "photo.viewed",
        "photo 1",
    )
    assert event.details == {"via": "admin"}


def test_each_row_holds_the_hash_of_the_one_before(db):
    first, second = audit.record("a"), audit.record("b")
    assert first.previous_hash == ""
    assert second.previous_hash == first.hash
    assert audit.last_hash() == second.hash


def test_an_untouched_chain_is_whole_whatever_the_details(alice):
    audit.record("a", actor=alice, details={"uid": uuid.uuid4(), "took": timedelta(seconds=3), 7: [1, None, 0.5]})
    audit.record("b", details={"text": "naïve — “quoted”"})
    assert audit.verify() == []


@pytest.mark.parametrize(
    "columns",
    [{"action": "x"}, {"actor_uid": uuid.uuid4().hex}, {"target": "x"}, {"details": "{}"}, {"hash": "0" * 64}],
)
def test_a_changed_row_is_found(alice, columns):
    rows = [audit.record("photo.viewed", actor=alice, target="t", details={"n": n}) for n in range(3)]
    tamper(rows[1], **columns)
    assert rows[1].pk in [link.pk for link in audit.verify()]


def test_a_removed_row_is_found_at_its_successor(db):
    rows = [audit.record("a") for _ in range(3)]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM classifier_auditevent WHERE id = %s", [rows[1].pk])
    assert [link.pk for link in audit.verify()] == [rows[2].pk]


def test_rows_cannot_be_changed_or_removed_through_the_model(db):
    event = audit.record("a")
    event.action = "b"
    with pytest.raises(AppendOnlyError):
        event.save()
    with pytest.raises(AppendOnlyError):
        event.delete()
    with pytest.raises(AppendOnlyError):
        AuditEvent.objects.all().delete()
    with pytest.raises(AppendOnlyError):
        AuditEvent.objects.update(action="b")


def test_a_deleted_user_stays_in_the_log_by_name(alice):
    event = audit.record("a", actor=alice)
    alice.delete()
    event.refresh_from_db()
    assert (event.actor, event.actor_name) == (None, "alice")
    assert audit.verify() == []


@pytest.mark.django_db(transaction=True)
def test_many_writers_at_once_make_one_chain():
    def write():
        for _ in range(5):
            audit.record("a")
        connection.close()

    writers = [Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert AuditEvent.objects.count() == 20
    assert audit.verify() == []


def test_the_command_says_that_the_log_is_whole(db, capsys):
    event = audit.record("a")
    call_command("audit", "verify", contains=event.hash)
    assert event.hash in capsys.readouterr().out


def test_the_command_exits_1_for_a_broken_log(db, capsys):
    event = audit.record("a")
    tamper(event, action="b")
    with pytest.raises(SystemExit) as stop:
        call_command("audit", "verify")
    assert stop.value.code == 1
    assert f"row {event.pk}" in capsys.readouterr().out


def test_the_command_exits_1_for_a_log_that_was_cut_off(db):
    audit.record("a")
    with pytest.raises(SystemExit) as stop:
        call_command("audit", "verify", contains="0" * 64)
    assert stop.value.code == 1
