"""Who is pictured in a collection: what was computed last of each question, and reports that were kept."""

import hashlib
import json
import uuid
from typing import TYPE_CHECKING, Any, NoReturn, Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from classifier.models.collections import Collection
from classifier.models.jobs import Job

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from classifier.models.accounts import User


def write_canonical(values: Any) -> str:
    """JSON of which the same values have one spelling: what hashes are taken of."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def hash_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class ComputedReport(models.Model):
    """The last answer to a question about a collection, and the job that works on a newer one. A cache, no record.

    It is current while `revision` is the collection's, and `other_revision` that of the one it was compared with.
    """

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="computed_reports")
    key = models.CharField(max_length=64, help_text="The hash of the question.")
    question = models.JSONField(default=dict)
    other = models.ForeignKey(Collection, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    revision = models.BigIntegerField(null=True, help_text="Of the collection, before its faces were read.")
    other_revision = models.BigIntegerField(null=True)
    summary = models.JSONField(default=dict, help_text="What cards and the collection's page tell of it.")
    content = models.TextField(blank=True, help_text="The report as canonical JSON; empty: not computed yet.")
    seconds = models.FloatField(default=0.0, help_text="How long that took.")
    computed_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(default=timezone.now, db_index=True)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="reports")
    job_revision = models.BigIntegerField(null=True, help_text="Of the collection when the job was asked for.")
    progress = models.FloatField(default=0.0, help_text="How far the job is, 0 to 1.")
    draw = models.UUIDField(null=True, help_text="The key of the draw that its answers of people come from.")

    class Meta:
        ordering = ["-used_at"]
        constraints = [models.UniqueConstraint(fields=["collection", "key"], name="one_answer_per_question")]

    def __str__(self) -> str:
        return f"report of {self.collection_id}"

    @property
    def is_computed(self) -> bool:
        return self.computed_at is not None


class ImmutableReportError(Exception):
    """Something tried to change a kept report."""


class KeptReportQuerySet(models.QuerySet["KeptReport"]):
    """Refuses changes, as the database itself does. The one who kept it may go: Django sees to that."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        return self.filter(collection__in=Collection.objects.visible_to(user))

    def update(self, **values: Any) -> NoReturn:
        raise ImmutableReportError("Kept reports are immutable.")

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise ImmutableReportError("Kept reports are immutable.")


class KeptReport(models.Model):
    """A report as it was when somebody kept it: numbered in its collection from 1, never changed, with its own hash.

    `content` is canonical JSON, and `sha256` the hash of its UTF-8 bytes.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="kept_reports")
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=200)
    model_name = models.CharField(max_length=80, blank=True)
    faces = models.PositiveIntegerField()
    content = models.TextField()
    sha256 = models.CharField(max_length=64)
    kept_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    kept_at = models.DateTimeField(default=timezone.now)
    draw = models.UUIDField(null=True, help_text="As in the computed report; older ones do not know it.")

    objects = KeptReportQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["collection", "number"], name="one_report_per_number")]

    def __str__(self) -> str:
        return f"report {self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise ImmutableReportError("Kept reports are immutable.")
        super().save(*args, **kwargs)

    @property
    def values(self) -> dict[str, Any]:
        """The report's JSON."""
        values: dict[str, Any] = json.loads(self.content)
        return values

    def is_intact(self) -> bool:
        """Whether the content is the one that was kept."""
        return hash_text(self.content) == self.sha256


class RemovedReport(models.Model):
    """What is left of a kept report whose collection was deleted: that there was one, and the hash of its content.

    With it a copy can still be told from a forgery. Only who owned the collection is told, and it goes with the
    account.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    uid = models.UUIDField(null=True, unique=True, help_text="Of the report; not known of those removed long ago.")
    collection_uid = models.UUIDField()
    number = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    kept_at = models.DateTimeField()
    removed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-removed_at"]
        constraints = [
            models.UniqueConstraint(fields=["collection_uid", "number"], name="one_removed_report_per_number")
        ]

    def __str__(self) -> str:
        return f"report {self.number}, removed"
