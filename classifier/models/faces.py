"""One detected face, and what one model version said of it."""

import uuid
from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Q

from classifier.models.collections import Collection
from classifier.models.photos import Photo
from ml import labels
from ml.attributes import ATTRIBUTES, LONGEST_LABEL, LONGEST_NAME, Attribute

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

    class Retired(models.TextChoices):
        NOT_A_FACE = "not_a_face", "reviewers say it is none"

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
    cut_off = models.BooleanField(
        default=False, help_text="So much of it lies outside the photo that guesses about it err: all are unsure."
    )
    detector_version = models.CharField(max_length=40)
    retired_at = models.DateTimeField(null=True, blank=True)
    retired_because = models.CharField(
        max_length=12,
        blank=True,
        choices=Retired.choices,
        default="",
        help_text="Empty: its photo's faces were found anew.",
    )
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
    """What one model version said of a face: a calibrated probability vector of each attribute, in its finest taxonomy.

    An attribute that was switched off, or that the model does not know, is absent.
    """

    face = models.ForeignKey(Face, on_delete=models.CASCADE, related_name="predictions")
    model_version = models.ForeignKey("classifier.ModelVersion", on_delete=models.PROTECT, related_name="predictions")
    is_current = models.BooleanField(default=True, help_text="Made by the model version that looked last.")
    vectors = models.JSONField(default=dict, help_text="Attribute -> probabilities, in the order of its labels.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["face", "model_version"], name="one_prediction_per_model"),
            models.UniqueConstraint(fields=["face"], condition=Q(is_current=True), name="one_current_prediction"),
        ]

    def __str__(self) -> str:
        return f"{self.model_version} on {self.face}"

    def predicted_label(self, attribute: str) -> str:
        """The guess of an attribute in the finest grouping; empty where it was switched off."""
        declared = ATTRIBUTES.get(attribute)
        is_told = declared is not None and self.model_version.tells(declared)
        vector = self.vectors.get(attribute) if is_told else None
        return labels.top_group(attribute, vector)[0] if vector else ""


class GuessQuerySet(models.QuerySet["Guess"]):
    def saying(self, attribute: Attribute, *, taxonomy: str, label: str) -> Self:
        """Guesses of an attribute with a label of a taxonomy, or of its own finest where it is told in another."""
        return self.filter(_told(attribute, taxonomy=taxonomy, label=label))

    def unsure_of(self, *attributes: Attribute, taxonomy: str) -> Self:
        """Guesses of one of some attributes that are under the model's threshold in a taxonomy, as in `saying`."""
        coarse = [attribute for attribute in attributes if attribute.way(taxonomy) != attribute.finest]
        # Together, so that the index of unsure guesses answers for all of them.
        doubts = Q(attribute__in=[attribute.name for attribute in attributes if attribute not in coarse], unsure=True)
        for attribute in coarse:
            doubts |= _told(attribute, taxonomy=taxonomy, unsure=True)
        return self.filter(doubts)


def _told(attribute: Attribute, *, taxonomy: str, **told: str | bool) -> Q:
    way = attribute.way(taxonomy)
    prefix = "" if way == attribute.finest else f"groups__{way}__"
    return Q(attribute=attribute.name, **{f"{prefix}{name}": value for name, value in told.items()})


class Guess(models.Model):
    """What the current prediction of a face says of one attribute: its vector told again, for filters and counts."""

    # Its own index would repeat the first half of `one_guess_per_attribute`.
    face = models.ForeignKey(Face, on_delete=models.CASCADE, related_name="guesses", db_index=False)
    attribute = models.CharField(max_length=LONGEST_NAME)
    label = models.CharField(max_length=LONGEST_LABEL, help_text="In the finest grouping.")
    probability = models.FloatField()
    unsure = models.BooleanField()
    groups = models.JSONField(
        default=dict, help_text="Taxonomy -> label, probability and unsure, where there are several."
    )
    expected = models.FloatField(null=True, help_text="Of an ordinal attribute: the expected number, in its unit.")
    low = models.FloatField(null=True, help_text="The 10th percentile.")
    high = models.FloatField(null=True, help_text="The 90th percentile.")

    objects = GuessQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["face", "attribute"], name="one_guess_per_attribute")]
        indexes = [
            models.Index(fields=["attribute", "label", "face"], name="guess_label"),
            models.Index(fields=["face", "attribute"], condition=Q(unsure=True), name="guess_unsure"),
            # To count them all.
            models.Index(fields=["attribute", "face"], condition=Q(unsure=True), name="guess_unsure_of"),
        ]

    def __str__(self) -> str:
        return f"{self.attribute} of {self.face}: {self.label}"
