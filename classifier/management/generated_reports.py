"""Collections as reports need them, without a file: faces with made-up guesses, and a model that knows how it errs."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import numpy as np
from django.db import transaction
from django.utils import timezone

from classifier.models import Collection, Face, ModelEvidence, ModelVersion, Photo, State
from classifier.services import predictions
from ml import labels
from ml.model.card import ModelCard
from ml.model.evidence import attach
from ml.shares.evidence import PHOTOS, Evidence
from ml.shares.faces import Faces

HELD_OUT = 2_500  # faces, as the shipped models carry of photos
RIGHT = 0.7  # of the guesses
PHOTOS_AT_ONCE = 1_000
FACES_A_PHOTO = 2
FIRST_DAY, DAYS, FOLDERS = date(2024, 1, 1), 730, 12


def make_version(*, seed: int = 1) -> ModelVersion:
    """The production version, with evidence of even shares on which it errs as `fill_faces` has it err."""
    rng = np.random.default_rng(seed)
    version = ModelVersion.objects.create(
        name="generated", sha256="generated", status=ModelVersion.Status.PRODUCTION, card={"thresholds": _thresholds()}
    )
    actual = {name: rng.integers(0, len(of), HELD_OUT) for name, of in labels.ATTRIBUTES.items()}
    posteriors = {name: _answer(places, name=name, rng=rng) for name, places in actual.items()}
    faces = Faces(
        photo=np.arange(HELD_OUT),
        classes={name: tuple(of) for name, of in labels.ATTRIBUTES.items()},
        predicted={name: vectors.argmax(axis=1).astype(np.int16) for name, vectors in posteriors.items()},
        posteriors={name: vectors.astype(np.float16) for name, vectors in posteriors.items()},
        measures={
            "size_px": rng.uniform(40, 250, HELD_OUT),
            "sharpness": rng.uniform(50, 300, HELD_OUT),
            "brightness": rng.uniform(0.2, 0.8, HELD_OUT),
        },
    )
    card = ModelCard(name=version.name, arch="", labels={name: tuple(of) for name, of in labels.ATTRIBUTES.items()})
    card, content = attach(card, ways=[Evidence(faces, actual, "generated faces", PHOTOS)], data_sha256="")
    about = card.evidence
    ModelEvidence.objects.create(model_version=version, sha256=about["sha256"], about=about, content=content)
    return version


def fill_faces(collection: Collection, *, version: ModelVersion, faces: int, seed: int = 2) -> None:
    """So many faces, two to a photo, in folders and over two years; most of them of the first label."""
    rng = np.random.default_rng(seed)
    for first, count in _parts(-(-faces // FACES_A_PHOTO)):
        with transaction.atomic():
            photos = Photo.objects.bulk_create(
                _make_photo(collection, n, version=version) for n in range(first, first + count)
            )
            rows = [_make_face(photo, number) for photo in photos for number in range(1, 1 + FACES_A_PHOTO)]
            rows = Face.objects.bulk_create(rows[: faces - FACES_A_PHOTO * first])
            vectors = {
                name: _answer(_draw(name, count=len(rows), rng=rng), name=name, rng=rng) for name in labels.ATTRIBUTES
            }
            said = {face: {name: of[place].tolist() for name, of in vectors.items()} for place, face in enumerate(rows)}
            predictions.store_predictions(said, model_version=version, are_first=True)


def _thresholds() -> dict[str, dict[str, float]]:
    return {"race": dict.fromkeys(labels.TAXONOMIES, 0.5), "gender": {"gender": 0.5}, "age": {"age": 0.5}}


def _parts(photos: int) -> Iterator[tuple[int, int]]:
    for first in range(0, photos, PHOTOS_AT_ONCE):
        yield first, min(PHOTOS_AT_ONCE, photos - first)


def _draw(name: str, *, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count,) how the faces look: seven in ten as the first label."""
    size = len(labels.ATTRIBUTES[name])
    places: np.ndarray = np.where(rng.random(count) < 0.7, 0, rng.integers(0, size, count))
    return places


def _answer(places: np.ndarray, *, name: str, rng: np.random.Generator) -> np.ndarray:
    """(N, K) probabilities of a model that is right of RIGHT of the faces that look as `places`."""
    size = len(labels.ATTRIBUTES[name])
    told = np.where(rng.random(len(places)) < RIGHT, places, rng.integers(0, size, len(places)))
    top = rng.uniform(max(0.4, 1.1 / size), 0.99, len(places))
    vectors = np.repeat(((1 - top) / (size - 1))[:, None], size, axis=1)
    vectors[np.arange(len(places)), told] = top
    rounded: np.ndarray = vectors.round(4)
    return rounded


def _make_photo(collection: Collection, number: int, *, version: ModelVersion) -> Photo:
    now = timezone.now()
    return Photo(
        owner=collection.owner,
        collection=collection,
        name=f"IMG_{number}.jpg",
        folder=f"desk {number % FOLDERS}",
        captured_on=FIRST_DAY + timedelta(days=number % DAYS),
        sha256=f"{collection.pk}-{number}",
        width=1024,
        height=768,
        state=State.DONE,
        face_count=FACES_A_PHOTO,
        received_at=now - timedelta(seconds=number),
        started_at=now,
        finished_at=now,
        model_version=version,
    )


def _make_face(photo: Photo, number: int) -> Face:
    drawn = random.Random(f"{photo.sha256}-{number}")  # noqa: S311 - no secret
    size = drawn.uniform(42, 250)
    box: dict[str, Any] = {"x1": 100.0, "y1": 100.0, "x2": 100.0 + size, "y2": 100.0 + 1.3 * size, "size_px": size}
    chip = {"chip_cx": 200.0, "chip_cy": 200.0, "chip_side": 1.6 * size, "chip_angle": 0.0}
    quality = {"sharpness": drawn.uniform(50, 300), "brightness": drawn.uniform(0.2, 0.8)}
    return Face(photo=photo, number=number, detection=0.99, detector_version="generated", **box, **chip, **quality)
