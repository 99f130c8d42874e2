"""The bars of a report as numbers for SVG attributes: places along an axis in per cent of its length."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ml.reporting import numbers
from ml.shares.result import BOTH, COUNTED, LOWER, NEITHER, UPPER
from ml.surveying.report import Row, Table

STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25)
MOST_TICKS = 6
PLAIN_LABELS = {"more than 70": "70 and over", "Latino_Hispanic": "Latino / Hispanic"}


@dataclass(frozen=True)
class Bar:
    """One line of a chart; places are 0 to 100, None where nothing is to be drawn.

    `share` is the bar in front, `raw` the paler one behind, `low` and `high` the whisker, `from_` and `to` the
    sensitivity range; `ends` say which ends of the whisker are bounds. `hatched` bars are doubts, no labels.
    """

    label: str
    share: float | None
    raw: float | None
    low: float | None
    high: float | None
    from_: float | None
    to: float | None
    text: str
    interval: str
    counted: str
    ends: tuple[bool, bool] = (True, True)
    hatched: bool = False
    is_top: bool = False


@dataclass(frozen=True)
class Chart:
    """Bars along one axis from 0; `ticks` are places with their texts."""

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    is_corrected: bool
    has_range: bool


def draw_chart(table: Table) -> Chart:
    """The labels in their order, then what is doubtful: "cannot tell" of people, "unsure" of the model."""
    is_corrected = table.estimator != COUNTED
    step, end = choose_axis([*reach(table.rows), *([] if table.unsure is None else [table.unsure])])
    largest = max(row.share for row in table.rows if row.raw is not None)
    bars = [draw_bar(row, end=end, is_top=row.raw is not None and row.share == largest) for row in table.rows]
    if table.unsure is not None:
        bars.append(draw_unsure(table.unsure, end=end, is_corrected=is_corrected))
    return Chart(tuple(bars), mark_ticks(step, end=end), is_corrected, any(bar.to is not None for bar in bars))


def draw_unsure(share: float, *, end: float, is_corrected: bool) -> Bar:
    """The faces of which the model is unsure; they stand with the counted labels, since nothing corrects them."""
    told = tell_share(share)
    texts = ("", "", told) if is_corrected else (told, "", "")
    return Bar("model unsure", None, place(share, end=end), None, None, None, None, *texts, hatched=True)


def reach(rows: Iterable[Row]) -> list[float]:
    """All shares that a chart of these rows has to hold."""
    found = (value for row in rows for value in (row.share, row.raw, row.sensitivity_high, _told_high(row)))
    return [value for value in found if value is not None]


def mark_ticks(step: float, *, end: float) -> tuple[tuple[float, str], ...]:
    """The ticks of an axis, as places and whole per cent."""
    return tuple((100 * k * step / end, f"{100 * k * step:.0f}") for k in range(round(end / step) + 1))


def shorten(table: Table, *, count: int) -> Table:
    """The same with its largest labels only, in their order; what is doubtful stays."""
    largest = sorted((row for row in table.rows if row.raw is not None), key=lambda row: -row.share)[:count]
    return replace(table, rows=tuple(row for row in table.rows if row in largest))


def choose_axis(values: Sequence[float]) -> tuple[float, float]:
    """Distance of ticks and end of an axis from 0 that holds shares (0..1), with few round ticks."""
    largest = max(max(values, default=0.0), 0.02)
    for step in STEPS:
        count = math.ceil(round(largest / step, 6))
        if count <= MOST_TICKS:
            return step, min(1.0, count * step)
    return STEPS[-1], 1.0


def tell_share(share: float | None) -> str:
    """A share in whole per cent; small ones are never told as nothing."""
    if share is None or math.isnan(share):
        return numbers.NOTHING
    if 0 < share < 0.005:
        return "< 1 %"
    if 0.995 <= share < 1:
        return "> 99 %"
    return f"{100 * share:.0f} %"


def tell_interval(row: Row) -> str:
    """As "63 to 75"; only the end that may be told."""
    if row.low is None or row.high is None or row.bound == NEITHER:
        return ""
    if row.bound == UPPER:
        return f"at most {100 * row.high:.0f}"
    if row.bound == LOWER:
        return f"at least {100 * row.low:.0f}"
    digits = 1 if row.high - row.low < 0.015 else 0
    return f"{100 * row.low:.{digits}f} to {100 * row.high:.{digits}f}"


def tell_label(label: str) -> str:
    """A label as pages write it; cells of several are joined by commas."""
    parts = label.split(", ")
    return ", ".join(PLAIN_LABELS.get(part, part.replace("_", " ")) for part in parts)


def draw_bar(row: Row, *, end: float, is_top: bool = False, label: str = "") -> Bar:
    """A row along an axis that ends at the share `end`; `label` stands for its own where it is told elsewhere."""
    is_corrected = row.estimator != COUNTED
    is_both = row.bound == BOTH
    low = row.low if is_both or row.bound == LOWER else None
    return Bar(
        label=label or tell_label(row.label),
        share=place(row.share, end=end) if is_corrected else None,
        raw=place(row.raw, end=end),
        low=place(row.share if low is None and row.high is not None else low, end=end),
        high=place(_told_high(row), end=end),
        from_=place(row.sensitivity_low, end=end),
        to=place(row.sensitivity_high, end=end),
        text=tell_share(row.share),
        interval=tell_interval(row),
        counted=tell_share(row.raw) if row.raw is not None and is_corrected else "",
        ends=(row.bound in (BOTH, LOWER), row.bound in (BOTH, UPPER)),
        hatched=row.raw is None,
        is_top=is_top,
    )


def _told_high(row: Row) -> float | None:
    """Where the whisker ends: at the estimate itself where no upper bound may be told."""
    if row.high is None or row.bound == NEITHER:
        return None
    return row.share if row.bound == LOWER else row.high


def place(value: float | None, *, end: float) -> float | None:
    """Where a share lies along an axis from 0 to the share `end`, in per cent of its length."""
    return None if value is None else round(100 * max(0.0, min(value / end, 1.0)), 3)
