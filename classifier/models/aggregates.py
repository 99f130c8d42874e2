"""What an aggregate-only collection keeps of its photos: sums over all of them, and never one photo."""

from django.db import models

from classifier.models.collections import Collection


class Aggregate(models.Model):
    """The sums of the photos of a collection that one model version looked at, and those sums as they were told last.

    `sums` maps each attribute to its counted faces by class (`counts`) and the photos that showed one (`photos`).
    `replicates` are the same counts of resampled photos: (resamples, classes of all attributes in the order of their
    names) whole numbers of four bytes, the lowest byte first. What is `told` is all that anybody is shown.
    """

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="aggregates")
    model_version = models.ForeignKey("classifier.ModelVersion", on_delete=models.PROTECT, related_name="aggregates")
    photos = models.PositiveIntegerField(default=0, help_text="Analysed, added and gone.")
    photos_with_faces = models.PositiveIntegerField(default=0)
    faces = models.PositiveIntegerField(default=0, help_text="Counted ones.")
    narrow_faces = models.PositiveIntegerField(default=0, help_text="Found, and too small to be counted.")
    sums = models.JSONField(default=dict)
    replicates = models.BinaryField(default=bytes)
    told = models.JSONField(default=dict, help_text="The sums as they were told last, and what was told together.")
    told_replicates = models.BinaryField(default=bytes)
    told_photos = models.PositiveIntegerField(default=0, help_text="With faces, when they were told last.")
    told_faces = models.PositiveIntegerField(default=0)
    told_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["collection", "model_version"], name="one_aggregate_per_version")
        ]

    def __str__(self) -> str:
        return f"aggregate of {self.collection_id}"
