"""The report of a collection as one HTML page: no script, nothing fetched, light and dark, printable."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ml.reporting import frame, rendering, survey_panels
from ml.reporting.survey_bars import Chart, choose_axis, draw_chart, place, tell_interval, tell_label, tell_share
from ml.shares.result import ADJUSTED, COUNTED, REVIEWED
from ml.surveying.report import Report, Table
from ml.surveying.words import NOT_PERSONS

STYLE = (Path(__file__).parent / "styles" / "survey.css").read_text(encoding="utf-8")
PARTS = "_survey_parts.html"
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
    frame_of = {"style": frame.STYLE + STYLE, "policy": frame.POLICY, "mark": frame.MARK, "not_persons": NOT_PERSONS}
    return rendering.render("survey.html", **frame_of, **_lay_body(report))


def write_body(report: Report, *, drawings: Mapping[str, str] | None = None, mistakes: str = "") -> Markup:
    """What stands under the heading, for a page of somebody else's that has `STYLE`, a pattern `hatch`, and a script
    that copies what `data-copy` names.

    `drawings` are addresses of the charts as SVG, by the names that `survey_svg.list_charts` tells. `mistakes` is that
    of a page which shows, at `#mistakes-ATTRIBUTE`, faces of which people say something else than the model.
    """
    values = _lay_body(report, drawings=drawings, mistakes=mistakes, can_copy=True)
    return Markup(rendering.render("_survey_body.html", **values))  # noqa: S704  # its text is escaped


def write_chart(table: Table, *, compact: bool = False, beside: Iterable[Table] = ()) -> Markup:
    """The bars of one table, on the axis of those that it stands beside."""
    return rendering.call(PARTS, "rows", draw_chart(table, beside=beside), compact)


def write_beside(part: survey_panels.Beside) -> Markup:
    """One attribute of two reports beside each other."""
    return rendering.call(PARTS, "beside", part)


def write_legend(chart: Chart) -> Markup:
    """What bars, whiskers and hatches of a chart mean."""
    return rendering.call(PARTS, "legend", chart)


def write_numbers(table: Table) -> Markup:
    """The table behind a chart."""
    return rendering.call(PARTS, "table_of", table)


def _lay_body(
    report: Report, *, drawings: Mapping[str, str] | None = None, mistakes: str = "", can_copy: bool = False
) -> dict[str, Any]:
    return {
        "report": report,
        "bases": BASES,
        "measures": MEASURES,
        "grid": lay_cells(report.cells) if report.cells else None,
        "plan": lay_plan(report),
        "drawings": defaultdict(str, drawings or {}),
        "mistakes": mistakes,
        "can_copy": can_copy,
    }


def entitle(name: str) -> str:
    """What a heading calls an attribute."""
    return TITLES.get(name, name.replace("_", " ").replace(" x ", " and ").capitalize())


def list_sections(report: Report) -> list[tuple[str, str]]:
    """The places of a report's page, in their order: the id of each heading and what a list of contents calls it."""
    tables = [(f"of-{place}", entitle(table.name)) for place, table in enumerate(report.tables, start=1)]
    crossed = [(f"crossed-{place}", entitle(table.name)) for place, table in enumerate(report.crossings, start=1)]
    against = report.comparisons[0].against if report.comparisons else ""
    others = (
        ("cells", "All of it crossed", report.cells is not None),
        ("groups", f"By {report.grouped_by}", report.groups),
        ("against", f"Against {against}", against),
        ("photos", "In how many photos", report.photos_with),
        ("sizes", "How large", report.widths),
        ("here", "What people said", report.reviewing),
        ("plan", "What reviews would bring", report.plan),
        ("quality", "Quality, left out", True),
        ("methods", "Methods", True),
    )
    return [*tables, *crossed, *((name, title) for name, title, is_told in others if is_told)]


def slug(name: str) -> str:
    """A name as addresses and files have it: letters, digits and dashes."""
    return "-".join("".join(letter if letter.isalnum() else " " for letter in name).lower().split())


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


def end_axis(rows: Sequence[Any], name: str) -> float:
    """The share at which an axis ends that holds this field of all rows."""
    return choose_axis([value for row in rows if (value := getattr(row, name)) is not None])[1]


rendering.ENVIRONMENT.filters |= {
    "chart": draw_chart,
    "crossing": survey_panels.lay_crossing,
    "so_far": lambda table: survey_panels.lay_so_far(table, names=(BASES[table.estimator], "people so far")),
    "parts": lambda groups, name: survey_panels.lay_parts(groups, name=name),
    "shared_folder": survey_panels.find_folder,
    "courses": lambda groups, name: survey_panels.lay_courses(groups, name=name),
    "is_course": survey_panels.is_course,
    "comparisons": survey_panels.list_comparisons,
    "pairs": survey_panels.lay_pairs,
    "along": lambda value, end: place(value, end=end),
    "axis_end": end_axis,
    "entitle": entitle,
    "slug": slug,
    "share": tell_share,
    "label": tell_label,
    "row_interval": tell_interval,
}
