"""The report of a collection for the terminal."""

from ml.reporting import numbers
from ml.shares.result import COUNTED
from ml.surveying.report import Report, Row, Table
from ml.surveying.words import NOT_PERSONS


def write_text(report: Report) -> str:
    """The report for a terminal: each table of shares in per cent, and what it rests on."""
    lines = [f"{report.source}: {report.faces:,} faces in {report.photos_with_faces:,} photos, {report.model.name}", ""]
    for table in report.tables:
        lines += [f"perceived {table.name} ({table.taxonomy}), {table.estimator}: {table.assumption}"]
        lines += _rows(table)
        lines.append("")
    lines += [*report.notes, *report.cautions, NOT_PERSONS]
    return "\n".join(lines)


def _rows(table: Table) -> list[str]:
    width = max(len(row.label) for row in table.rows)
    return [f"  {row.label.ljust(width)}  {numbers.percent(row.share):>7}{_tell(row)}" for row in table.rows]


def _tell(row: Row) -> str:
    if row.estimator == COUNTED:
        return f"  {row.n:,} faces"
    told = f"  ({numbers.interval(row.low, row.high)})"
    return told + ("" if row.raw is None else f"  counted {numbers.percent(row.raw)}")
