"""A model's answers for FairFace's images, as they are and made worse: the faces that simulations draw from."""

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from ml import labels
from ml.files import replacing
from ml.model.card import read_card
from ml.shares import evidence as evidence_
from ml.shares import faces as faces_
from ml.shares.errors import BadInput
from ml.shares.evidence import Evidence

HELD_OUT = ("train-7.zip", 2_500)  # the last images of it, which no training touches
VALIDATION = ("val.zip", None)
CHIPS_AT_ONCE = 32
DARK = 0.25  # of the light that was there
BLUR_PX = 4.0  # Gaussian radius on chips of 224 px

Change = Callable[[Image.Image], Image.Image]


def darken(chip: Image.Image) -> Image.Image:
    return chip.point(lambda value: value * DARK)


def blur(chip: Image.Image) -> Image.Image:
    return chip.filter(ImageFilter.GaussianBlur(BLUR_PX))


# Name -> zip and number of its last images (None: all), and what is done to each chip.
SETS: dict[str, tuple[tuple[str, int | None], Change | None]] = {
    "held_out": (HELD_OUT, None),
    "validation": (VALIDATION, None),
    "darkened": (VALIDATION, darken),
    "blurred": (VALIDATION, blur),
}


def kept_file(name: str, *, model: Path, kept: Path) -> Path:
    """Where the answers of a checkpoint about one of SETS are kept: each version has its own. Raises as `read_card`."""
    card = read_card(model)
    return kept / f"{name}-{(card.answers_sha256 or card.sha256)[:12]}.npz"


def find_answers(name: str, *, data: Path, model: Path, kept: Path) -> Evidence:
    """The answers about one of SETS: those kept in a folder, else the model is asked and they are kept there.

    `data` is the folder of FairFace's zips and label files. Raises OSError where something is missing, BadInput where
    an image has no label, and what reading the checkpoint raises.
    """
    file = kept_file(name, model=model, kept=kept)
    if not file.exists():
        (shard, last), change = SETS[name]
        found = ask_model(data / shard, data=data, model=model, last=last, change=change)
        with replacing(file) as (part,), part.open("wb") as target:
            np.savez(target, **evidence_.pack(found))  # type: ignore[arg-type]  # names of arrays, none of them an option
    return read_evidence(file)


def read_evidence(file: Path) -> Evidence:
    """Evidence of FairFace's classes from arrays as `evidence.pack` names them: .npz or .safetensors."""
    if file.suffix == ".safetensors":
        from safetensors.numpy import load_file

        return evidence_.unpack(load_file(file), classes=labels.ATTRIBUTES)
    with np.load(file) as arrays:
        return evidence_.unpack(dict(arrays), classes=labels.ATTRIBUTES)


def ask_model(
    zip_file: Path, *, data: Path, model: Path, last: int | None = None, change: Change | None = None
) -> Evidence:
    """What the model says of the chips in a zip: its last ones by number, or all, each changed before."""
    from ml.pipeline import FacePipeline  # loads torch

    pipeline = FacePipeline.load(model)
    known = read_labels(data)
    vectors: dict[str, list[tuple[float, ...]]] = {attribute: [] for attribute in labels.ATTRIBUTES}
    marks, names = [], []
    for batch in read_chips(zip_file, last=last, change=change):
        results = pipeline.classify_aligned([np.asarray(chip) for _, chip in batch])
        for (name, _), result in zip(batch, results, strict=True):
            if name not in known or not result.faces:
                raise BadInput("unknown_image", f"{name} has no label, or is no image")
            face = result.faces[0]
            names.append(name)
            # The width of a ready chip says nothing of how large the face was in its photo.
            marks.append((np.nan, face.sharpness, face.brightness))
            for attribute, column in vectors.items():
                column.append(face.probabilities[attribute])
    posteriors = {attribute: np.array(column, dtype=np.float16) for attribute, column in vectors.items()}
    found = faces_.Faces(
        photo=np.arange(len(names)),
        classes=labels.ATTRIBUTES,
        predicted=faces_.predict_from(posteriors),
        posteriors=posteriors,
        measures=dict(zip(faces_.MEASURES, np.array(marks, dtype=np.float32).T, strict=True)),
    )
    actual = {
        attribute: np.array([classes.index(known[name][attribute]) for name in names])
        for attribute, classes in labels.ATTRIBUTES.items()
    }
    return Evidence(found, actual)


def read_labels(data: Path) -> dict[str, dict[str, str]]:
    """Image -> attribute -> label, of both of FairFace's label files."""
    known = {}
    for part in ("train", "val"):
        with (data / f"fairface_label_{part}.csv").open(newline="") as file:
            known.update({row["file"]: row for row in csv.DictReader(file)})
    return known


def read_chips(zip_file: Path, *, last: int | None, change: Change | None) -> Iterator[list[tuple[str, Image.Image]]]:
    """Names and RGB images in the order of their numbers, some at a time."""
    with zipfile.ZipFile(zip_file) as store:
        names = sorted(store.namelist(), key=lambda name: int(re.findall(r"\d+", name)[-1]))
        names = names[-last:] if last else names
        for start in range(0, len(names), CHIPS_AT_ONCE):
            batch = []
            for name in names[start : start + CHIPS_AT_ONCE]:
                with Image.open(io.BytesIO(store.read(name))) as image:
                    chip = image.convert("RGB")
                batch.append((name, change(chip) if change else chip))
            yield batch
