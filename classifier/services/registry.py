"""Which model versions exist, and which one is production."""

from typing import Any

from django.db import transaction

from classifier.models import ModelVersion


def register_version(*, name: str, sha256: str, card: dict[str, Any], promote: bool = False) -> ModelVersion:
    """The row of a checkpoint, made on first sight.

    With `promote`, or where no version is production yet, it becomes the production version.
    """
    version, _ = ModelVersion.objects.get_or_create(sha256=sha256, defaults={"name": name, "card": card})
    if version.status != ModelVersion.Status.PRODUCTION and (promote or production_version() is None):
        promote_version(version)
    return version


def promote_version(version: ModelVersion) -> None:
    """Make one version production; the former one is retired."""
    with transaction.atomic():
        production = ModelVersion.objects.filter(status=ModelVersion.Status.PRODUCTION)
        production.exclude(pk=version.pk).update(status=ModelVersion.Status.RETIRED)
        version.status = ModelVersion.Status.PRODUCTION
        version.save(update_fields=["status"])


def production_version() -> ModelVersion | None:
    return ModelVersion.objects.filter(status=ModelVersion.Status.PRODUCTION).first()
