"""The audit log: rows are appended to a chain of hashes, and the chain can be walked and proved whole."""

import json
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from classifier.models import AuditEvent, User

CHAIN_LOCK = 0x0FACE7  # the key of PostgreSQL's advisory lock that writers of the chain take


@dataclass(frozen=True)
class BrokenLink:
    """A row that does not say what its hash says, or does not follow the row before it."""

    pk: int
    reason: str


def record(
    action: str, *, actor: User | None = None, target: str = "", details: dict[str, Any] | None = None
) -> AuditEvent:
    """Append one row. Inside a transaction the row is kept or lost together with what it tells of.

    `target` is a kind and an id ("photo 6f1c…"); `details` hold ids and counts, no file names or predictions.
    """
    with transaction.atomic():
        _lock_chain()
        event = AuditEvent(
            at=timezone.now(),
            actor=actor,
            actor_name=actor.get_username() if actor else "",
            action=action,
            target=target,
            details=_as_stored(details or {}),
            previous_hash=last_hash(),
        )
        event.hash = event.compute_hash()
        event.save(force_insert=True)
    return event


def verify() -> list[BrokenLink]:
    """Walk the whole chain; the rows that were changed or put in, or whose predecessor is gone, oldest first.

    Rows cut off at the end leave no trace in the chain: looking for a `last_hash` noted earlier tells.
    """
    broken = []
    previous = ""
    for event in AuditEvent.objects.order_by("id").iterator():
        if event.compute_hash() != event.hash:
            broken.append(BrokenLink(event.pk, "it was changed after it was written"))
        elif event.previous_hash != previous:
            broken.append(BrokenLink(event.pk, "the row before it was changed or removed"))
        previous = event.hash
    return broken


def last_hash() -> str:
    """The hash of the newest row, which stands for the whole log; empty when there is none."""
    return AuditEvent.objects.order_by("-id").values_list("hash", flat=True).first() or ""


def _lock_chain() -> None:
    """One writer until the transaction ends. SQLite needs no lock: its transactions begin IMMEDIATE."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CHAIN_LOCK])


def _as_stored(details: dict[str, Any]) -> dict[str, Any]:
    """The details as they come back from the database, so that the hash still fits then."""
    stored: dict[str, Any] = json.loads(json.dumps(details, default=str))
    return stored
