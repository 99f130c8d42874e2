"""A model version: weights, preprocessing, labels, calibration, metrics and licence under one hash."""

import uuid
from functools import cached_property
from typing import Any

from django.db import models
from django.db.models import Q

from ml.attributes import Attribute
from ml.calibration import Calibration, parse_calibration


class ModelVersion(models.Model):
    class Status(models.TextChoices):
        PRODUCTION = "production", "production"
        CANDIDATE = "candidate", "candidate"
        RETIRED = "retired", "retired"

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=80)
    sha256 = models.CharField(max_length=64, unique=True, help_text="Of weights and JSON together.")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.CANDIDATE)
    card = models.JSONField(
        default=dict, help_text="The checkpoint's JSON: preset, labels, calibration, metrics, licence."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["status"], condition=Q(status="production"), name="one_production_model"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def metrics(self) -> dict[str, Any]:
        metrics: dict[str, Any] = self.card.get("metrics", {})
        return metrics

    @property
    def answers_sha256(self) -> str:
        """The hash of what decides its answers; empty where its card is from before there was one."""
        return str(self.card.get("answers_sha256", ""))

    @property
    def licence(self) -> str:
        licence: str = self.card.get("licence", "")
        return licence

    def tells(self, attribute: Attribute) -> bool:
        """Whether it tells an attribute in the labels that this site speaks; what others said of it is not shown."""
        own = self.card.get("labels", {}).get(attribute.name)
        return own is None or tuple(own) == attribute.labels

    @cached_property
    def calibration(self) -> Calibration:
        """What this version may say beyond probabilities: when it is sure, sets of labels, numbers."""
        return parse_calibration({"thresholds": {}, **self.card})


class ModelEvidence(models.Model):
    """How a model version errs: the file of its answers for held-out faces, as it lay with the checkpoint.

    Kept by the worker that loaded the version, so that a report finds it wherever it is computed, also when the
    checkpoint is long replaced.
    """

    model_version = models.OneToOneField(ModelVersion, on_delete=models.CASCADE, related_name="evidence")
    sha256 = models.CharField(max_length=64, help_text="Of the file.")
    about = models.JSONField(default=dict, help_text="What the checkpoint's card tells of it.")
    content = models.BinaryField()
    stored_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"evidence of {self.model_version}"
