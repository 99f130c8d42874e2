"""Pages about Facet itself: the models, and what their numbers mean and do not mean."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from classifier.intake import formats
from classifier.models import ModelVersion
from classifier.models.faces import SMALL_FACE_PX
from classifier.terms import DECLARATION, TERMS_OF_USE
from classifier.views.access import UserRequest, login_required
from ml.attributes import ATTRIBUTES, COMPARED_BY
from ml.labels import TAXONOMIES
from ml.measured import choose_current

BY_GROUP = f"by_{COMPARED_BY.name}"


@dataclass(frozen=True)
class Measured:
    """A card's metrics for the page: single figures, and figures per group as a table.

    `has_others` says that some were measured of another version, before its weights or calibration changed.
    """

    figures: list[tuple[str, float]]
    columns: list[str]
    rows: list[tuple[str, list[float | None]]]
    has_others: bool = False

    @property
    def charts(self) -> list[tuple[str, list[tuple[str, float | None]]]]:
        """The table column by column: a measure, and its value for each group."""
        return [
            (column, [(group, cells[place]) for group, cells in self.rows]) for place, column in enumerate(self.columns)
        ]


@login_required
@require_safe
def model_list(request: UserRequest) -> HttpResponse:
    versions = sorted(ModelVersion.objects.all(), key=lambda version: version.status != "production")
    measured = [(version, read_metrics(version.metrics, answers=version.answers_sha256)) for version in versions]
    return render(request, "pages/models.html", {"versions": measured})


@require_safe
def about(request: HttpRequest) -> HttpResponse:
    context = {
        "terms": TERMS_OF_USE,
        "declaration": DECLARATION,
        "taxonomies": TAXONOMIES,
        "small_face_px": SMALL_FACE_PX,
        "formats": formats.FORMATS,
        "max_file_mb": settings.MAX_FILE_BYTES // 1024**2,
        "max_megapixels": settings.MAX_PIXELS // 1_000_000,
    }
    return render(request, "pages/about.html", context)


def read_metrics(metrics: dict[str, Any], *, answers: str) -> Measured:
    """Sort a checkpoint's metrics for the page: those of the version whose answers have this hash.

    What `ml.evaluate` measured on FairFace's validation set counts, since no step of making the checkpoint saw it;
    a checkpoint without that has what its training held out.
    """
    metrics, others = choose_current(metrics, answers=answers)
    found = _read_validation(metrics["fairface_val"]) if "fairface_val" in metrics else _read_held_out(metrics)
    return replace(found, has_others=bool(others))


def _read_validation(measured: dict[str, Any]) -> Measured:
    """For each attribute: `accuracy`, `ece` (the calibration error) and its accuracy by group."""
    known = {name: measured[name] for name in ATTRIBUTES if "accuracy" in measured.get(name, {})}
    figures = [(name, values["accuracy"]) for name, values in known.items()]
    figures += [
        (f"{name}, within one bin", values["within_one_bin"])
        for name, values in known.items()
        if "within_one_bin" in values
    ]
    figures += [(f"calibration error, {name}", values["ece"]) for name, values in known.items() if "ece" in values]
    columns = [name for name, values in known.items() if BY_GROUP in values and not ATTRIBUTES[name].scale]
    cells = {name: known[name][BY_GROUP] for name in columns}
    return Measured(figures=figures, columns=columns, rows=_rows(cells))


def _read_held_out(metrics: dict[str, Any]) -> Measured:
    """`held_out`, or the top: an accuracy `of` a group is a cell of the table, another number a figure.

    Of the calibration the error that is left counts.
    """
    figures: list[tuple[str, float]] = []
    cells: dict[str, dict[str, float]] = {}
    for name, value in metrics.get("held_out", metrics).items():
        if not isinstance(value, int | float):
            continue
        measure, _, group = name.rpartition(" of ")
        if measure and group in COMPARED_BY.labels:
            cells.setdefault(measure, {})[group] = value
        else:
            figures.append((name, value))
    for attribute, calibration in metrics.get("calibration", {}).items():
        if isinstance(calibration, dict) and "ece_after" in calibration:
            figures.append((f"calibration error, {attribute}", calibration["ece_after"]))
    return Measured(figures=figures, columns=list(cells), rows=_rows(cells))


def _rows(cells: Mapping[str, Mapping[str, float]]) -> list[tuple[str, list[float | None]]]:
    """A row for each group, with a cell for each measure."""
    if not cells:
        return []
    return [(group, [by_group.get(group) for by_group in cells.values()]) for group in COMPARED_BY.labels]
