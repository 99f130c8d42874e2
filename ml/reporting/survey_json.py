"""The report of a collection as JSON: what programs read. Shares are 0 to 1; keys may be added, none renamed."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ml.surveying.report import FORMAT, Report, Table
from ml.surveying.words import NOT_PERSONS


def write_json(report: Report) -> str:
    """The report as JSON: shares 0 to 1, None where nothing can be said."""
    return json.dumps(to_values(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_values(report: Report) -> dict[str, Any]:
    """The values of the JSON."""
    found: dict[str, Any] = {
        "format": FORMAT,
        "source": report.source,
        "created_at": report.created_at.isoformat().replace("+00:00", "Z"),
        "photos": report.photos,
        "photos_read": report.photos_read,
        "photos_with_faces": report.photos_with_faces,
        "faces": report.faces,
        "model": report.model.name,
        "model_sha256": report.model.sha256,
        "basis": report.basis,
        "assumption": report.assumption,
        "about": NOT_PERSONS,
        "cautions": list(report.cautions),
        "notes": list(report.notes),
        "attributes": _tables(report.tables),
        "crossings": _tables([*report.crossings, *([report.cells] if report.cells else [])]),
        "photos_with": {name: _rows(rows) for name, rows in report.photos_with.items()},
        "face_widths": {name: _rows(rows) for name, rows in report.widths.items()},
        "quality": {row.measure: {k: v for k, v in asdict(row).items() if k != "measure"} for row in report.quality},
        "left_out": dict(report.left_out),
        "reviewing": asdict(report.reviewing) if report.reviewing else None,
        "accuracy": {row.name: asdict(row) for row in report.accuracy},
        "agreement": {row.name: asdict(row) for row in report.agreement},
        "missed": asdict(report.missed) if report.missed else None,
        "plan": _rows(report.plan),
        "comparisons": _rows(report.comparisons),
        "grouped_by": report.grouped_by,
        "groups": [
            {
                "value": of.value,
                "faces": of.faces,
                "photos": of.photos,
                "limit": of.limit,
                "attributes": _tables(of.tables),
            }
            for of in report.groups
        ],
        "methods": report.methods,
        "bibtex": report.bibtex,
    }
    values: dict[str, Any] = _finite(found)
    return values


def _tables(tables: Iterable[Table]) -> dict[str, Any]:
    return {table.name: {k: v for k, v in asdict(table).items() if k != "name"} for table in tables}


def _rows(rows: Iterable[Any]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]


def _finite(value: Any) -> Any:
    """JSON has no word for what is no number: null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(of) for key, of in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(of) for of in value]
    return value
