"""The audit log: append-only, each row hashed together with the one before it."""

import hashlib
import json
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone


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
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.action} {self.target}"

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
