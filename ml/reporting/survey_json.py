"""The report of a collection as JSON: what programs read. Shares are 0 to 1; keys may be added, none renamed."""

import json
import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, is_dataclass
from datetime import datetime
from typing import Any

from ml.attributes import ATTRIBUTES
from ml.shares.faces import MEASURES
from ml.surveying.report import (
    FORMAT,
    Accuracy,
    AgreementRow,
    Comparison,
    Group,
    MissedFaces,
    Model,
    PhotoRow,
    PlanRow,
    QualityRow,
    Report,
    Reviewing,
    Table,
    WidthRow,
)
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
        "reviewing": {k: v for k, v in asdict(report.reviewing).items() if v != ""} if report.reviewing else None,
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


def from_values(found: Mapping[str, Any]) -> Report:
    """The report that these values were written from, so that a stored one is drawn as a fresh one is.

    Of its model only name and hash are kept; the rest stands in the methods paragraph. Raises KeyError and TypeError
    where it is none.
    """
    crossed = read_tables(found["crossings"])
    return Report(
        source=found["source"],
        created_at=datetime.fromisoformat(found["created_at"]),
        model=Model(found["model"], found["model_sha256"]),
        photos=found["photos"],
        photos_read=found["photos_read"],
        photos_with_faces=found["photos_with_faces"],
        faces=found["faces"],
        basis=found["basis"],
        assumption=found["assumption"],
        tables=read_tables(found["attributes"]),
        crossings=tuple(table for table in crossed if not table.crossed),
        cells=next((table for table in crossed if table.crossed), None),
        photos_with={name: _read_rows(PhotoRow, of) for name, of in _in_order(found["photos_with"]).items()},
        widths={name: _read_rows(WidthRow, of) for name, of in _in_order(found["face_widths"]).items()},
        quality=tuple(_read(QualityRow, {"measure": name} | row) for name, row in _in_order(found["quality"]).items()),
        left_out=found["left_out"],
        notes=tuple(found["notes"]),
        methods=found["methods"],
        bibtex=found["bibtex"],
        reviewing=_read(Reviewing, found["reviewing"]) if found["reviewing"] else None,
        accuracy=_read_rows(Accuracy, _in_order(found["accuracy"]).values()),
        agreement=_read_rows(AgreementRow, _in_order(found["agreement"]).values()),
        missed=_read(MissedFaces, found["missed"]) if found["missed"] else None,
        plan=_read_rows(PlanRow, found["plan"]),
        comparisons=_read_rows(Comparison, found["comparisons"]),
        grouped_by=found["grouped_by"],
        groups=tuple(
            Group(of["value"], of["faces"], of["photos"], read_tables(of["attributes"]), of["limit"])
            for of in found["groups"]
        ),
    )


def read_tables(found: Mapping[str, Any]) -> tuple[Table, ...]:
    """The tables of a part of the JSON, as `attributes`, in their order."""
    return tuple(_read(Table, {"name": name} | found[name]) for name in _in_order(found))


def _in_order(found: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes and measures as they are declared, then what they are not: JSON may have been stored in another."""
    order = [*ATTRIBUTES, *MEASURES]
    return dict(sorted(found.items(), key=lambda one: order.index(one[0]) if one[0] in order else len(order)))


def _read_rows(kind: type[Any], found: Iterable[Mapping[str, Any]]) -> tuple[Any, ...]:
    return tuple(_read(kind, values) for values in found)


def _read(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """One of the report's rows; keys that it does not know were added later and are left out."""
    hints = typing.get_type_hints(kind)
    return kind(**{of.name: _cast(values[of.name], hints[of.name]) for of in fields(kind) if of.name in values})


def _cast(value: Any, hint: Any) -> Any:
    """Lists of JSON as the tuples that they were, and rows within rows as such."""
    if isinstance(value, dict) and is_dataclass(hint):
        return _read(typing.cast(type[Any], hint), value)
    if isinstance(hint, types.UnionType):
        return _cast(value, typing.get_args(hint)[0]) if value is not None else None
    if not isinstance(value, list):
        return value
    parts = typing.get_args(hint)
    if len(parts) == 2 and parts[1] is not Ellipsis:
        return tuple(_cast(one, part) for one, part in zip(value, parts, strict=True))
    return tuple(_cast(one, parts[0] if parts else None) for one in value)


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
