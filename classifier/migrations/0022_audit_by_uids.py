"""The chain of the audit log holds uids; names, and addresses from now on, stand in tables that can be erased.

Rows of before are anchored anew once: their hashes are computed without names, and a last row says so, with the hash
that stood for the log until then and the rows at which it was broken, if any.
"""

import hashlib
import json
import uuid

import django.db.models.deletion
from django.db import migrations, models
from django.utils import timezone

ROWS_AT_ONCE = 500
UNKNOWN = uuid.UUID("5f0c1f5e-0f5b-5d6a-9b1e-8a7b3f0d2c11")  # the space of names whose accounts have gone


def hash_of(content):
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def by_name(row, name, previous):
    return hash_of(
        {
            "at": row.at.isoformat(),
            "actor": name,
            "action": row.action,
            "target": row.target,
            "details": row.details,
            "previous": previous,
        }
    )


def by_uid(row, previous):
    return hash_of(
        {
            "at": row.at.isoformat(),
            "actor": str(row.actor_uid or ""),
            "action": row.action,
            "target": row.target,
            "details": row.details,
            "request": row.request_id,
            "previous": previous,
        }
    )


def hold(schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("LOCK TABLE classifier_auditevent IN EXCLUSIVE MODE")


def settle(schema_editor):
    """A table with checks that are still to come cannot be altered."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def anchor_anew(apps, schema_editor):
    Event, Person, User = (apps.get_model("classifier", name) for name in ("AuditEvent", "AuditPerson", "User"))
    hold(schema_editor)
    uids = dict(User.objects.values_list("pk", "uid"))
    old, new, rows, broken, changed = "", "", 0, [], []
    for row in Event.objects.order_by("id").iterator(chunk_size=ROWS_AT_ONCE):
        if by_name(row, row.actor_name, row.previous_hash) != row.hash or row.previous_hash != old:
            broken.append(row.pk)
        old = row.hash
        if row.actor_name:
            row.actor_uid = uids.get(row.actor_id) or uuid.uuid5(UNKNOWN, row.actor_name)
            Person.objects.update_or_create(uid=row.actor_uid, defaults={"name": row.actor_name})
        row.previous_hash = new
        row.hash = new = by_uid(row, new)
        rows += 1
        changed.append(row)
        if len(changed) == ROWS_AT_ONCE:
            Event.objects.bulk_update(changed, ["actor_uid", "previous_hash", "hash"])
            changed = []
    Event.objects.bulk_update(changed, ["actor_uid", "previous_hash", "hash"])
    if rows:
        details = {"rows": rows, "last_hash_before": old, **({"broken": broken[:100]} if broken else {})}
        last = Event(at=timezone.now(), action="log anchored anew", details=details, previous_hash=new)
        last.hash = by_uid(last, new)
        last.save(force_insert=True)
    settle(schema_editor)


def anchor_by_names(apps, schema_editor):
    Event, Person = (apps.get_model("classifier", name) for name in ("AuditEvent", "AuditPerson"))
    hold(schema_editor)
    names = dict(Person.objects.values_list("uid", "name"))
    last, changed = "", []
    for row in Event.objects.order_by("id").iterator(chunk_size=ROWS_AT_ONCE):
        row.actor_name, row.previous_hash = names.get(row.actor_uid, ""), last
        row.hash = last = by_name(row, row.actor_name, last)
        changed.append(row)
        if len(changed) == ROWS_AT_ONCE:
            Event.objects.bulk_update(changed, ["actor_name", "previous_hash", "hash"])
            changed = []
    Event.objects.bulk_update(changed, ["actor_name", "previous_hash", "hash"])
    settle(schema_editor)


class Migration(migrations.Migration):
    dependencies = [("classifier", "0021_leaving_and_taking_along")]

    operations = [
        migrations.CreateModel(
            name="AuditPerson",
            fields=[
                ("uid", models.UUIDField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=150)),
            ],
        ),
        migrations.CreateModel(
            name="AuditAddress",
            fields=[
                (
                    "event",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="origin",
                        serialize=False,
                        to="classifier.auditevent",
                    ),
                ),
                ("address", models.CharField(max_length=50)),
            ],
        ),
        migrations.AddField(
            model_name="auditevent",
            name="actor_uid",
            field=models.UUIDField(blank=True, db_index=True, help_text="Empty for the system.", null=True),
        ),
        migrations.AddField(
            model_name="auditevent",
            name="request_id",
            field=models.CharField(
                blank=True, default="", help_text="As the log and the answer have it.", max_length=32
            ),
            preserve_default=False,
        ),
        migrations.RunPython(anchor_anew, anchor_by_names),
        migrations.RemoveField(model_name="auditevent", name="actor_name"),
    ]
