"""The audit log: rows are appended to a chain of hashes, and the chain can be walked and proved whole.

The chain holds uids. What people are called and where they came from stands in tables of its own, and can be erased.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from classifier.models import AuditAddress, AuditEvent, AuditPerson, User

CHAIN_LOCK = 0x0FACE7  # the key of PostgreSQL's advisory lock that writers of the chain take
ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class Origin:
    """The request in which something is done: its id and the visitor's address."""

    request_id: str = ""
    address: str = ""


_origin: ContextVar[Origin | None] = ContextVar("origin", default=None)


@dataclass(frozen=True)
class BrokenLink:
    """A row that does not say what its hash says, or does not follow the row before it."""

    pk: int
    reason: str


@contextmanager
def during(origin: Origin) -> Iterator[None]:
    """What is recorded within the block came from there."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def record(
    action: str, *, actor: User | None = None, target: str = "", details: dict[str, Any] | None = None
) -> AuditEvent:
    """Append one row. Inside a transaction the row is kept or lost together with what it tells of.

    `target` is a kind and an id ("photo 6f1c…"); `details` hold ids and counts, no names or predictions.
    """
    origin = _origin.get() or Origin()
    with transaction.atomic(savepoint=False):
        hold_chain()
        event = AuditEvent(
            at=timezone.now(),
            actor=actor,
            actor_uid=actor.uid if actor else None,
            action=action,
            target=target,
            details=_as_stored(details or {}),
            request_id=origin.request_id,
            previous_hash=last_hash(),
        )
        event.hash = event.compute_hash()
        event.save(force_insert=True)
        if actor:
            person = AuditPerson(uid=actor.uid, name=actor.get_username())
            AuditPerson.objects.bulk_create(
                [person], update_conflicts=True, unique_fields=["uid"], update_fields=["name"]
            )
        if origin.address:
            AuditAddress.objects.create(event=event, address=origin.address)
    return event


def forget_person(uid: UUID) -> None:
    """Erase what somebody is called and where they came from; what they did stays, under a uid that says nothing.

    Call it inside a transaction, late: it holds the chain, as whoever writes these rows does.
    """
    hold_chain()
    AuditPerson.objects.filter(uid=uid).delete()
    AuditAddress.objects.filter(event__actor_uid=uid).delete()
    AuditAddress.objects.filter(event__target=f"user {uid}", event__actor_uid=None).delete()  # tried the password


def prune_addresses(*, until: float) -> bool:
    """Erase addresses after their days; whether all went before `until` (monotonic seconds)."""
    old = AuditAddress.objects.filter(event__at__lt=timezone.now() - timedelta(days=settings.AUDIT_ADDRESS_DAYS))
    while keys := list(old.values_list("pk", flat=True)[:ROWS_AT_ONCE]):
        if monotonic() > until:
            return False
        with transaction.atomic():
            hold_chain()
            AuditAddress.objects.filter(pk__in=keys).delete()
    return True


def name_people(events: list[AuditEvent]) -> dict[UUID, str]:
    """What those who did these things are called, as far as it is known."""
    uids = {event.actor_uid for event in events if event.actor_uid}
    return dict(AuditPerson.objects.filter(uid__in=uids).values_list("uid", "name"))


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


def hold_chain() -> None:
    """One writer until the transaction ends, which locks nothing more that others lock before they record something.

    So it comes last (docs/architecture.md). SQLite needs no lock: its transactions begin IMMEDIATE.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CHAIN_LOCK])


def _as_stored(details: dict[str, Any]) -> dict[str, Any]:
    """The details as they come back from the database, so that the hash still fits then."""
    stored: dict[str, Any] = json.loads(json.dumps(details, default=str))
    return stored
