"""Predictions, evidence and filled draws, made up with a fixed seed."""

import csv
import io
from pathlib import Path

import numpy as np

from ml import labels
from ml.model.card import DEFAULT_DIR, read_card
from ml.predicting.rows import Rows
from ml.shares.evidence import CHIPS, Evidence
from ml.shares.faces import Faces, predict_from
from ml.surveying.computing import Known
from ml.surveying.report import Model

MODEL = "made-up-1 0123456789ab"
# Without what the file itself says of doubts: so thresholds decide.
COLUMNS = [name for name in Rows(read_card(DEFAULT_DIR)).columns if not name.startswith("unsure_")]
THRESHOLDS = {"race": {"fairface-7": 0.6, "utkface-4": 0.7}, "gender": {"gender": 0.85}, "age": {"age": 0.5}}
RIGHT = {"race": 0.7, "gender": 0.92, "age": 0.6}  # how often the made-up model is right


def write_predictions(
    path: Path,
    *,
    count: int = 400,
    per_photo: int = 2,
    shares: dict[str, dict[str, float]] | None = None,
    seed: int = 1,
    extra: dict[str, list[str]] | None = None,
    boxes: bool = True,
    model: str = MODEL,
) -> list[dict[str, str]]:
    """A CSV as `ml.predict` writes it; returns what is true of each face. `shares` per attribute: even where unsaid."""
    rng = np.random.default_rng(seed)
    truth: list[dict[str, str]] = []
    rows = []
    for number in range(count):
        row: dict[str, object] = dict.fromkeys(COLUMNS, "")
        row |= {"file": f"photos/{number // per_photo:05}.jpg", "status": "ok", "face": number % per_photo + 1}
        if boxes:
            width = rng.uniform(50, 200)
            row |= {"x1": 10, "y1": 10, "x2": round(10 + width, 2), "y2": 200, "detection": 0.99}
        row |= {"photo_width": 1000, "photo_height": 800, "sharpness": 80.0, "brightness": 0.4, "model": model}
        told = {}
        for attribute, names in labels.ATTRIBUTES.items():
            of = (shares or {}).get(attribute, {})
            chances = [of.get(name, (1 - sum(of.values())) / (len(names) - len(of) or 1)) for name in names]
            told[attribute] = names[rng.choice(len(names), p=np.array(chances) / sum(chances))]
            vector = answer(told[attribute], attribute=attribute, rng=rng)
            row[f"predicted_{attribute}"] = names[int(vector.argmax())]
            row |= {f"{attribute}_{name}": round(float(p), 5) for name, p in zip(names, vector, strict=True)}
        truth.append(told)
        rows.append(row)
    columns = [*COLUMNS, *(extra or {})]
    for name, cells in (extra or {}).items():
        for row, cell in zip(rows, cells, strict=True):
            row[name] = cell
    path.write_text(to_csv(columns, rows), encoding="utf-8")
    return truth


def answer(true: str, *, attribute: str, rng: np.random.Generator) -> np.ndarray:
    """What the made-up model says of a face: the truth as often as RIGHT says, else any other label."""
    names = labels.ATTRIBUTES[attribute]
    said = names.index(true)
    if rng.random() > RIGHT[attribute]:
        said = int(rng.choice([place for place in range(len(names)) if place != said]))
    top = rng.uniform(0.45, 1) if len(names) > 2 else rng.uniform(0.55, 1)
    rest = rng.dirichlet(np.ones(len(names) - 1)) * (1 - top)
    rest = np.minimum(rest, top - 0.01)
    vector = np.insert(rest, said, 0)
    vector[said] = 1 - rest.sum()
    return vector


def make_evidence(*, count: int = 1_500, seed: int = 9, way: str = CHIPS, attributes: tuple[str, ...] = ()) -> Evidence:
    """How the made-up model errs on held-out faces with even shares."""
    rng = np.random.default_rng(seed)
    wanted = attributes or tuple(labels.ATTRIBUTES)
    actual = {name: rng.integers(0, len(labels.ATTRIBUTES[name]), count) for name in wanted}
    posteriors = {
        name: np.stack([answer(labels.ATTRIBUTES[name][k], attribute=name, rng=rng) for k in places]).astype(np.float16)
        for name, places in actual.items()
    }
    measures = {
        "size_px": rng.uniform(40, 250, count),
        "sharpness": rng.uniform(10, 300, count),
        "brightness": rng.uniform(0.2, 0.6, count),
    }
    faces = Faces(
        photo=np.arange(count),
        classes={name: labels.ATTRIBUTES[name] for name in wanted},
        predicted=predict_from(posteriors),
        posteriors=posteriors,
        measures=measures,
    )
    return Evidence(faces, actual, "FairFace", way)


def make_known(evidence: Evidence | None = None, *, reason: str = "") -> Known:
    name, sha256 = MODEL.split()
    return Known(Model(name, sha256, "made-up faces", "FairFace"), evidence, reason, THRESHOLDS)


def read_rows(text: str, *, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def to_csv(columns: list[str], rows: list[dict], *, delimiter: str = ",") -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=columns, delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def fill(path: Path, *, truth: list[dict[str, str]], per_photo: int = 2, answers: int | None = None) -> list[dict]:
    """A draw of `write_predictions`' faces, filled in with the truth: its first `answers` rows, or all."""
    rows = read_rows(path.read_text())
    for row in rows[:answers]:
        number = int(row["file"][-9:-4]) * per_photo + int(row["face"]) - 1
        for attribute, label in truth[number].items():
            row[f"reviewed_{attribute}"] = label
        row["reviewer"] = "ann"
    path.write_text(to_csv(list(rows[0]), rows), encoding="utf-8")
    return rows
