"""Small multiples of a report: labels crossed, parts side by side or over time, two sets against each other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from ml.reporting.survey_bars import (
    Bar,
    Chart,
    choose_axis,
    draw_bar,
    draw_unsure,
    mark_ticks,
    place,
    reach,
    tell_interval,
    tell_label,
    tell_share,
)
from ml.shares.result import COUNTED
from ml.surveying.report import Comparison, Group, Report, Row, Table
from ml.surveying.survey import OTHERS

EMPTY = "(empty)"
TIME = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?")
FEWEST_TIMES = 3  # two moments are no course
MARGIN = 3.0  # per cent of a panel kept free at both sides, so that marks at its ends are whole


@dataclass(frozen=True)
class Grid:
    """Two attributes crossed: a bar in each cell, the second one's labels as columns; `rest` are no labels."""

    columns: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Bar | None, ...]], ...]
    rest: tuple[Bar, ...]
    chart: Chart


@dataclass(frozen=True)
class Panel:
    """One label, with a bar for each part of the collection."""

    title: str
    chart: Chart


@dataclass(frozen=True)
class Point:
    """A share at a moment: places in per cent of the panel from its left and top; `low` and `high` are its whisker."""

    x: float
    y: float
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True)
class Course:
    """One label over time; `summary` tells it to those who do not see it."""

    title: str
    points: tuple[Point, ...]
    summary: str


@dataclass(frozen=True)
class Courses:
    """Every label over time on the same axes: `ticks` are places from the top, `ends` the first and last moment."""

    courses: tuple[Course, ...]
    ticks: tuple[tuple[float, str], ...]
    ends: tuple[str, str]


@dataclass(frozen=True)
class Pair:
    """A label in two sets: its shares on one axis, and the difference with its interval on another, 50 being none."""

    label: str
    first: float
    second: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Pairs:
    """All labels of a comparison; `edge` is the difference (0..1) at both ends of its axis."""

    pairs: tuple[Pair, ...]
    ticks: tuple[tuple[float, str], ...]
    edge: float


@dataclass(frozen=True)
class Beside:
    """One attribute in two reports: both rows of each label, None where a report has it not; `end` is the axis' end."""

    title: str
    names: tuple[str, str]
    rows: tuple[tuple[str, tuple[Row | None, Row | None]], ...]
    end: float
    ticks: tuple[tuple[float, str], ...]


def lay_beside(first: Report, second: Report, *, names: tuple[str, str]) -> tuple[Beside, ...]:
    """The attributes that both reports tell in the same taxonomy."""
    parts = []
    others = {(table.name, table.taxonomy): table for table in second.tables}
    for table in first.tables:
        other = others.get((table.name, table.taxonomy))
        if other is None:
            continue
        step, end = choose_axis(reach([*table.rows, *other.rows]))
        labels = dict.fromkeys(row.label for row in (*table.rows, *other.rows))
        of = [{row.label: row for row in one.rows} for one in (table, other)]
        rows = tuple((tell_label(label), (of[0].get(label), of[1].get(label))) for label in labels)
        parts.append(Beside(table.name, names, rows, end, mark_ticks(step, end=end)))
    return tuple(parts)


def lay_so_far(table: Table, *, names: tuple[str, str]) -> Beside:
    """A table's own shares, and those of people's answers that are too few to make the headline."""
    step, end = choose_axis(reach([*table.rows, *table.beside]))
    own, said = ({row.label: row for row in rows} for rows in (table.rows, table.beside))
    rows = tuple((tell_label(label), (own.get(label), said.get(label))) for label in own | said)
    return Beside(table.name, names, rows, end, mark_ticks(step, end=end))


def lay_crossing(table: Table) -> Grid:
    """The rows of two attributes crossed ("White, Male") as a table of bars that share one axis.

    What is doubtful is no cell of it: were its bar on the same axis, it would leave the cells no room.
    """
    cells = [row for row in table.rows if ", " in row.label]
    step, end = choose_axis(reach(cells))
    names = [tuple(row.label.rpartition(", ")[::2]) for row in cells]
    found = {name: draw_bar(row, end=end) for name, row in zip(names, cells, strict=True)}
    columns = tuple(dict.fromkeys(last for _, last in names))
    heads = dict.fromkeys(first for first, _ in names)
    rest = [draw_bar(row, end=end) for row in table.rows if ", " not in row.label]
    is_corrected = table.estimator != COUNTED
    if table.unsure is not None:
        rest.append(draw_unsure(table.unsure, end=end, is_corrected=is_corrected))
    bars = (*found.values(), *rest)
    return Grid(
        columns=tuple(map(tell_label, columns)),
        lines=tuple((tell_label(head), tuple(found.get((head, last)) for last in columns)) for head in heads),
        rest=tuple(rest),
        chart=Chart(bars, mark_ticks(step, end=end), is_corrected, any(bar.to is not None for bar in bars)),
    )


def lay_parts(groups: Sequence[Group], *, name: str) -> tuple[Panel, ...]:
    """A panel for each label of an attribute, with a bar for each part that tells it; all on one axis.

    A folder that all parts lie in is left out of their names, which have little room.
    """
    told = _find_rows(groups, name=name)
    skipped = len(find_folder(groups))
    step, end = choose_axis(reach(row for rows in told.values() for _, row in rows))
    panels = []
    for label, rows in told.items():
        bars = tuple(draw_bar(row, end=end, label=_name(value, skipped=skipped)) for value, row in rows)
        is_corrected = any(row.estimator != COUNTED for _, row in rows)
        has_range = any(bar.to is not None for bar in bars)
        panels.append(Panel(tell_label(label), Chart(bars, mark_ticks(step, end=end), is_corrected, has_range)))
    return tuple(panels)


def find_folder(groups: Sequence[Group]) -> str:
    """The folder that the names of all parts begin with, its slash included; empty where there is none."""
    paths = [of.value.split("/")[:-1] for of in groups if of.value not in ("", OTHERS)]
    shared = takewhile(lambda level: len(set(level)) == 1, zip(*paths, strict=False)) if len(paths) > 1 else ()
    return "".join(f"{level[0]}/" for level in shared)


def _name(value: str, *, skipped: int) -> str:
    return value if value == OTHERS else value[skipped:] or EMPTY


def is_course(groups: Sequence[Group]) -> bool:
    """Whether the parts are years, months or days, so that they are drawn over time; one may have no date."""
    dated = [of for of in groups if of.value]
    return len(dated) >= FEWEST_TIMES and all(TIME.fullmatch(of.value) for of in dated)


def lay_courses(groups: Sequence[Group], *, name: str) -> Courses:
    """A line over time for each label of an attribute, all on the same axes. Parts without a date are in no line."""
    dated = sorted((of for of in groups if of.value), key=lambda of: of.value)
    first, last = _moment(dated[0].value), _moment(dated[-1].value)
    told = _find_rows(dated, name=name)
    step, end = choose_axis(reach(row for rows in told.values() for _, row in rows))
    courses = []
    for label, rows in told.items():
        points = tuple(
            _mark(row, x=(_moment(value) - first) / ((last - first) or 1), end=end, value=value) for value, row in rows
        )
        if points:
            courses.append(Course(tell_label(label), points, _summarise(label, rows=rows)))
    ticks = tuple((100 - at, text) for at, text in mark_ticks(step, end=end))[:: 1 if round(end / step) < 4 else 2]
    return Courses(tuple(courses), ticks, (dated[0].value, dated[-1].value))


def list_comparisons(report: Report) -> list[Comparison]:
    """The comparisons in the order of the attributes, whatever order a reference told them in."""
    order = [table.name for table in report.tables]
    return sorted(report.comparisons, key=lambda of: order.index(of.name) if of.name in order else len(order))


def lay_pairs(of: Comparison) -> Pairs:
    """Both shares of each label, and their difference with its interval."""
    step, end = choose_axis([share for row in of.rows for share in (row.first, row.second)])
    _, edge = choose_axis([abs(value) for row in of.rows for value in (row.low, row.high, row.difference)])
    pairs = [
        Pair(
            tell_label(row.label),
            place(row.first, end=end) or 0.0,
            place(row.second, end=end) or 0.0,
            *(round(50 + 50 * max(-1.0, min(v / edge, 1.0)), 3) for v in (row.difference, row.low, row.high)),
        )
        for row in of.rows
    ]
    return Pairs(tuple(pairs), mark_ticks(step, end=end), edge)


def _find_rows(groups: Sequence[Group], *, name: str) -> dict[str, list[tuple[str, Row]]]:
    """By label, the parts that tell it."""
    found: dict[str, list[tuple[str, Row]]] = {}
    for of in groups:
        for table in of.tables:
            if table.name == name:
                for row in table.rows:
                    found.setdefault(row.label, []).append((of.value, row))
    return found


def _moment(value: str) -> float:
    """A date as a number of years, so that gaps between dates are gaps on the page."""
    found = TIME.fullmatch(value)
    if found is None:
        raise ValueError(f"{value!r} is no year, month or day")
    year, month, day = (int(part or 1) for part in found.groups())
    return year + (month - 1) / 12 + (day - 1) / 372


def _mark(row: Row, *, x: float, end: float, value: str) -> Point:
    bar = draw_bar(row, end=end)
    share = place(row.share, end=end) or 0.0
    has_whisker = bar.low is not None and bar.high is not None
    low, high = (100 - at if at is not None and has_whisker else None for at in (bar.low, bar.high))
    interval = f" ({bar.interval})" if bar.interval else ""
    return Point(MARGIN + (100 - 2 * MARGIN) * x, 100 - share, low, high, f"{value}: {tell_share(row.share)}{interval}")


def _summarise(label: str, *, rows: Sequence[tuple[str, Row]]) -> str:
    """Where it begins, ends, and is lowest and highest."""

    def tell(one: tuple[str, Row]) -> str:
        interval = tell_interval(one[1])
        return f"{tell_share(one[1].share)}{f' ({interval})' if interval else ''} in {one[0]}"

    lowest, highest = min(rows, key=lambda one: one[1].share), max(rows, key=lambda one: one[1].share)
    return (
        f"{tell_label(label)}: {tell(rows[0])}, {tell(rows[-1])}; "
        f"lowest {tell(lowest)}, highest {tell(highest)}; {len(rows)} dates."
    )
