"""The audit log: append-only, each row hashed together with the one before it."""

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
    """Who did what to what. Rows are never changed or removed; `services.audit` writes and verifies them."""

    at = models.DateTimeField(default=timezone.now)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    actor_name = models.CharField(max_length=150, blank=True, help_text="As it was then; empty for the system.")
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=120, blank=True, help_text="What it was done to: kind and uid.")
    details = models.JSONField(default=dict, blank=True)
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

    def compute_hash(self) -> str:
        """SHA-256 over the previous row's hash and everything this row says, as canonical JSON."""
        content: dict[str, Any] = {
            "at": self.at.isoformat(),
            "actor": self.actor_name,
            "action": self.action,
            "target": self.target,
            "details": self.details,
            "previous": self.previous_hash,
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(canonical.encode()).hexdigest()
