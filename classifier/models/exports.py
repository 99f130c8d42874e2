"""A person's own data as a file to take along."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from classifier.models.jobs import Job


class AccountExport(models.Model):
    """A zip of everything somebody has here. It is there once `file` names it, until `expires_at`; its job tells."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="exports")
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="exports")
    file = models.CharField(max_length=120, blank=True)
    size = models.PositiveBigIntegerField(default=0, help_text="In bytes.")
    asked_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True, db_index=True)

    class Meta:
        ordering = ["-asked_at", "-id"]

    def __str__(self) -> str:
        return f"export {self.uid}"

    def is_ready(self) -> bool:
        """Whether it can be fetched now."""
        return bool(self.file) and self.expires_at is not None and self.expires_at > timezone.now()
