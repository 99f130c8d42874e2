"""One detected face, and what one model version said of it."""

import uuid
from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Q

from classifier.models.collections import Collection
from classifier.models.photos import Photo

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from classifier.models.accounts import User

SMALL_FACE_PX = 40  # narrower faces are marked: published accuracies fall steeply below it


class FaceQuerySet(models.QuerySet["Face"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        return self.filter(photo__collection__in=Collection.objects.visible_to(user), photo__deleting_at=None)

    def counted(self) -> Self:
        """Faces of the photo's latest detection; retired ones are kept with their reviews but no longer counted."""
        return self.filter(retired_at=None)

    def with_current_predictions(self) -> Self:
        current = Prediction.objects.filter(is_current=True).select_related("model_version")
        return self.prefetch_related(models.Prefetch("predictions", queryset=current, to_attr="current_predictions"))


class Face(models.Model):
    """A face: its box in pixels of the upright stored photo, and the chip (aligned crop) that the network sees.

    The chip is centre, side (pixels) and angle (degrees); with it a later model cuts exactly the same crop without
    detecting again, and no landmarks are kept.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    photo = models.ForeignKey(Photo, on_delete=models.CASCADE, related_name="faces")
    number = models.PositiveIntegerField(help_text="From 1, largest face first; never used twice in a photo.")
    x1 = models.FloatField()
    y1 = models.FloatField()
    x2 = models.FloatField()
    y2 = models.FloatField()
    detection = models.FloatField(help_text="The detector's probability that this is a face.")
    size_px = models.FloatField(help_text="Width of the box.")
    sharpness = models.FloatField(help_text="Variance of the Laplacian of the chip.")
    brightness = models.FloatField(help_text="Mean luma of the chip, 0 to 1.")
    chip_cx = models.FloatField()
    chip_cy = models.FloatField()
    chip_side = models.FloatField()
    chip_angle = models.FloatField()
    detector_version = models.CharField(max_length=40)
    retired_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = FaceQuerySet.as_manager()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["photo", "number"], name="one_face_per_number")]

    def __str__(self) -> str:
        return f"face {self.number} of {self.photo_id}"

    @property
    def prediction(self) -> "Prediction | None":
        """What the page shows: the prediction of the model version that looked last."""
        if hasattr(self, "current_predictions"):
            return self.current_predictions[0] if self.current_predictions else None
        return self.predictions.filter(is_current=True).select_related("model_version").first()

    def is_small(self) -> bool:
        return self.size_px < SMALL_FACE_PX

    def box_fraction(self) -> dict[str, float]:
        """The box as fractions of the photo's width and height, 0 to 1, cut at the photo's edge."""
        width, height = self.photo.width, self.photo.height
        return {
            "x1": max(self.x1 / width, 0.0),
            "y1": max(self.y1 / height, 0.0),
            "x2": min(self.x2 / width, 1.0),
            "y2": min(self.y2 / height, 1.0),
        }


class Prediction(models.Model):
    """Calibrated probability vectors in the finest taxonomy; an attribute that was switched off is null throughout.

    The vectors are what counts. The other columns repeat them for filters and sorting.
    """

    face = models.ForeignKey(Face, on_delete=models.CASCADE, related_name="predictions")
    model_version = models.ForeignKey("classifier.ModelVersion", on_delete=models.PROTECT, related_name="predictions")
    is_current = models.BooleanField(default=True, help_text="Made by the model version that looked last.")
    race_vector = models.JSONField(null=True, blank=True)
    gender_vector = models.JSONField(null=True, blank=True)
    age_vector = models.JSONField(null=True, blank=True)
    predicted_race = models.CharField(max_length=20, blank=True)
    race_probability = models.FloatField(null=True, blank=True)
    race_groups = models.JSONField(
        default=dict, blank=True, help_text="Taxonomy -> label, probability and unsure, for filters."
    )
    predicted_gender = models.CharField(max_length=20, blank=True)
    gender_probability = models.FloatField(null=True, blank=True)
    gender_unsure = models.BooleanField(default=False)
    predicted_age = models.CharField(max_length=20, blank=True)
    age_probability = models.FloatField(null=True, blank=True)
    age_unsure = models.BooleanField(default=False)
    predicted_years = models.FloatField(null=True, blank=True)
    predicted_years_low = models.FloatField(null=True, blank=True)
    predicted_years_high = models.FloatField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["face", "model_version"], name="one_prediction_per_model"),
            models.UniqueConstraint(fields=["face"], condition=Q(is_current=True), name="one_current_prediction"),
        ]
        indexes = [
            models.Index(fields=["predicted_race"], name="prediction_race"),
            models.Index(fields=["predicted_gender"], name="prediction_gender"),
            models.Index(fields=["predicted_age"], name="prediction_age"),
        ]

    def __str__(self) -> str:
        return f"{self.model_version} on {self.face}"

    def predicted_label(self, attribute: str) -> str:
        """The guess of an attribute in the finest grouping; empty where it was switched off."""
        return str(getattr(self, f"predicted_{attribute}"))
