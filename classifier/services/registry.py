"""Which model versions exist, and which one is production."""

import hashlib
from typing import Any

from django.db import transaction

from classifier import inference
from classifier.models import Collection, ModelEvidence, ModelVersion
from classifier.services import audit


def register_version(
    *, name: str, sha256: str, card: dict[str, Any], evidence: "inference.EvidenceFile | None" = None
) -> ModelVersion:
    """The row of a checkpoint that a worker has loaded. On first sight it becomes the production version.

    Later starts leave the choice alone that an administrator made since. `evidence` is kept with it; a checkpoint may
    get it, or a better one, under the same hash.
    """
    version, created = ModelVersion.objects.get_or_create(sha256=sha256, defaults={"name": name, "card": card})
    if created or production_version() is None:
        promote_version(version)
    if evidence is not None:
        _keep_evidence(version, evidence=evidence)
    return version


def introduce_version(**described: Any) -> ModelVersion:
    """Register what a worker has loaded as it starts; one that nobody has seen before is written down."""
    is_known = ModelVersion.objects.filter(sha256=described["sha256"]).exists()
    version = register_version(**described)
    if not is_known:
        details = {"sha256": version.sha256}
        audit.record("model version registered", target=f"model version {version.uid}", details=details)
    return version


def _keep_evidence(version: ModelVersion, *, evidence: "inference.EvidenceFile") -> None:
    digest = hashlib.sha256(evidence.content).hexdigest()
    if ModelEvidence.objects.filter(model_version=version, sha256=digest, about=evidence.about).exists():
        return
    with transaction.atomic():
        ModelEvidence.objects.update_or_create(
            model_version=version,
            defaults={"sha256": digest, "about": evidence.about, "content": evidence.content},
        )
        # Whatever was corrected by the former one is no more up to date.
        Collection.objects.all().in_order().note_answers()


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
        # Which version a report is of where several looked may be another now.
        Collection.objects.all().in_order().note_answers()


def production_version() -> ModelVersion | None:
    """The version whose predictions are told; None before the first worker has started."""
    return ModelVersion.objects.filter(status=ModelVersion.Status.PRODUCTION).first()
