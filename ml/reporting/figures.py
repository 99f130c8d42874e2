"""Figures of the reports: quiet matplotlib drawings on white, the same on a light and on a dark page."""

import io
import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from PIL import Image

from ml import metrics
from ml.measuring.tables import Bin

INK, QUIET, LINE, ACCENT, SOFT = "#16201f", "#52615f", "#d8dfde", "#0f6f6a", "#9fcac6"
# Okabe and Ito's colours, which people with any colour vision tell apart; the yellow comes last, it is weak on white.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#c8b900")
DOTS_PER_INCH = 144
COLOURS = 128  # of a PNG: nobody sees the difference, and it is a quarter of the size
FEW_IMAGES = 10  # a bin with fewer says nearly nothing: it is drawn hollow, and the line does not go there
_SHADES = LinearSegmentedColormap.from_list("teal", ("#ffffff", SOFT, ACCENT))
_DARK_CELL = 0.62  # over this share of the darkest shade a cell's number is white


def confusion(
    counts: np.ndarray | Sequence[Sequence[int]], *, names: Sequence[str], percent: bool, title: str
) -> Figure:
    """A confusion matrix (K, K): rows are labels, columns predictions; `percent` shows shares of each row instead."""
    counts = np.asarray(counts, dtype=float)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    side = 2.4 + 0.62 * len(names)
    figure, axes = _one_panel((side + 0.6, side), title=title)
    axes.imshow(shares, cmap=_SHADES, vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        told = f"{100 * shares[row, column]:.0f}" if percent else f"{counts[row, column]:,.0f}"
        colour = "#ffffff" if shares[row, column] > _DARK_CELL else INK if counts[row, column] else "#a9b5b3"
        weight = "bold" if row == column else "normal"
        axes.text(column, row, told, ha="center", va="center", color=colour, fontsize=9, fontweight=weight)
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted" + (", % of the row" if percent else ", images"))
    axes.set_ylabel("labelled")
    axes.set_xticks(np.arange(0.5, len(names) - 1), minor=True)
    axes.set_yticks(np.arange(0.5, len(names) - 1), minor=True)
    axes.grid(which="minor", color="#ffffff", linewidth=2)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    return figure


def reliability(
    confidence_bins: Sequence[float | None],
    accuracy_bins: Sequence[float | None],
    counts: Sequence[int],
    *,
    title: str,
) -> Figure:
    """Mean top probability against accuracy in each bin, with 95 % Wilson intervals, over the number of images.

    The lists are bin by bin; bins without an image may hold None or nan.
    """
    figure = _figure((5.2, 5.6), title=title)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    _draw_reliability(upper, lower, _numbers(confidence_bins), _numbers(accuracy_bins), np.asarray(counts, dtype=int))
    return figure


def reliabilities(bins: Mapping[str, Sequence[Bin]]) -> Figure:
    """The same for several at once, by their titles."""
    figure = Figure(figsize=(3.6 * len(bins), 4.2), layout="constrained", facecolor="white")
    panels = figure.subplots(2, len(bins), sharex=True, squeeze=False, height_ratios=(4, 1))
    for (title, rows), upper, lower in zip(bins.items(), *panels, strict=True):
        confidence, accuracy = _numbers([row.confidence for row in rows]), _numbers([row.accuracy for row in rows])
        _draw_reliability(upper, lower, confidence, accuracy, np.array([row.n for row in rows], dtype=int))
        upper.set_title(title, loc="left", fontsize=11, color=INK)
    return figure


def coverage(shares: Sequence[float], accuracies: Sequence[float | None], *, title: str) -> Figure:
    """The accuracy among the surest share of the images; both in 0..1."""
    x, y = _numbers(shares), _numbers(accuracies)
    figure, axes = _one_panel((5.6, 3.8), title=title)
    axes.plot(x, y, color=ACCENT, linewidth=2, marker="o" if len(x) <= 25 else None, markersize=4)
    axes.set_xlabel("share of the images that get an answer, the surest first")
    axes.set_ylabel("share of the answers that is right")
    axes.set_xlim(0, 1.02)
    lowest = float(np.nanmin(y)) if np.isfinite(y).any() else 0.0
    axes.set_ylim(max(0.0, math.floor(10 * lowest - 0.5) / 10), 1.005)
    axes.yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))  # whole per cent
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    _quiet(axes)
    return figure


def bars(
    names: Sequence[str],
    values: Sequence[float | None],
    low: Sequence[float | None] | None = None,
    high: Sequence[float | None] | None = None,
    *,
    title: str,
    unit: str = "%",
) -> Figure:
    """One horizontal bar a name, from top to bottom, with a whisker from `low` to `high` and the number at its end.

    With the unit `%` the values are shares in 0..1; with another one they are drawn as they are.
    """
    factor, digits = (100.0, 1) if unit == "%" else (1.0, 2)
    widths = factor * _numbers(values)
    from_, to = (factor * _numbers(values if ends is None else ends) for ends in (low, high))
    figure, axes = _one_panel((5.6, 1.3 + 0.34 * len(names)), title=title)
    places = [float(place) for place in range(len(names))]
    axes.barh(places, np.nan_to_num(widths), height=0.62, color=SOFT)
    axes.hlines(places, from_, to, color=ACCENT, linewidth=2)
    ends = np.nan_to_num(np.fmax(widths, to))
    reach = max(float(ends.max(initial=0.0)), 1e-9)
    for place, width, end in zip(places, widths, ends, strict=True):
        told = "–" if math.isnan(width) else f"{width:.{digits}f} {unit}".rstrip()
        axes.text(max(0.0, end) + 0.012 * reach, place, told, va="center", fontsize=9, color=INK)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    lowest = min(0.0, float(np.nanmin(np.append(widths, from_), initial=0.0)))
    axes.set_xlim(1.05 * lowest, 1.16 * reach)
    axes.set_xlabel(unit)
    _quiet(axes, grid="x")
    axes.tick_params(axis="y", length=0)
    return figure


def differences(
    names: Sequence[str],
    values: Sequence[float | None],
    low: Sequence[float | None],
    high: Sequence[float | None],
    *,
    title: str,
) -> Figure:
    """Differences of shares (-1..1) as points with intervals around a line at nothing, in percentage points."""
    middle, from_, to = (100 * _numbers(ends) for ends in (values, low, high))
    figure, axes = _one_panel((5.6, 1.3 + 0.34 * len(names)), title=title)
    places = [float(place) for place in range(len(names))]
    axes.axvline(0, color=QUIET, linewidth=1)
    axes.hlines(places, from_, to, color=SOFT, linewidth=5)
    axes.plot(middle, places, color=ACCENT, marker="o", markersize=5, linestyle="none")
    known = np.abs(np.concatenate([middle, from_, to]))
    reach = 1.1 * max(1.0, float(np.nanmax(known, initial=0.0)))
    axes.set_xlim(-reach, reach)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(places, names)
    axes.set_xlabel("percentage points")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:+g}" if x else "0")
    _quiet(axes, grid="x")
    axes.tick_params(axis="y", length=0)
    return figure


def curves(
    rows: Sequence[Mapping[str, float]], *, panels: Mapping[str, Mapping[str, str]], percent: Collection[str] = ()
) -> Figure:
    """Lines over the epochs; what a row lacks is a gap. The x axis is `epoch`, or the row.

    `panels` tell by title which columns are drawn and what they are called; those in `percent` hold shares 0..1.
    """
    x = [row.get("epoch", number) for number, row in enumerate(rows, start=1)]
    across = min(2, max(1, len(panels)))
    down = max(1, math.ceil(len(panels) / across))
    figure = Figure(figsize=(5.2 * across, 4.2 * down), layout="constrained", facecolor="white")
    places = figure.subplots(down, across, squeeze=False).flatten()
    for axes in places[len(panels) :]:
        axes.set_visible(False)
    for axes, (title, columns) in zip(places, panels.items(), strict=False):
        for number, (column, name) in enumerate(columns.items()):
            y = _numbers([row.get(column) for row in rows])
            colour = ACCENT if len(columns) == 1 else SERIES[number % len(SERIES)]
            style = ("-", (0, (4, 2)))[number // len(SERIES) % 2]
            axes.plot(x, y, color=colour, linestyle=style, linewidth=1.8, marker="o", markersize=3, label=name)
        axes.set_title(title, loc="left", fontsize=11, color=INK)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if title in percent:
            axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        if columns:
            axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16), ncols=2, frameon=False, fontsize=8, labelcolor=INK)
        _quiet(axes)
    return figure


def as_png(figure: Figure, *, dots_per_inch: int = DOTS_PER_INCH, is_photo: bool = False) -> bytes:
    """The drawing as a small PNG, with a palette unless it shows a photo; the same figure gives the same bytes."""
    drawn, content = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dots_per_inch, facecolor="white")
    with Image.open(drawn) as picture:
        flat = picture.convert("RGB")
    if not is_photo:
        flat = flat.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    flat.save(content, "PNG", optimize=True)
    return content.getvalue()


def _draw_reliability(
    upper: Axes, lower: Axes, confidence: np.ndarray, accuracy: np.ndarray, images: np.ndarray
) -> None:
    some = (images > 0) & np.isfinite(confidence) & np.isfinite(accuracy)
    x, y, n = confidence[some], accuracy[some], images[some]
    upper.plot((0, 1), (0, 1), color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
    upper.text(1.0, 0.03, "dashed: as often right as it is sure", fontsize=8, color=QUIET, ha="right")
    for place, share, count in zip(x, y, n, strict=True):
        whisker = metrics.wilson_interval(round(share * count), int(count))
        upper.plot((place, place), whisker, color=SOFT, linewidth=3, solid_capstyle="butt")
    many = n >= FEW_IMAGES
    upper.plot(x[many], y[many], color=ACCENT, linewidth=1.5, marker="o", markersize=5)
    upper.plot(x[~many], y[~many], color=ACCENT, linestyle="none", marker="o", markersize=5, markerfacecolor="white")
    upper.set_ylabel("share that is right")
    upper.set_ylim(0, 1.02)
    lower.bar(x, n, width=0.8 / max(1, len(images)), color=SOFT)
    lower.set_ylabel("images")
    lower.set_xlabel("probability of the model's guess")
    lower.set_xlim(0, 1.02)
    lower.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    for axes in (upper, lower):
        _quiet(axes)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    upper.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))


def _figure(size: tuple[float, float], *, title: str) -> Figure:
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    figure.suptitle(title, x=0.012, ha="left", fontsize=11, color=INK)
    return figure


def _one_panel(size: tuple[float, float], *, title: str) -> tuple[Figure, Axes]:
    figure = _figure(size, title=title)
    return figure, figure.subplots()


def _quiet(axes: Axes, *, grid: str = "both") -> None:
    """Hairlines instead of a box, grey ticks, the grid behind."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    axes.tick_params(colors=QUIET, labelsize=9)
    for label in (*axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label):
        label.set_color(INK)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(9)
    axes.grid(axis=grid, color=LINE, linewidth=0.6)  # type: ignore[arg-type] # its stubs want a literal
    axes.set_axisbelow(True)


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([math.nan if value is None else float(value) for value in values], dtype=float)
