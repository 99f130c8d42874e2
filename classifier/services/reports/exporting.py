"""Reports and faces as files."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.db.models import FilteredRelation, Q

from classifier.models import Collection, Face, ModelVersion
from classifier.services.reports import reading
from classifier.services.reports.questions import Question
from ml.attributes import ATTRIBUTES, Attribute
from ml.calibration import join_set
from ml.reporting import survey_csv, survey_json, survey_page, survey_svg
from ml.spreadsheets import guard_cell

FACES_AT_ONCE = 1_000
_COLUMNS = (
    "pk", "photo__name", "photo__folder", "number", "uid", "photo__uid", "x1", "y1", "x2", "y2", "detection", "size_px",
    "photo__narrowest_face_px", "cut_off", "current__vectors", "current__model_version",
)  # fmt: skip
KINDS = {"csv": "text/csv", "json": "application/json", "html": "text/html", "svg": "image/svg+xml"}
_WRITERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "csv": lambda values: survey_csv.write_csv(survey_json.from_values(values)),
    "json": lambda values: json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
    "html": lambda values: survey_page.write_page(survey_json.from_values(values)),
}


def write_report(values: dict[str, Any], *, kind: str) -> str:
    """The report as CSV, JSON or HTML. Raises KeyError for another kind."""
    return _WRITERS[kind](values)


def name_charts(values: dict[str, Any]) -> dict[str, str]:
    """The names of a report's charts, as addresses have them, with what they are called."""
    return survey_svg.name_charts(survey_json.from_values(values))


def draw_chart(values: dict[str, Any], *, name: str) -> str:
    """One chart as SVG. Raises KeyError where the report has none of this name."""
    return survey_svg.draw_chart_file(survey_json.from_values(values), name=name)


def write_faces(collection: Collection, *, question: Question) -> Iterator[str]:
    """A CSV of the faces that a question is about, some at a time, as `ml.report` reads it."""
    attributes = [of for of in ATTRIBUTES.values() if of.name in collection.attributes]
    names = [
        "file",
        "folder",
        "face",
        "face_uid",
        "photo_uid",
        "status",
        "x1",
        "y1",
        "x2",
        "y2",
        "detection",
        "size_px",
        "narrowest_face_px",
        "cut_off",
        "model",
    ]
    for attribute in attributes:
        names += [f"predicted_{attribute.name}", f"unsure_{attribute.name}", f"set_{attribute.name}"]
        names += [f"{attribute.name}_{label}" for label in attribute.labels]
    yield _write([names])
    photos = collection.photos.filter(deleting_at=None)
    _, faces = reading.narrow_photos(photos, collection=collection, question=question)
    wanted = faces.filter(size_px__gte=question.narrowest_px).order_by().values("pk")
    # Values, not rows as objects: a line of a hundred thousand takes a third of the time.
    current = FilteredRelation("predictions", condition=Q(predictions__is_current=True))
    found = Face.objects.annotate(current=current).filter(pk__in=wanted).order_by("pk").values_list(*_COLUMNS)
    versions: dict[int, ModelVersion] = {}
    last = 0
    while part := list(found.filter(pk__gt=last)[:FACES_AT_ONCE]):
        lacking = {row[-1] for row in part if row[-1]} - versions.keys()
        versions |= ModelVersion.objects.in_bulk(lacking) if lacking else {}
        yield _write([_tell(row, attributes=attributes, versions=versions) for row in part])
        last = part[-1][0]


def _tell(row: tuple[Any, ...], *, attributes: list[Attribute], versions: Mapping[int, ModelVersion]) -> list[Any]:
    _, name, folder, number, uid, photo_uid, *box, detection, size_px, narrowest, cut_off, vectors, version_id = row
    version = versions.get(version_id)
    told: list[Any] = [guard_cell(name), guard_cell(folder), number, uid, photo_uid, "ok"]
    told += [round(value, 2) for value in box]
    told += [round(detection, 4), round(size_px, 1), narrowest, _mark(cut_off), _name_model(version)]
    for attribute in attributes:
        vector = vectors.get(attribute.name) if version and version.tells(attribute) else None
        if version is None or vector is None:
            told += [""] * (3 + len(attribute.labels))
            continue
        top = max(vector)
        label, rules = attribute.labels[vector.index(top)], version.calibration
        doubt = cut_off or rules.is_unsure(attribute.name, taxonomy=attribute.finest, label=label, probability=top)
        chosen = rules.choose_set(attribute.name, vector, taxonomy=attribute.finest, names=attribute.labels)
        told += [label, _mark(doubt), join_set(chosen)]
        told += [round(share, 5) for share in vector]
    return told


def _mark(said: bool) -> str:
    return "true" if said else "false"


def _name_model(version: ModelVersion | None) -> str:
    """As `ml.predict` names it, so that `ml.report` knows the checkpoint again."""
    return guard_cell(f"{version.name} {version.sha256[:12]}") if version else ""


def _write(rows: list[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
