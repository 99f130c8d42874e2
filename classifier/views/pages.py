"""Pages about Facet itself: the models, and what their numbers mean and do not mean."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from classifier.models import ModelVersion
from classifier.models.faces import SMALL_FACE_PX
from classifier.terms import DECLARATION, TERMS_OF_USE
from classifier.views.access import UserRequest, login_required
from ml.labels import RACE, TAXONOMIES


@dataclass(frozen=True)
class Measured:
    """A card's metrics for the page: single figures, and figures per group as a table."""

    figures: list[tuple[str, float]]
    columns: list[str]
    rows: list[tuple[str, list[float | None]]]


@login_required
@require_safe
def model_list(request: UserRequest) -> HttpResponse:
    versions = sorted(ModelVersion.objects.all(), key=lambda version: version.status != "production")
    measured = [(version, read_metrics(version.metrics)) for version in versions]
    return render(request, "pages/models.html", {"versions": measured})


@require_safe
def about(request: HttpRequest) -> HttpResponse:
    context = {
        "terms": TERMS_OF_USE,
        "declaration": DECLARATION,
        "taxonomies": TAXONOMIES,
        "small_face_px": SMALL_FACE_PX,
        "max_file_mb": settings.MAX_FILE_BYTES // 1024**2,
        "max_megapixels": settings.MAX_PIXELS // 1_000_000,
    }
    return render(request, "pages/about.html", context)


def read_metrics(metrics: dict[str, Any]) -> Measured:
    """Sort a checkpoint's metrics: `race of White` and `{"race": {"White": 0.7}}` are cells, numbers are figures."""
    figures: list[tuple[str, float]] = []
    cells: dict[str, dict[str, float]] = {}
    for name, value in _flatten(metrics):
        measure, _, group = name.rpartition(" of ")
        if measure and group in RACE:
            cells.setdefault(measure, {})[group] = value
        else:
            figures.append((name, value))
    columns = list(cells)
    rows = [(group, [cells[column].get(group) for column in columns]) for group in RACE] if cells else []
    return Measured(figures=figures, columns=columns, rows=rows)


def _flatten(metrics: dict[str, Any], *, prefix: str = "") -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name, value in metrics.items():
        if isinstance(value, dict):
            inner = f"{prefix} {name}".strip()
            found += [
                (f"{inner} of {key}" if key in RACE else f"{inner} {key}", number) for key, number in _flatten(value)
            ]
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append((f"{prefix} {name}".strip() if prefix else name, float(value)))
    return found
