"""The audit log: append-only, each row hashed together with the one before it. Names and addresses stand beside it."""

import hashlib
import json
from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.utils import timezone


class AppendOnlyError(Exception):
    """Something tried to change or remove rows of the audit log."""


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    """Refuses what would change history. A deleted user is still taken off `actor`: Django sees to that."""

    def update(self, **values: Any) -> NoReturn:
        raise AppendOnlyError("The audit log is append-only: rows cannot be changed.")

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError("The audit log is append-only: rows cannot be changed.")

    def delete(self) -> NoReturn:
        raise AppendOnlyError("The audit log is append-only: rows cannot be removed.")


class AuditEvent(models.Model):
    """Who did what to what. Rows are never changed or removed; `services.audit` writes and verifies them.

    They hold uids only: what those are called, and where people came from, can be erased without breaking the chain.
    """

    at = models.DateTimeField(default=timezone.now)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    actor_uid = models.UUIDField(null=True, blank=True, db_index=True, help_text="Empty for the system.")
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=120, blank=True, help_text="What it was done to: kind and uid.")
    details = models.JSONField(default=dict, blank=True)
    request_id = models.CharField(max_length=32, blank=True, help_text="As the log and the answer have it.")
    previous_hash = models.CharField(max_length=64, blank=True, unique=True)  # unique: the chain cannot fork
    hash = models.CharField(max_length=64, unique=True)

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.action} {self.target}".strip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnlyError("The audit log is append-only: rows cannot be changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError("The audit log is append-only: rows cannot be removed.")

    @property
    def actor_name(self) -> str:
        """What they were called when they last did something; empty for the system, and once it was erased."""
        if self.actor_uid is None:
            return ""
        return AuditPerson.objects.filter(uid=self.actor_uid).values_list("name", flat=True).first() or ""

    def compute_hash(self) -> str:
        """SHA-256 over the previous row's hash and everything this row says, as canonical JSON."""
        content: dict[str, Any] = {
            "at": self.at.isoformat(),
            "actor": str(self.actor_uid or ""),
            "action": self.action,
            "target": self.target,
            "details": self.details,
            "request": self.request_id,
            "previous": self.previous_hash,
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(canonical.encode()).hexdigest()


class AuditPerson(models.Model):
    """What somebody in the log is called. Erased with the account."""

    uid = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=150)

    def __str__(self) -> str:
        return self.name


class AuditAddress(models.Model):
    """Where somebody came from who did something. Erased with the account, and after a while."""

    event = models.OneToOneField(AuditEvent, on_delete=models.CASCADE, related_name="origin", primary_key=True)
    address = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.address
