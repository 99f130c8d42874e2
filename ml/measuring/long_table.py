"""A report of `measures.measure` in long form: one measure of one part of the faces a row."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from functools import partial

from ml.measuring import tables


@dataclass(frozen=True)
class Row:
    """`slice` says which faces, empty for all: `race=Black`, `race=Black & gender=Female`, `sharpness: …`.

    `low` and `high` bound the 95 % interval, `n` counts the faces that the value is of.
    """

    attribute: str
    slice: str
    measure: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None


def to_csv(report: tables.Measures) -> str:
    """All measures that have a value; shares in 0..1."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Row)])
    writer.writerows(astuple(row) for row in list_rows(report))
    return text.getvalue()


def list_rows(report: tables.Measures) -> Iterator[Row]:
    """The rows, an attribute after the other."""
    for attribute, table in report.attributes.items():
        found = _list_attribute(attribute, table, sure=report.sure.get(attribute, {}))
        yield from (row for row in found if row.value is not None)


def _list_attribute(
    attribute: str, table: tables.AttributeMeasures, *, sure: Mapping[str, tables.Sure]
) -> Iterator[Row]:
    n, steps, years, row = table.images, table.steps, table.years, partial(Row, attribute)
    yield row("", "accuracy", table.accuracy, *table.accuracy_interval, n)
    yield row("", "balanced_accuracy", table.balanced_accuracy, n=n)
    yield row("", "ece", table.ece, n=n)
    if steps:
        yield row("", "within_one_bin", steps.within_one_bin, n=n)
        yield row("", "mean_bins_off", steps.mean_bins_off, n=n)
    if years:
        yield row("", "mean_absolute_error_years", years.mean_absolute_error_years, n=n)
        yield row("", "bias_years", years.bias_years, n=n)
        yield row("", "inside_years", years.inside, n=n)
    if table.range:
        yield row("", "inside_range", table.range.coverage, n=n)
        yield row("", "range_width", table.range.width, n=n)
    for group, measured in table.groups.items():
        part = f"{attribute}={group}"
        yield row(part, "recall", measured.recall, *measured.recall_interval, measured.labelled)
        yield row(part, "precision", measured.precision, *measured.precision_interval, measured.predicted)
    for by, parts in table.parts.items():
        for name, share in parts.items():
            yield _accuracy(attribute, f"{by}={name}", share)
    for by, parting in table.gaps.items():
        yield row(f"by {by}", "gap", parting.gap.gap if parting.gap else None, n=n)
        for name, found in zip(("demographic_parity", "equalised_odds"), parting.differences, strict=True):
            yield row(f"by {by}", f"{name}_difference", found.value if found else None, n=n)
    for cells in table.intersections.values():
        for cell in cells:
            yield _accuracy(attribute, " & ".join(f"{by}={label}" for by, label in cell.labels.items()), cell.share)
    for by, slices in table.slices.items():
        for name, share in slices.items():
            yield _accuracy(attribute, f"{by}: {name}", share)
    for taxonomy, coarse in (table.taxonomies or {}).items():
        yield _accuracy(attribute, f"taxonomy={taxonomy}", coarse.share)
    for by, errors in (years.by if years else {}).items():
        for name, of in errors.items():
            yield row(f"{by}={name}", "mean_absolute_error_years", of.mean_absolute_error, n=of.n)
    if table.confidence:
        for drawn in table.confidence.reliability:
            part = f"confidence {drawn.low:g} to {drawn.high:g}"
            yield row(part, "mean_confidence", drawn.confidence, n=drawn.n)
            yield row(part, "accuracy", drawn.accuracy, n=drawn.n)
        for point in table.confidence.coverage:
            yield row(f"surest {point.share:.0%}", "accuracy", point.accuracy, n=point.n)
    for taxonomy, told in sure.items():
        part = f"taxonomy={taxonomy}" + ("" if told.threshold is None else f", threshold {told.threshold:g}")
        yield row(part, "sure", told.sure, n=told.images)
        yield row(part, "accuracy_of_sure", told.accuracy_of_sure, told.low, told.high, told.n)
        yield row(part, "set_coverage", told.set_coverage, n=told.images)
        yield row(part, "set_size", told.set_size, n=told.images)
        for label, of_label in told.by_label.items():
            part = f"taxonomy={taxonomy}, said {label}"
            yield row(part, "accuracy_of_sure", of_label.accuracy, of_label.low, of_label.high, of_label.n)


def _accuracy(attribute: str, part: str, share: tables.Share) -> Row:
    return Row(attribute, part, "accuracy", share.accuracy, share.low, share.high, share.n)
