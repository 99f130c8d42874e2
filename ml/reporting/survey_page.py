"""The report of a collection as one HTML page: no script, nothing fetched, light and dark, printable."""

from pathlib import Path
from typing import Any

from ml.reporting import frame, rendering
from ml.reporting.survey_bars import draw_chart, tell_interval, tell_label, tell_share
from ml.shares.result import ADJUSTED, COUNTED, REVIEWED
from ml.surveying.report import Report, Table
from ml.surveying.words import NOT_PERSONS

STYLE = (Path(__file__).parent / "survey.css").read_text(encoding="utf-8")
BASES = {
    COUNTED: "counted labels",
    ADJUSTED: "corrected labels",
    REVIEWED: "people's answers",
}
TITLES = {"race": "Race group", "gender": "Gender", "age": "Age", "race x gender": "Race group and gender"}
MEASURES = {
    "size_px": ("Width of a face", "pixels"),
    "sharpness": ("Sharpness", "variance of the Laplacian"),
    "brightness": ("Brightness", "mean luma, 0 to 1"),
}


def write_page(report: Report) -> str:
    """The whole page, as a string to be saved under a name that ends with .html."""
    return rendering.render(
        "survey.html",
        report=report,
        style=frame.STYLE + STYLE,
        policy=frame.POLICY,
        mark=frame.MARK,
        not_persons=NOT_PERSONS,
        bases=BASES,
        measures=MEASURES,
        title_of=entitle,
        grid=lay_cells(report.cells) if report.cells else None,
        plan=lay_plan(report),
    )


def entitle(name: str) -> str:
    """What a heading calls an attribute."""
    return TITLES.get(name, name.replace("_", " ").replace(" x ", " and ").capitalize())


def lay_plan(report: Report) -> dict[str, Any]:
    """Half widths by attribute and number of answers, None where so many cannot be drawn."""
    sizes = sorted({row.reviews for row in report.plan})
    found = {(row.name, row.reviews): row.half_width for row in report.plan}
    names = dict.fromkeys(row.name for row in report.plan)
    return {"sizes": sizes, "lines": [(name, [found.get((name, size)) for size in sizes]) for name in names]}


def lay_cells(table: Table) -> dict[str, Any]:
    """The cells of all attributes crossed as a table: the last attribute's labels are its columns."""
    *outer, last = table.crossed
    counts = [row.n for row in table.rows]
    heads = list(dict.fromkeys(row.label.rsplit(", ", last[-1].count(", ") + 1)[0] for row in table.rows))
    lines = [counts[start : start + len(last)] for start in range(0, len(counts), len(last))]
    return {
        "columns": [tell_label(label) for label in last],
        "lines": list(zip(map(tell_label, heads), lines, strict=True)) if outer else [],
    }


rendering.ENVIRONMENT.filters |= {
    "chart": draw_chart,
    "share": tell_share,
    "label": tell_label,
    "row_interval": tell_interval,
}
