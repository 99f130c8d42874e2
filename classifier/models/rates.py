"""What is left of somebody's allowance, where all processes see it."""

from django.db import models


class RateBucket(models.Model):
    """A token bucket as one number: the moment at which it will be full again (see `services.rates`)."""

    key = models.CharField(max_length=100, unique=True, help_text="Whose bucket: kind and id.")
    full_at = models.FloatField(default=0.0, db_index=True, help_text="Seconds since 1970; past: it is full.")

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.key
