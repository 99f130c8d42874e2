"""Which model versions exist, and which one is production."""

from typing import Any

from django.db import transaction

from classifier import inference
from classifier.models import ModelVersion


def register_version(*, name: str, sha256: str, card: dict[str, Any]) -> ModelVersion:
    """The row of a checkpoint that a worker has loaded. On first sight it becomes the production version.

    Later starts leave the choice alone that an administrator made since.
    """
    version, created = ModelVersion.objects.get_or_create(sha256=sha256, defaults={"name": name, "card": card})
    if created or production_version() is None:
        promote_version(version)
    return version


def loaded_version() -> ModelVersion:
    """The row of the model that this worker has loaded: registered at its start, and again where somebody removed it.

    Loads the model if need be, so never ask in the web process.
    """
    known = ModelVersion.objects.filter(sha256=inference.get_pipeline().card.sha256).first()
    return known or register_version(**inference.describe_model())


def promote_version(version: ModelVersion) -> None:
    """Make one version production; the former one is retired."""
    with transaction.atomic():
        production = ModelVersion.objects.filter(status=ModelVersion.Status.PRODUCTION)
        production.exclude(pk=version.pk).update(status=ModelVersion.Status.RETIRED)
        version.status = ModelVersion.Status.PRODUCTION
        version.save(update_fields=["status"])


def production_version() -> ModelVersion | None:
    """The version whose predictions are told; None before the first worker has started."""
    return ModelVersion.objects.filter(status=ModelVersion.Status.PRODUCTION).first()
