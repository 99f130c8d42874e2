"""What in a face mattered for one model version's guess of one attribute, by one method: a heat map."""

import uuid
from typing import TYPE_CHECKING, Self

from django.db import models

from classifier.models.faces import Face
from classifier.models.jobs import Job

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from classifier.models.accounts import User


class ExplanationQuerySet(models.QuerySet["Explanation"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Those of faces that the user may see."""
        return self.filter(face__in=Face.objects.visible_to(user))


class Explanation(models.Model):
    """Made on demand and kept with its face. It is there once `heat` names a file; until then its job tells.

    The file is the heat alone, to be laid over the crop that the model saw: a square of `crop_side` pixels of the
    photo around the centre of the face's chip, turned as the chip is.
    """

    class Method(models.TextChoices):
        GRADCAM = "gradcam", "Grad-CAM"
        SHAP = "shap", "SHAP values"

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    face = models.ForeignKey(Face, on_delete=models.CASCADE, related_name="explanations")
    model_version = models.ForeignKey("classifier.ModelVersion", on_delete=models.PROTECT, related_name="explanations")
    attribute = models.CharField(max_length=16)
    method = models.CharField(max_length=8, choices=Method.choices)
    label = models.CharField(max_length=20, help_text="What is explained: the model's guess in the finest grouping.")
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="explanations")
    heat = models.FileField(max_length=120, blank=True)
    crop_side = models.FloatField(null=True, blank=True)
    places = models.PositiveIntegerField(null=True, blank=True, help_text="Places a side that the map tells apart.")
    probability = models.FloatField(null=True, blank=True)
    reference_probability = models.FloatField(
        null=True, blank=True, help_text="What the model says of the references that SHAP values compare with."
    )
    regions = models.JSONField(
        default=dict, blank=True, help_text="Part of the face -> its share of the heat, or its sum of SHAP values."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ExplanationQuerySet.as_manager()

    class Meta:
        ordering = ["method"]
        constraints = [
            models.UniqueConstraint(
                fields=["face", "model_version", "attribute", "method"], name="one_explanation_per_question"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_method_display()} of {self.attribute} of {self.face}"
