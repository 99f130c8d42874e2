"""What is done once a day, by whichever process finds it due first."""

from django.db import models
from django.utils import timezone


class Chore(models.Model):
    """One daily chore: the row is what all processes see, so each is done by one of them (see `services.chores`)."""

    name = models.CharField(max_length=40, unique=True)
    due_at = models.DateTimeField(default=timezone.now, help_text="Whoever moves this on does it.")
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
