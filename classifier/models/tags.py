"""What people know of their photos: columns of a table of theirs, and each photo's value in them."""

import uuid

from django.db import models
from django.utils import timezone

from classifier.models.collections import Collection
from classifier.models.photos import Photo

COLUMN_LENGTH = 60
VALUE_LENGTH = 200


class TagColumn(models.Model):
    """One column of a collection's table, "newspaper" say."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # Its own index would repeat the first half of `one_column_per_name`.
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="tag_columns", db_index=False)
    name = models.CharField(max_length=COLUMN_LENGTH)
    updated_at = models.DateTimeField(default=timezone.now, help_text="When its values were sent.")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["collection", "name"], name="one_column_per_name")]

    def __str__(self) -> str:
        return self.name


class PhotoTag(models.Model):
    """The value of a photo in a column; a photo without one has no row."""

    # Their own indexes would repeat the beginnings of the two below.
    photo = models.ForeignKey(Photo, on_delete=models.CASCADE, related_name="tags", db_index=False)
    column = models.ForeignKey(TagColumn, on_delete=models.CASCADE, related_name="tags", db_index=False)
    value = models.CharField(max_length=VALUE_LENGTH)

    class Meta:
        ordering = ["column_id"]
        constraints = [models.UniqueConstraint(fields=["photo", "column"], name="one_value_per_column")]
        indexes = [models.Index(fields=["column", "value", "photo"], name="phototag_values")]

    def __str__(self) -> str:
        return f"{self.column}: {self.value}"
