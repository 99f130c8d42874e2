"""What is kept of a photo that the real model has looked at: no landmarks, no embeddings, nothing to find a face by."""

import io
import re
from typing import Any

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.models import BinaryField, Model
from PIL import Image

from classifier import inference
from classifier.models import Face, Guess, Photo, Prediction
from classifier.services import analysis, explanations, jobs, uploads
from ml import labels
from tests import pictures

TELLING = re.compile(r"landmark|embed|descriptor|template|keypoint|fingerprint|feature|encoding|iris|nose|mouth", re.I)
LONGEST = max(map(len, labels.ATTRIBUTES.values()))  # of what the model says of a face in one list
FACE = {
    *("id", "uid", "photo", "number", "x1", "y1", "x2", "y2", "detection", "size_px", "sharpness", "brightness"),
    *("chip_cx", "chip_cy", "chip_side", "chip_angle", "detector_version", "cut_off"),
    *("retired_at", "retired_because", "created_at"),
}


def walk(value: Any, *, keys: tuple[str, ...] = ()) -> Any:
    """Every key and every list of numbers in a value of JSON."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, keys=(*keys, key))
    elif isinstance(value, list):
        if value and all(isinstance(number, int | float) for number in value):
            yield keys, value
        for inner in value:
            yield from walk(inner, keys=keys)
    else:
        yield keys, value


def rows_of(model: type[Model]) -> list[dict[str, Any]]:
    there = model._meta.managed and model._meta.db_table in connection.introspection.table_names()
    return list(model._base_manager.values()) if there else []


@pytest.fixture
def seen(alice, collection, settings) -> Photo:
    """A photo of a face, looked at and explained by the default model."""
    settings.PIPELINE = "ml.pipeline.FacePipeline"
    inference.get_pipeline.cache_clear()
    content = io.BytesIO()
    pictures.astronaut().save(content, "JPEG", quality=95)
    sent = SimpleUploadedFile("astronaut.jpg", content.getvalue(), "image/jpeg")
    uploads.submit_photos(alice, collection=collection, files=[sent])
    assert analysis.run_once() == 1
    face = Face.objects.get()
    explanations.ask(alice, face=face, attribute="race")
    while jobs.run_once():
        pass
    inference.get_pipeline.cache_clear()
    return Photo.objects.get()


def test_no_table_has_a_place_for_what_finds_a_face_again():
    fields = [(model.__name__, field.name) for model in apps.get_models() for field in model._meta.get_fields()]
    assert [pair for pair in fields if TELLING.search(pair[1])] == []
    assert {field.name for field in Face._meta.concrete_fields} == FACE
    binary = [
        (model.__name__, field.name)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, BinaryField)
    ]
    totals = {("Aggregate", "replicates"), ("Aggregate", "told_replicates")}  # of a collection, of no face
    assert set(binary) == {("Photo", "name_key"), ("ModelEvidence", "content"), *totals}


def test_no_row_and_no_file_of_a_photo_that_was_looked_at_holds_one(seen, media):
    told = [(model.__name__, row) for model in apps.get_models() for row in rows_of(model)]
    about_faces = [(name, row) for name, row in told if name not in ("ModelVersion", "ModelEvidence")]
    found = [(name, keys, value) for name, row in about_faces for keys, value in walk(row)]
    telling = [(keys, value) for _, keys, value in found if any(TELLING.search(str(key)) for key in keys)]
    # How much of a heat map lies on the mouth is a share, and no place of it.
    assert {keys[0] for keys, _ in telling} == {"regions"}
    assert all(len(keys) == 2 and isinstance(share, float) for keys, share in telling)
    lists = [(name, keys, value) for name, keys, value in found if isinstance(value, list)]
    assert {(name, keys) for name, keys, _ in lists if name == "Prediction"} == {
        ("Prediction", ("vectors", attribute)) for attribute in labels.ATTRIBUTES
    }
    assert max(len(value) for _, _, value in lists) <= LONGEST
    assert (Prediction.objects.count(), Guess.objects.count()) == (1, len(labels.ATTRIBUTES))

    files = [path for path in media.rglob("*") if path.is_file()]
    kinds = {path.relative_to(media).parts[0]: path.suffix for path in files}
    assert kinds == {"photos": ".jpg", "thumbnails": ".jpg", "heat": ".png"}
    for path in files:
        with Image.open(path) as image:
            image.load()
            assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi"}, path
