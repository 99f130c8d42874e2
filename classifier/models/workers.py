"""The workers' sign of life: `/readyz` and the pages read it."""

from datetime import timedelta
from typing import Self

from django.db import models
from django.utils import timezone

HEARTBEAT_SECONDS = 10
LIVE_SECONDS = 3 * HEARTBEAT_SECONDS  # a worker that missed three beats is taken for dead


class WorkerHeartbeatQuerySet(models.QuerySet["WorkerHeartbeat"]):
    def live(self) -> Self:
        """Those seen a moment ago. What was seen in the future was seen before the clock jumped back."""
        now, a_moment = timezone.now(), timedelta(seconds=LIVE_SECONDS)
        return self.filter(seen_at__range=(now - a_moment, now + a_moment))


class WorkerHeartbeat(models.Model):
    """One row a worker, written every `HEARTBEAT_SECONDS` once its model is loaded; its successor takes it over."""

    name = models.CharField(max_length=120, unique=True, help_text="Celery's node name.")
    pid = models.PositiveIntegerField(default=0)
    device = models.CharField(max_length=40)
    model_version = models.ForeignKey("classifier.ModelVersion", on_delete=models.SET_NULL, null=True, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now, db_index=True)

    objects = WorkerHeartbeatQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} on {self.device}"

    def is_live(self) -> bool:
        return self.seen_at >= timezone.now() - timedelta(seconds=LIVE_SECONDS)
