"""Photos of a made-up population, as a worker adds them to the sums of an aggregate-only collection."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.db import transaction

from classifier.models import Collection, ModelVersion
from classifier.services import aggregates
from ml.attributes import ATTRIBUTES
from ml.requests import AnalyzedFace, Chip
from tests import factories

RACE = (0.55, 0.2, 0.1, 0.06, 0.05, 0.04, 0.0)


def show(rng: np.random.Generator, *, race: Sequence[float] = RACE, size_px: float = 80.0) -> AnalyzedFace:
    """A face: the labels of a made-up population, each said with four fifths."""
    shares = {"race": race, "gender": (0.6, 0.4), "age": (0.02, 0.08, 0.1, 0.3, 0.2, 0.1, 0.1, 0.06, 0.04)}
    vectors = {
        name: factories.even(name, top=str(rng.choice(of.labels, p=shares[name])), probability=0.8)
        for name, of in ATTRIBUTES.items()
    }
    return AnalyzedFace(None, 0.99, Chip(80, 80, 130, 0), size_px, 150.0, 0.5, vectors)


def take_photos(count: int, *, seed: int = 1, **values: Any) -> list[list[AnalyzedFace]]:
    """Photos of one to four faces."""
    rng = np.random.default_rng(seed)
    return [[show(rng, **values) for _ in range(rng.integers(1, 5))] for _ in range(count)]


def add(collection: Collection, photos: Sequence[Sequence[AnalyzedFace]], *, version: ModelVersion) -> None:
    for faces in photos:
        with transaction.atomic():
            aggregates.add_photo(collection.pk, version=version, found=faces, attributes=collection.attributes)
            Collection.objects.filter(pk=collection.pk).note_answers()
