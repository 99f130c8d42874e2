"""The worker's side of an explanation: ask the model what mattered, keep the heat maps with the face."""

import logging
import uuid
from collections.abc import Mapping

from django.db import transaction

from classifier import inference
from classifier.intake import storage
from classifier.models import Collection, Explanation, Job
from classifier.services import registry

logger = logging.getLogger("facet.explaining")


def explain_face(job: Job, *, token: uuid.UUID) -> None:
    """Do the job of a face's explanations of one attribute; they are stored together with its end, or not at all."""
    asked = {row.method: row for row in job.explanations.select_related("face__photo__collection", "model_version")}
    row = next(iter(asked.values()), None)
    if row is None or row.face.photo.deleting_at:
        Job.objects.finish(pk=job.pk, token=token)  # nobody waits for it any more
        return
    photo = row.face.photo
    if row.attribute not in photo.collection.attributes:
        Job.objects.fail(pk=job.pk, token=token, code=Job.Code.SWITCHED_OFF)
        return
    if registry.loaded_version() != row.model_version:
        Job.objects.fail(pk=job.pk, token=token, code=Job.Code.OTHER_MODEL)
        return
    try:
        with photo.image.open("rb") as file:
            content = file.read()
        found = inference.explain(content, face=row.face, attribute=row.attribute, label=row.label)
    except FileNotFoundError:
        Job.objects.fail(pk=job.pk, token=token, code=Job.Code.FILE_MISSING)
    except inference.CannotExplain as refused:
        code = refused.code if refused.code in Job.Code.values else Job.Code.NO_GRADIENTS
        Job.objects.fail(pk=job.pk, token=token, code=code)
    else:
        store_maps(job, asked=asked, found=found, token=token)


def store_maps(job: Job, *, asked: Mapping[str, Explanation], found: list[inference.HeatMap], token: uuid.UUID) -> bool:
    """The files first, then their names and the job's end in one transaction, if the job is still this worker's.

    Two workers that explain the same write the same bytes under the same name, so the later one spoils nothing.
    """
    names = {heat_map.method: storage.store_heat(heat_map.png, uid=asked[heat_map.method].uid) for heat_map in found}
    collection = next(iter(asked.values())).face.photo.collection_id
    with transaction.atomic():
        Collection.objects.hold_attributes(collection)
        still_mine = Job.objects.finish(pk=job.pk, token=token)
        if still_mine:
            for heat_map in found:
                Explanation.objects.filter(pk=asked[heat_map.method].pk).update(
                    heat=names[heat_map.method],
                    crop_side=heat_map.crop_side,
                    places=heat_map.places,
                    probability=heat_map.probability,
                    reference_probability=heat_map.reference_probability,
                    regions=heat_map.regions,
                )
    # What was deleted or switched off meanwhile leaves nothing behind. A deletion marks its photo before it removes
    # files, and a switch holds the collection until it has, so each either finds these or is seen here.
    wanted = Explanation.objects.filter(uid__in=[row.uid for row in asked.values()], face__photo__deleting_at=None)
    kept = set(wanted.values_list("uid", flat=True))
    storage.remove_files(*(name for method, name in names.items() if asked[method].uid not in kept))
    if not still_mine:
        logger.warning("job %s was finished elsewhere; this result is dropped", job.uid)
    return still_mine
