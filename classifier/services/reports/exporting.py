"""Reports and faces as files."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

from classifier.models import Collection, Face
from classifier.services.reports import reading
from classifier.services.reports.questions import Question
from ml.attributes import ATTRIBUTES
from ml.reporting import survey_csv, survey_json, survey_page, survey_svg
from ml.spreadsheets import guard_cell

FACES_AT_ONCE = 1_000
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
    """A CSV of the faces that a question is about, some at a time: file, folder, box, probabilities, unsure."""
    attributes = [of for of in ATTRIBUTES.values() if of.name in collection.attributes]
    names = ["file", "folder", "face", "x1", "y1", "x2", "y2", "detection", "size_px", "model"]
    for attribute in attributes:
        names += [f"predicted_{attribute.name}", f"unsure_{attribute.name}"]
        names += [f"{attribute.name}_{label}" for label in attribute.labels]
    yield _write([names])
    photos = collection.photos.filter(deleting_at=None)
    _, faces = reading.narrow_photos(photos, collection=collection, question=question)
    last = 0
    wanted = faces.filter(size_px__gte=question.narrowest_px).order_by().values("pk")
    found = Face.objects.filter(pk__in=wanted).select_related("photo").with_current_predictions()
    while part := list(found.filter(pk__gt=last).order_by("pk")[:FACES_AT_ONCE]):
        yield _write([_tell(face, attributes=attributes) for face in part])
        last = part[-1].pk


def _tell(face: Face, *, attributes: list[Any]) -> list[Any]:
    prediction = face.prediction
    box = [round(value, 2) for value in (face.x1, face.y1, face.x2, face.y2)]
    row: list[Any] = [guard_cell(face.photo.name), guard_cell(face.photo.folder), face.number, *box]
    row += [round(face.detection, 4), round(face.size_px, 1), prediction.model_version.name if prediction else ""]
    for attribute in attributes:
        vector = prediction.vectors.get(attribute.name) if prediction else None
        if prediction is None or vector is None:
            row += [""] * (2 + len(attribute.labels))
            continue
        threshold = prediction.model_version.threshold(attribute.name, taxonomy=attribute.finest)
        row += [prediction.predicted_label(attribute.name), str(max(vector) < threshold).lower()]
        row += [round(float(share), 5) for share in vector]
    return row


def _write(rows: list[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
