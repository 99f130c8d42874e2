"""Slow work that is no photo: each piece is a row that a worker claims, as it claims photos."""

import uuid

from django.db import models

from classifier.models.leases import Leased, LeasedQuerySet
from classifier.models.photos import Photo


class Job(Leased):
    """What somebody asked for; `owner` is who asked, and what it is about says which rows point at it."""

    class Kind(models.TextChoices):
        EXPLANATION = "explanation", "explanation"
        REPORT = "report", "report"
        EXPORT = "export", "export of an account"

    class Code(models.TextChoices):
        CRASHED = "crashed", "it broke"
        TIMED_OUT = "timed_out", "it took too long"
        WORKER_LOST = "worker_lost", "the worker was lost too often while it had this"
        FILE_MISSING = "file_missing", "the stored photo is missing"
        DISK_FULL = "disk_full", "the disk was full"
        SWITCHED_OFF = "switched_off", "this was switched off for the collection"
        OTHER_MODEL = "other_model", "the worker has another model by now"
        NO_GRADIENTS = "no_gradients", "an exported model cannot be explained"
        NO_MAP = "no_map", "this network cannot be explained"

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    code = models.CharField(max_length=20, blank=True, choices=Code.choices)
    photo = models.ForeignKey(Photo, on_delete=models.CASCADE, null=True, blank=True, related_name="jobs")

    objects = LeasedQuerySet.as_manager()

    class Meta(Leased.Meta):
        ordering = ["-queued_at", "-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.uid}"
