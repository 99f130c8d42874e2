"""Claim a batch of photos, have the model look at them, store what it said: each photo once, whatever breaks."""

import logging
import uuid
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from classifier import inference
from classifier.models import Collection, Face, ModelVersion, Photo
from classifier.services import leases, predictions, registry

if TYPE_CHECKING:
    from ml.requests import PhotoRequest, PhotoResult

logger = logging.getLogger("facet.analysis")


def has_work() -> bool:
    return Photo.objects.has_claimable()


def run_once() -> int:
    """Claim and analyse one batch; the number of photos claimed, 0 when nothing waits."""
    photos = Photo.objects.claim(limit=settings.BATCH_PHOTOS)
    if not photos:
        return 0
    started = monotonic()
    token = photos[0].token
    with leases.keep_lease(Photo.objects.all(), token=token, alone=len(photos) == 1):
        _analyze_photos(photos, token=token)
    logger.info("analysed %d photos in %.0f ms", len(photos), 1000 * (monotonic() - started))
    return len(photos)


def _analyze_photos(photos: Sequence[Photo], *, token: uuid.UUID) -> None:
    """Analyse photos together; when the batch breaks, each alone, so that a bad photo fails alone."""
    requests = _build_requests(photos, token=token)
    photos = [photo for photo in photos if photo in requests]
    if not photos:
        return
    try:
        results = inference.analyze([requests[photo] for photo in photos])
    except Exception:  # a photo can break the model in any way; it shall not take its batch along
        logger.exception("analysis broke on %s", ", ".join(str(photo.uid) for photo in photos))
        if len(photos) == 1:
            Photo.objects.fail_attempt(pk=photos[0].pk, token=token, code=Photo.Code.CRASHED)
            return
        for photo in photos:
            _analyze_photos([photo], token=token)
        return
    version = registry.register_version(**inference.describe_model())
    for photo, result in zip(photos, results, strict=True):
        if result.error:
            Photo.objects.fail_attempt(pk=photo.pk, token=token, code=Photo.Code.INTERNAL)
        else:
            store_result(photo, result=result, token=token, version=version)


def _build_requests(photos: Sequence[Photo], *, token: uuid.UUID) -> "dict[Photo, PhotoRequest]":
    """What the pipeline is asked: the stored bytes, the crops of faces known already, the attributes switched on."""
    attributes = dict(
        Collection.objects.filter(id__in={photo.collection_id for photo in photos}).values_list("id", "attributes")
    )
    faces: dict[int, list[Face]] = {}
    for face in Face.objects.counted().filter(photo__in=photos).order_by("number"):
        faces.setdefault(face.photo_id, []).append(face)
    requests = {}
    for photo in photos:
        try:
            with photo.image.open("rb") as file:
                content = file.read()
        except FileNotFoundError:
            Photo.objects.fail(pk=photo.pk, token=token, code=Photo.Code.FILE_MISSING)
            continue
        requests[photo] = inference.build_request(
            content, faces=faces.get(photo.pk, ()), attributes=attributes.get(photo.collection_id, ())
        )
    return requests


def store_result(photo: Photo, *, result: "PhotoResult", token: uuid.UUID, version: ModelVersion) -> bool:
    """Faces, predictions and DONE in one transaction, if the photo is still this worker's; whether it was."""
    pipeline = inference.get_pipeline()
    with transaction.atomic():
        wanted = Collection.objects.hold_attributes(photo.collection_id)
        still_mine = Photo.objects.finish(
            pk=photo.pk,
            token=token,
            code="" if result.faces else Photo.Code.NO_FACE,
            face_count=len(result.faces),
            model_version=version,
            device=pipeline.device,
            timings_ms={stage: round(ms, 1) for stage, ms in result.timings_ms.items()},
        )
        if not still_mine:
            logger.warning("photo %s was finished elsewhere; this result is dropped", photo.uid)
            return False
        faces = list(photo.faces.counted().order_by("number"))
        if not faces:
            faces = Face.objects.bulk_create(_new_faces(photo, result, detector=pipeline.detector_version))
        vectors = [
            {name: vector for name, vector in found.probabilities.items() if name in wanted} for found in result.faces
        ]
        predictions.store_predictions(dict(zip(faces, vectors, strict=True)), model_version=version)
    return True


def _new_faces(photo: Photo, result: "PhotoResult", *, detector: str) -> list[Face]:
    first = (photo.faces.order_by("-number").values_list("number", flat=True).first() or 0) + 1
    return [
        Face(
            photo=photo,
            number=number,
            x1=found.box[0],
            y1=found.box[1],
            x2=found.box[2],
            y2=found.box[3],
            detection=found.detection,
            size_px=found.size_px,
            sharpness=found.sharpness,
            brightness=found.brightness,
            chip_cx=found.chip.cx,
            chip_cy=found.chip.cy,
            chip_side=found.chip.side,
            chip_angle=found.chip.angle,
            detector_version=detector,
        )
        for number, found in enumerate(result.faces, start=first)
        if found.box is not None and found.detection is not None
    ]
