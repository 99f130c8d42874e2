"""Measures as the JSON of reports and of a checkpoint's card, and back; the only place that knows its keys."""

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from ml import labels
from ml.datasets import face_set
from ml.measuring import tables

_LABEL_GAP = f"gap_by_{labels.BY}"
# What a checkpoint's card keeps of each attribute.
RECORDED = (
    "accuracy",
    "balanced_accuracy",
    *(f"by_{name}" for name in (labels.BY, *labels.ORDERED)),
    "ece",
    "accuracy_of_surest_80_percent",
    "confusion",
    "by_taxonomy",
    _LABEL_GAP,
    "within_one_bin",
    "mean_absolute_error_years",
    "bias_years",
    "inside_years",
    "range",
)
_RECORDED_OF_SURE = ("threshold", "sure", "accuracy_of_sure")
_RECORDED_OF_SETS = ("set_promise", "set_coverage", "set_size")  # left out where there are none
_DESCRIBING_DATA = {"name", "source", "images", "sha256", "seen"}
_MEASURED = {
    "names", "grouping", "images", "accuracy", "accuracy_interval", "balanced_accuracy", "groups", "confusion", "parts",
    "gaps", "intersections", "slices",
}  # fmt: skip
_DIFFERENCES = ("demographic_parity", "equalised_odds")

Values = dict[str, Any]
T = TypeVar("T")


class Unreadable(face_set.BadData):
    """Values that are no such report, or one that lacks measures."""


def flatten(of: Any) -> Values:
    """A dataclass's fields by their names, tuples as lists."""
    return {one.name: _list(getattr(of, one.name)) for one in fields(of)}


def build(kind: type[T], found: Mapping[str, Any]) -> T:
    """A dataclass from the values named like its fields, lists as tuples. Raises KeyError and TypeError."""
    names = [one.name for one in fields(kind)]  # type: ignore[arg-type]  # all that is built here is a dataclass
    return kind(**{name: _tuple(found[name]) for name in names if name in found})


def write_evaluation(report: tables.Evaluation) -> Values:
    """What `ml.evaluate --json` writes."""
    values: Values = {
        "name": report.name,
        "sha256": report.sha256,
        **({"answers_sha256": report.answers_sha256} if report.answers_sha256 else {}),
        "data": flatten(report.data),
        "measures": write_measures(report.measures),
    }
    if way := report.whole_way:
        values["whole_way"] = {
            "images": way.images,
            "found": way.found,
            "found_again": write_measures(way.found_again),
            "same_chips": write_measures(way.same_chips),
        }
    return values


def write_measures(report: tables.Measures) -> Values:
    """The measures, each attribute under its own name."""
    return {
        "name": report.name,
        "images": report.images,
        "faces": report.faces,
        "unpredicted": report.unpredicted,
        "left_out": dict(report.left_out),
        "not_measured": dict(report.not_measured),
        "sure": {name: {key: _write_sure(of) for key, of in by.items()} for name, by in report.sure.items()},
        **{name: _write_attribute(table) for name, table in report.attributes.items()},
    }


def shorten(report: tables.Measures) -> Values:
    """The part of the measures that a checkpoint's card keeps."""
    short: Values = {"images": report.images}
    for attribute, measured in report.attributes.items():
        table = _write_attribute(measured)
        # Without an interval the reading is of before, when its bias was not recorded either.
        unsaid = frozenset() if "inside_years" in table else {"bias_years"}
        short[attribute] = {key: table[key] for key in RECORDED if key in table and key not in unsaid}
        short[attribute]["grouping"] = measured.grouping
        if f"by_{attribute}" not in RECORDED:  # recall among its own labels, which that says of others
            short[attribute]["recall"] = {name: of.recall for name, of in measured.groups.items()}
    short["sure"] = {
        attribute: {taxonomy: _shorten_sure(of) for taxonomy, of in by.items()} for attribute, by in report.sure.items()
    }
    return short


def shorten_whole_way(way: tables.WholeWay) -> Values:
    """The part of the whole way that a checkpoint's card keeps."""
    parts = {"found_again": shorten(way.found_again), "same_chips": shorten(way.same_chips)}
    return {"images": way.images, "found": way.found, **parts}


def read_evaluation(found: Mapping[str, Any]) -> tables.Evaluation:
    """What `write_evaluation` wrote, today or before. Raises Unreadable for anything else."""
    about, measured = found.get("data"), found.get("measures")
    if not isinstance(measured, dict) or not isinstance(about, dict) or not about.keys() >= _DESCRIBING_DATA:
        raise Unreadable("is not what ml.evaluate --json writes")
    try:
        return tables.Evaluation(
            name=found["name"],
            sha256=found["sha256"],
            answers_sha256=found.get("answers_sha256", ""),
            data=build(tables.DataSet, about),
            measures=read_measures(measured),
            whole_way=_read_whole_way(found["whole_way"]) if "whole_way" in found else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"is not what ml.evaluate --json writes ({error!r})") from error


def read_measures(found: Mapping[str, Any]) -> tables.Measures:
    """What `write_measures` wrote. Raises Unreadable where measures are missing."""
    attributes = {name: of for name, of in found.items() if isinstance(of, dict) and "accuracy" in of}
    missing = sorted({key for table in attributes.values() for key in _MEASURED - table.keys()})
    if missing or not attributes:
        raise Unreadable("lacks measures: evaluate again with this Facet", names=missing)
    return tables.Measures(
        name=found["name"],
        images=found["images"],
        faces=found.get("faces", found["images"]),
        unpredicted=found.get("unpredicted", 0),
        left_out=found.get("left_out", {}),
        not_measured=found.get("not_measured", {}),
        sure={name: {key: _read_sure(of) for key, of in by.items()} for name, by in found.get("sure", {}).items()},
        attributes={name: _read_attribute(table) for name, table in attributes.items()},
    )


def _write_sure(of: tables.Sure) -> Values:
    by_label = {name: _known(one, may_lack=("set_coverage",)) for name, one in of.by_label.items()}
    values = _known(of, may_lack=("by_label", *_RECORDED_OF_SETS))
    return values | ({"by_label": by_label} if by_label else {})


def _shorten_sure(of: tables.Sure) -> Values:
    values = {key: getattr(of, key) for key in _RECORDED_OF_SURE}
    values |= {key: value for key in _RECORDED_OF_SETS if (value := getattr(of, key)) is not None}
    if of.by_label:
        told = {name: {"n": one.n, "accuracy": one.accuracy} for name, one in of.by_label.items()}
        for name, one in of.by_label.items():
            if one.set_coverage is not None:
                told[name]["set_coverage"] = one.set_coverage
        values["by_label"] = told
    return values


def _read_sure(found: Mapping[str, Any]) -> tables.Sure:
    by_label = {name: build(tables.SureLabel, of) for name, of in found.get("by_label", {}).items()}
    return build(tables.Sure, {**found, "by_label": by_label})


def _read_whole_way(found: Mapping[str, Any]) -> tables.WholeWay:
    parts = {part: read_measures(found[part]) for part in ("found_again", "same_chips")}
    return tables.WholeWay(images=found["images"], found=found["found"], **parts)


def _write_attribute(table: tables.AttributeMeasures) -> Values:
    values: Values = {
        "grouping": table.grouping,
        "names": list(table.names),
        "images": table.images,
        "left_out": dict(table.left_out),
        "labels_only": table.labels_only,
        "accuracy": table.accuracy,
        "accuracy_interval": list(table.accuracy_interval),
        "balanced_accuracy": table.balanced_accuracy,
        "unanswered": table.unanswered,
        "groups": {name: flatten(of) for name, of in table.groups.items()},
        "confusion": [list(row) for row in table.confusion],
        **{f"by_{name}": {label: of.accuracy for label, of in parts.items()} for name, parts in table.parts.items()},
        "parts": {name: {label: flatten(of) for label, of in parts.items()} for name, parts in table.parts.items()},
        "gaps": {name: _write_parting(of) for name, of in table.gaps.items()},
        "intersections": {
            name: [{**cell.labels, **flatten(cell.share)} for cell in cells]
            for name, cells in table.intersections.items()
        },
        "slices": {
            name: [{"slice": part, **flatten(of)} for part, of in parts.items()] for name, parts in table.slices.items()
        },
    }
    if of := table.confidence:
        values |= flatten(of) | {
            "reliability": [flatten(one) for one in of.reliability],
            "coverage": [flatten(one) for one in of.coverage],
        }
    if table.taxonomies is not None:
        values["by_taxonomy"] = {name: of.accuracy for name, of in table.taxonomies.items()}
        values["taxonomies"] = {name: flatten(of) for name, of in table.taxonomies.items()}
    if table.label_gap is not None:
        values[_LABEL_GAP] = {name: {**of.recall, "gap": of.gap} for name, of in table.label_gap.items()}
    if table.steps:
        values |= flatten(table.steps)
    if years := table.years:
        values |= {
            "mean_absolute_error_years": years.mean_absolute_error_years,
            "bias_years": years.bias_years,
            "years_by": {
                name: {label: _known(of, may_lack=("inside",)) for label, of in by.items()}
                for name, by in years.by.items()
            },
        }
        if years.inside is not None:
            values["inside_years"] = years.inside
    if of_range := table.range:
        values["range"] = flatten(of_range)
    return values


def _read_attribute(found: Mapping[str, Any]) -> tables.AttributeMeasures:
    return tables.AttributeMeasures(
        grouping=found["grouping"],
        names=tuple(found["names"]),
        images=found["images"],
        left_out=found.get("left_out", {}),
        labels_only=found.get("labels_only", False),
        accuracy=found["accuracy"],
        accuracy_interval=_tuple(found["accuracy_interval"]),
        balanced_accuracy=found["balanced_accuracy"],
        unanswered=found.get("unanswered", 0),
        groups={name: build(tables.Group, of) for name, of in found["groups"].items()},
        confusion=tuple(tuple(row) for row in found["confusion"]),
        parts={name: _read_shares(parts) for name, parts in found["parts"].items()},
        gaps={name: _read_parting(of) for name, of in found["gaps"].items()},
        intersections={
            name: tuple(
                tables.Cell({by: cell[by] for by in name.split(" x ")}, build(tables.Share, cell)) for cell in cells
            )
            for name, cells in found["intersections"].items()
        },
        slices={name: _read_shares({of["slice"]: of for of in parts}) for name, parts in found["slices"].items()},
        confidence=_read_confidence(found) if "ece" in found else None,
        taxonomies=_build_each(tables.Taxonomy, found.get("taxonomies")),
        label_gap=_read_pairs(found.get(_LABEL_GAP)),
        steps=build(tables.Steps, found) if "within_one_bin" in found else None,
        years=_read_years(found) if "mean_absolute_error_years" in found else None,
        range=build(tables.Range, found["range"]) if "range" in found else None,
    )


def _read_shares(parts: Mapping[str, Any]) -> dict[str, tables.Share]:
    return {label: build(tables.Share, of) for label, of in parts.items()}


def _build_each(kind: type[T], found: Mapping[str, Any] | None) -> dict[str, T] | None:
    return None if found is None else {name: build(kind, of) for name, of in found.items()}


def _write_parting(of: tables.Parting) -> Values:
    values = flatten(of.gap) if of.gap else {}
    if of.rates:
        for name in _DIFFERENCES:
            found = getattr(of.rates, name)
            values[f"{name}_difference"] = found and {
                "value": found.value,
                "class": found.of_class,
                "by_class": dict(found.by_class),
            }
    return values


def _read_parting(found: Mapping[str, Any]) -> tables.Parting:
    differences = {name: found.get(f"{name}_difference") for name in _DIFFERENCES}
    return tables.Parting(
        gap=build(tables.Gap, found) if "gap" in found else None,
        rates=tables.Rates(**{name: _read_difference(of) for name, of in differences.items()})
        if any(f"{name}_difference" in found for name in _DIFFERENCES)
        else None,
    )


def _read_difference(found: Any) -> tables.Difference | None:
    if found is None:
        return None
    if not isinstance(found, dict):  # of the first reports, which did not tell whose it is
        return tables.Difference(found, "", {})
    return tables.Difference(found["value"], found.get("class", ""), found.get("by_class", {}))


def _read_confidence(found: Mapping[str, Any]) -> tables.Confidence:
    return tables.Confidence(
        ece=found["ece"],
        reliability=tuple(build(tables.Bin, of) for of in found["reliability"]),
        accuracy_of_surest_80_percent=found["accuracy_of_surest_80_percent"],
        coverage=tuple(build(tables.Point, of) for of in found["coverage"]),
    )


def _read_pairs(found: Mapping[str, Any] | None) -> dict[str, tables.PairGap] | None:
    if found is None:
        return None
    return {
        name: tables.PairGap({label: recall for label, recall in of.items() if label != "gap"}, of["gap"])
        for name, of in found.items()
    }


def _read_years(found: Mapping[str, Any]) -> tables.Years:
    by = {
        name: {label: build(tables.YearsError, of) for label, of in parts.items()}
        for name, parts in found["years_by"].items()
    }
    return tables.Years(found["mean_absolute_error_years"], found["bias_years"], by, found.get("inside_years"))


def _known(of: Any, *, may_lack: Collection[str]) -> Values:
    """As `flatten`, without those of some fields that say nothing, so that older reports look the same."""
    return {key: value for key, value in flatten(of).items() if value or key not in may_lack}


def _list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
