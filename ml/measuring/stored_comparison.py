"""Comparisons as the JSON that `ml.compare` writes, and back; the only place that knows its keys."""

from collections.abc import Mapping
from typing import Any

from ml.measuring import comparison_tables as tables
from ml.measuring.stored import Unreadable, Values, build, flatten


def write_comparison(report: tables.Comparison) -> Values:
    """What `ml.compare --json` writes."""
    values: Values = {
        **{name: _without(flatten(side), "answers_sha256") for name, side in report.sides.items()},
        "data": _without(flatten(report.data), "left_out"),
        "not_compared": dict(report.not_compared),
        "attributes": {name: _write_attribute(part) for name, part in report.attributes.items()},
    }
    if report.same_answers:
        values["same_answers"] = {name: _write_sameness(found) for name, found in report.same_answers.items()}
    return values


def read_comparison(found: Mapping[str, Any]) -> tables.Comparison:
    """What `write_comparison` wrote, today or before. Raises Unreadable for anything else."""
    try:
        return tables.Comparison(
            **{side: build(tables.Side, found[side]) for side in tables.SIDES},
            data=build(tables.ComparedFaces, found["data"]),
            not_compared=found.get("not_compared", {}),
            attributes={name: _read_attribute(part) for name, part in found["attributes"].items()},
            same_answers={name: _read_sameness(of) for name, of in found.get("same_answers", {}).items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"is not what ml.compare --json writes ({error!r})") from error


def _without(values: Values, name: str) -> Values:
    """The values without one of them where it is empty."""
    return {key: value for key, value in values.items() if key != name or value}


def _write_attribute(part: tables.AttributeComparison) -> Values:
    return {
        "images": part.images,
        "not_compared": part.not_compared,
        "groups": list(part.groups),
        "taxonomy": part.taxonomy,
        "overall": flatten(part.overall),
        "balanced_accuracy": flatten(part.balanced_accuracy),
        "ece": flatten(part.ece),
        "worst_group": {side: flatten(part.worst_group[side]) for side in tables.SIDES},
        "agreement": flatten(part.agreement),
        "by": {name: [{"group": row.group, **flatten(row)} for row in rows] for name, rows in part.by.items()},
    }


def _read_attribute(found: Mapping[str, Any]) -> tables.AttributeComparison:
    worst = {side: build(tables.Worst, found["worst_group"][side]) for side in tables.SIDES}
    return tables.AttributeComparison(
        images=found["images"],
        not_compared=found["not_compared"],
        groups=tuple(found["groups"]),
        taxonomy=found["taxonomy"],
        overall=build(tables.Paired, found["overall"]),
        balanced_accuracy=build(tables.Both, found["balanced_accuracy"]),
        ece=build(tables.Both, found["ece"]),
        worst_group=tables.Both(**worst),
        agreement=build(tables.Agreement, found["agreement"]),
        by={name: tuple(build(tables.PairedGroup, row) for row in rows) for name, rows in found["by"].items()},
    )


def _write_sameness(found: tables.Sameness) -> Values:
    loss = found.largest_loss
    return {"agreement": found.agreement, "largest_loss": flatten(loss) if loss else None, "same": found.same}


def _read_sameness(found: Mapping[str, Any]) -> tables.Sameness:
    loss = found["largest_loss"]
    return tables.Sameness(found["agreement"], build(tables.Loss, loss) if loss else None)
