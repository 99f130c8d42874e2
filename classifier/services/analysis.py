"""Claim a batch of photos, have the model look at them, store what it said: each photo once, whatever breaks."""

import logging
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, transaction
from django.utils import timezone

from classifier import inference
from classifier.intake import storage
from classifier.intake.formats import BadImage
from classifier.models import Collection, Face, ModelVersion, Photo
from classifier.models.collections import all_attributes
from classifier.services import aggregates, deletion, leases, predictions, registry, turning

if TYPE_CHECKING:
    from ml.requests import PhotoRequest, PhotoResult

logger = logging.getLogger("facet.analysis")


def has_work() -> bool:
    """Whether a photo could be claimed now: queued, or left by a worker whose lease is over."""
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
    looks = _prepare_looks(photos, token=token)
    if not looks:
        return
    try:
        results = inference.analyze([look.request for look in looks])
    except Exception:  # a photo can break the model in any way; it shall not take its batch along
        logger.exception("analysis broke on %s", ", ".join(str(look.photo.uid) for look in looks))
        if len(looks) == 1:
            Photo.objects.fail_attempt(pk=looks[0].photo.pk, token=token, code=Photo.Code.CRASHED)
            return
        for look in looks:
            _analyze_photos([look.photo], token=token)
        return
    version = registry.loaded_version()
    for look, result in zip(looks, results, strict=True):
        if result.error:
            Photo.objects.fail_attempt(pk=look.photo.pk, token=token, code=Photo.Code.INTERNAL)
        else:
            _store_or_fail(look, result=result, token=token, version=version)


def _store_or_fail(look: "_Look", *, result: "PhotoResult", token: uuid.UUID, version: ModelVersion) -> None:
    """Store one photo of a batch. What database or disk refuse counts against this photo and stops no other."""
    try:
        if look.is_aggregate_only:
            _add_and_forget(look.photo, result=result, token=token, version=version)
        elif result.turned:
            _store_turned(look, result=result, token=token, version=version)
        else:
            store_result(look.photo, result=result, known=look.faces, token=token, version=version)
    except (OSError, BadImage):
        logger.exception("photo %s could not be stored as it was turned", look.photo.uid)
        Photo.objects.fail_attempt(pk=look.photo.pk, token=token, code=Photo.Code.INTERNAL)
    except (DatabaseError, InterfaceError):
        logger.exception("the result of photo %s could not be stored", look.photo.uid)
        close_old_connections()  # a broken one would fail the others too
        try:
            Photo.objects.fail_attempt(pk=look.photo.pk, token=token, code=Photo.Code.INTERNAL)
        except (DatabaseError, InterfaceError):
            logger.warning("photo %s waits until its lease is over: the database cannot be reached", look.photo.uid)
            close_old_connections()


def _store_turned(look: "_Look", *, result: "PhotoResult", token: uuid.UUID, version: ModelVersion) -> None:
    """Store a photo that was turned upright with its new files; which of the files go is sure only after that."""
    files = turning.store_turned(look.photo, degrees=result.turned)
    with ExitStack() as undo:
        undo.callback(storage.remove_files, *files.new)
        if store_result(look.photo, result=result, known=look.faces, token=token, version=version, files=files):
            undo.pop_all()
            turning.remove_old(files)


def _add_and_forget(photo: Photo, *, result: "PhotoResult", token: uuid.UUID, version: ModelVersion) -> None:
    """Of an aggregate-only collection: the photo's counts go into the sums as the photo goes, in one transaction.

    From then on it is a deletion that was begun: of whoever is killed before the files are gone the sweeper does it.
    """
    now = timezone.now()
    with transaction.atomic():
        wanted = Collection.objects.hold_attributes(photo.collection_id)
        if not Photo.objects.finish(pk=photo.pk, token=token):
            logger.warning("photo %s was finished elsewhere; this result is dropped", photo.uid)
            return
        aggregates.add_photo(photo.collection_id, version=version, found=result.faces, attributes=wanted)
        deletion.mark_photos(Photo.objects.filter(pk=photo.pk), at=now)
    deletion.finish_photos(at=now)


@dataclass(frozen=True)
class _Look:
    """What is asked of a photo: about the faces that count, or, where there are none, which ones there are."""

    photo: Photo
    request: "PhotoRequest"
    faces: list[Face]  # those that are known already, also retired ones, by their numbers
    is_aggregate_only: bool = False  # only what it adds to the sums of its collection is kept


def _prepare_looks(photos: Sequence[Photo], *, token: uuid.UUID) -> list[_Look]:
    """Read the stored bytes, the faces known already and the attributes switched on; a photo without a file fails."""
    collections = Collection.objects.filter(id__in={photo.collection_id for photo in photos})
    asked = {
        pk: (set(on) & set(all_attributes()), detail, is_aggregate_only)
        for pk, on, detail, is_aggregate_only in collections.values_list(
            "id", "attributes", "detail", "is_aggregate_only"
        )
    }
    faces: dict[int, list[Face]] = {photo.pk: [] for photo in photos}
    for face in Face.objects.filter(photo__in=photos).order_by("number"):
        faces[face.photo_id].append(face)
    looks = []
    for photo in photos:
        try:
            with photo.image.open("rb") as file:
                content = file.read()
        except FileNotFoundError:
            Photo.objects.fail(pk=photo.pk, token=token, code=Photo.Code.FILE_MISSING)
            continue
        known = faces[photo.pk]
        attributes, detail, is_aggregate_only = asked.get(photo.collection_id, (set(), Collection.Detail.NORMAL, False))
        request = inference.build_request(
            content,
            faces=_reused(photo, known),
            attributes=attributes,
            detail=detail,
            may_turn=not photo.is_turned_back,
        )
        looks.append(_Look(photo, request, known, is_aggregate_only))
    return looks


def _reused(photo: Photo, known: Sequence[Face]) -> list[Face]:
    """The faces that are asked about again: those that count, unless faces are to be found anew."""
    return [] if photo.detect_anew else [face for face in known if face.retired_at is None]


def store_result(
    photo: Photo,
    *,
    result: "PhotoResult",
    known: Sequence[Face],
    token: uuid.UUID,
    version: ModelVersion,
    files: turning.TurnedFiles | None = None,
) -> bool:
    """Faces, predictions and DONE in one transaction, if the photo is still this worker's; whether it was.

    `known` are the faces that it had when it was claimed, retired ones too; others can only come with another claim.
    `files` are new ones of a photo that was turned: its row gets them, and the faces that it had are turned with it.
    """
    pipeline = inference.get_pipeline()
    faces = _reused(photo, known)
    is_new = not faces
    searched: dict[str, Any] = {}
    if is_new:
        searched = {"narrowest_face_px": result.narrowest_face_px, "no_face_because": result.no_face_because}
    if files:
        searched |= files.values
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
            detect_anew=False,
            **searched,
        )
        if not still_mine:
            logger.warning("photo %s was finished elsewhere; this result is dropped", photo.uid)
            return False
        if files:
            turning.turn_faces(known, degrees=files.degrees, width=photo.width, height=photo.height)
            turning.turn_marks(photo, degrees=files.degrees)
        if photo.detect_anew:
            photo.faces.counted().update(retired_at=timezone.now())
        if is_new:
            first = known[-1].number + 1 if known else 1
            faces = Face.objects.bulk_create(_new_faces(photo, result, first=first, detector=pipeline.detector_version))
        vectors = [
            {name: vector for name, vector in found.probabilities.items() if name in wanted} for found in result.faces
        ]
        predictions.store_predictions(dict(zip(faces, vectors, strict=True)), model_version=version, are_first=is_new)
        Collection.objects.filter(pk=photo.collection_id).note_answers()
    return True


def _new_faces(photo: Photo, result: "PhotoResult", *, first: int, detector: str) -> list[Face]:
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
            cut_off=found.cut_off,
            chip_cx=found.chip.cx,
            chip_cy=found.chip.cy,
            chip_side=found.chip.side,
            chip_angle=found.chip.angle,
            detector_version=detector,
        )
        for number, found in enumerate(result.faces, start=first)
        if found.box is not None and found.detection is not None
    ]
