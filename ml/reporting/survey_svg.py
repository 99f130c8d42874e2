"""Charts of a report as SVG files that stand alone: in light colours, with their own words, for papers and slides."""

from typing import Any

from ml.reporting import rendering, survey_panels
from ml.reporting.survey_bars import Bar, Chart, draw_chart
from ml.reporting.survey_page import BASES, entitle, slug
from ml.surveying.report import Report, Table
from ml.surveying.words import NOT_PERSONS

WIDTH = 760
ROW = 30  # pixels of a bar with its whisker and range
HEAD = 104  # title, what it rests on, legend, heads of the numbers
FOOT = 64
PANEL_WIDTH, PANEL_HEIGHT = 232, 96
PANEL_GAP = 60
PANELS_A_LINE = 3


def name_charts(report: Report) -> dict[str, str]:
    """What each chart is called in addresses and names of files, and what in sentences."""
    tables = (*report.tables, *report.crossings)
    found = {slug(table.name): entitle(table.name) for table in tables}
    if report.groups:
        found |= {
            slug(f"{table.name} by {report.grouped_by}"): f"{entitle(table.name)} by {report.grouped_by}"
            for table in report.tables
        }
    return found


def draw_chart_file(report: Report, *, name: str) -> str:
    """The chart of this name. Raises KeyError where the report has none."""
    for table in (*report.tables, *report.crossings):
        if slug(table.name) == name:
            return _draw_table(report, table=table)
    for table in report.tables:
        if report.groups and slug(f"{table.name} by {report.grouped_by}") == name:
            return _draw_parts(report, table=table)
    raise KeyError(name)


def _draw_table(report: Report, *, table: Table) -> str:
    chart = draw_chart(table)
    return _render(report, table=table, title=f"{entitle(table.name)}, as perceived", charts=[("", chart)])


def _draw_parts(report: Report, *, table: Table) -> str:
    title = f"{entitle(table.name)} by {report.grouped_by}, as perceived"
    if not survey_panels.is_course(report.groups):
        panels = survey_panels.lay_parts(report.groups, name=table.name)
        folder = survey_panels.find_folder(report.groups)
        title += f", in {folder}" if folder else ""
        return _render(report, table=table, title=title, charts=[(panel.title, panel.chart) for panel in panels])
    drawn = survey_panels.lay_courses(report.groups, name=table.name)
    lines = -(-len(drawn.courses) // PANELS_A_LINE)
    height = HEAD + lines * (PANEL_HEIGHT + PANEL_GAP) + FOOT - 24
    places = [
        (44 + k % PANELS_A_LINE * (PANEL_WIDTH + 14), HEAD + 20 + k // PANELS_A_LINE * (PANEL_HEIGHT + PANEL_GAP))
        for k in range(len(drawn.courses))
    ]
    frame = _frame(report, table=table, title=title, height=height)
    size = {"panel_width": PANEL_WIDTH - 44, "panel_height": PANEL_HEIGHT}
    return rendering.render("survey_courses.svg", drawn=drawn, places=places, **frame, **size)


def _render(report: Report, *, table: Table, title: str, charts: list[tuple[str, Chart]]) -> str:
    """Charts below one another, each with its axis; a heading only where there are several."""
    tops, at = [], float(HEAD)
    for heading, chart in charts:
        at += 26 if heading else 0
        tops.append(at)
        at += ROW * len(chart.bars) + 30
    frame = _frame(report, table=table, title=title, height=round(at) + FOOT - 30)
    bars: list[Bar] = [bar for _, chart in charts for bar in chart.bars]
    longest = max(len(bar.label) for bar in bars)
    name_width = min(max(110, 7.4 * longest + 12), 300)
    return rendering.render(
        "survey_bars.svg",
        charts=[(heading, chart, top) for (heading, chart), top in zip(charts, tops, strict=True)],
        name_width=name_width,
        bar_width=WIDTH - 40 - name_width - 200,
        row=ROW,
        is_corrected=any(chart.is_corrected for _, chart in charts),
        has_range=any(chart.has_range for _, chart in charts),
        **frame,
    )


def _frame(report: Report, *, table: Table, title: str, height: int) -> dict[str, Any]:
    faces = "one face" if table.faces == 1 else f"{table.faces:,} faces"
    rests = table.assumption or BASES[table.estimator]
    return {
        "width": WIDTH,
        "height": height,
        "title": title,
        "subtitle": f"{_shorten(report.source)} · {faces} · {rests}",
        "note": f"{NOT_PERSONS.partition(':')[0]}. {report.model.name}, "
        f"{report.created_at:%-d %B %Y}. Taxonomy {table.taxonomy}. Drawn by Facet.",
    }


def _shorten(text: str, *, longest: int = 48) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
