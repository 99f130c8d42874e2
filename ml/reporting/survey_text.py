"""The report of a collection for the terminal."""

from ml.reporting import numbers
from ml.shares.result import COUNTED, LOWER, NEITHER, UPPER
from ml.surveying.report import Comparison, Report, Row, Table
from ml.surveying.words import NOT_PERSONS


def write_text(report: Report) -> str:
    """The report for a terminal: each table of shares in per cent, and what it rests on; what was asked for besides."""
    lines = [f"{report.source}: {report.faces:,} faces in {report.photos_with_faces:,} photos, {report.model.name}", ""]
    for table in report.tables:
        lines += [*_table(table), ""]
    for group in report.groups:
        value = group.value or "(empty)"
        limit = f": {group.limit}" if group.limit else ""
        lines += [f"{report.grouped_by} {value}, {group.faces:,} faces in {group.photos:,} photos{limit}", ""]
        for table in group.tables:
            lines += [*_table(table), ""]
    for comparison in report.comparisons:
        lines += [*_compare(comparison), ""]
    missed = report.missed
    if missed is not None:
        told = numbers.interval(missed.low, missed.high)
        lines.append(
            f"About {numbers.percent(missed.share)} of the faces were not found ({told}), by {missed.photos:,} photos "
            "that people looked at."
        )
    lines += [*report.notes, *report.cautions, NOT_PERSONS]
    return "\n".join(lines)


def tell_interval(row: Row) -> str:
    """As "61.0 to 65.4"; only the end that may be told, nothing where neither may."""
    if row.bound == NEITHER:
        return numbers.NOTHING
    if row.bound == UPPER:
        return f"at most {numbers.percent(row.high)}"
    if row.bound == LOWER:
        return f"at least {numbers.percent(row.low)}"
    return numbers.interval(row.low, row.high)


def _table(table: Table) -> list[str]:
    width = max(len(row.label) for row in table.rows)
    return [
        f"perceived {table.name} ({table.taxonomy}), {table.estimator}: {table.assumption}",
        *(f"  {row.label.ljust(width)}  {numbers.percent(row.share):>7}{_tell(row)}" for row in table.rows),
    ]


def _tell(row: Row) -> str:
    if row.estimator == COUNTED:
        return f"  {row.n:,} faces"
    told = f"  ({tell_interval(row)})"
    return told + ("" if row.raw is None else f"  counted {numbers.percent(row.raw)}")


def _compare(of: Comparison) -> list[str]:
    width = max(len(row.label) for row in of.rows)
    return [
        f"perceived {of.name} against {of.against}, differences in percentage points, p corrected by Holm",
        *(
            f"  {row.label.ljust(width)}  {numbers.percent(row.first):>7} against {numbers.percent(row.second):>7}"
            f"  {numbers.points(row.difference):>6} ({numbers.points_interval(row.low, row.high)})"
            f"  p {numbers.p_value(row.p)}"
            for row in of.rows
        ),
    ]
