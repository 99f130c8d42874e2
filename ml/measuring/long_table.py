"""A report of `measures.measure` in long form: one measure of one part of the faces a row."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from typing import Any

from ml.measuring import measures


@dataclass(frozen=True)
class Row:
    """`slice` says which faces, empty for all: `race=Black`, `race=Black & gender=Female`, `sharpness: …`.

    `low` and `high` bound the 95 % interval, `n` counts the faces that the value is of.
    """

    attribute: str
    slice: str
    measure: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None


def to_csv(report: Mapping[str, Any]) -> str:
    """All measures that have a value; shares in 0..1."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Row)])
    writer.writerows(astuple(row) for row in list_rows(report))
    return text.getvalue()


def list_rows(report: Mapping[str, Any]) -> Iterator[Row]:
    """The rows, an attribute after the other."""
    for attribute in measures.attributes_of(report):
        found = _list_attribute(attribute, report[attribute], sure=report["sure"].get(attribute, {}))
        yield from (row for row in found if row.value is not None)


def _list_attribute(attribute: str, table: Mapping[str, Any], *, sure: Mapping[str, Any]) -> Iterator[Row]:
    n = table["images"]
    low, high = table["accuracy_interval"]
    yield Row(attribute, "", "accuracy", table["accuracy"], low, high, n)
    for name in (
        "balanced_accuracy",
        "ece",
        "within_one_bin",
        "mean_bins_off",
        "mean_absolute_error_years",
        "bias_years",
    ):
        if name in table:
            yield Row(attribute, "", name, table[name], n=n)
    for group, of in table["groups"].items():
        part = f"{attribute}={group}"
        for name, counted in (("recall", "labelled"), ("precision", "predicted")):
            low, high = of[f"{name}_interval"]
            yield Row(attribute, part, name, of[name], low, high, of[counted])
    for by, parts in table["parts"].items():
        for name, of in parts.items():
            yield _accuracy(attribute, f"{by}={name}", of)
    for by, gap in table["gaps"].items():
        for name in ("gap", "demographic_parity_difference", "equalised_odds_difference"):
            value = gap.get(name)
            if value is not None:
                yield Row(attribute, f"by {by}", name, value["value"] if isinstance(value, Mapping) else value, n=n)
    for crossed, cells in table["intersections"].items():
        for cell in cells:
            yield _accuracy(attribute, " & ".join(f"{by}={cell[by]}" for by in crossed.split(" x ")), cell)
    for name, parts in table["slices"].items():
        for of in parts:
            yield _accuracy(attribute, f"{name}: {of['slice']}", of)
    for taxonomy, of in table.get("taxonomies", {}).items():
        yield _accuracy(attribute, f"taxonomy={taxonomy}", {"n": of["images"], **of})
    for by, parts in table.get("years_by", {}).items():
        for name, of in parts.items():
            yield Row(attribute, f"{by}={name}", "mean_absolute_error_years", of["mean_absolute_error"], n=of["n"])
    for drawn in table.get("reliability", ()):
        part = f"confidence {drawn['low']:g} to {drawn['high']:g}"
        yield Row(attribute, part, "mean_confidence", drawn["confidence"], n=drawn["n"])
        yield Row(attribute, part, "accuracy", drawn["accuracy"], n=drawn["n"])
    for point in table.get("coverage", ()):
        yield Row(attribute, f"surest {point['share']:.0%}", "accuracy", point["accuracy"], n=point["n"])
    for taxonomy, of in sure.items():
        part = f"taxonomy={taxonomy}, threshold {of['threshold']:g}"
        yield Row(attribute, part, "sure", of["sure"], n=of["images"])
        yield Row(attribute, part, "accuracy_of_sure", of["accuracy_of_sure"], of["low"], of["high"], of["n"])


def _accuracy(attribute: str, part: str, of: Mapping[str, Any]) -> Row:
    return Row(attribute, part, "accuracy", of["accuracy"], of["low"], of["high"], of["n"])
