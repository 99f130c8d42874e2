"""The two pictures of docs/statistics.md."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ml.simulating.real import RealTally
from ml.simulating.runs import ADJUSTED, COUNTED, SIMPLE, STRATIFIED, Tally

INK, QUIET, LINE = "#16201f", "#52615f", "#d8dfde"
# Method -> colour and mark: readable without colour too.
STYLES = {
    COUNTED: ("#8a9694", "x", "counted labels"),
    ADJUSTED: ("#d55e00", "s", "adjusted"),
    f"{STRATIFIED}, 300": ("#0f6f6a", "o", "300 reviews, stratified"),
    f"{SIMPLE}, 300": ("#0072b2", "^", "300 reviews, simple draw"),
}


def draw_coverage(tallies: Sequence[Tally], *, size: int) -> Figure:
    """How often the intervals of each method hold the truth: the mean over the labels, and a line to the worst."""
    names = list(dict.fromkeys(tally.world for tally in tallies))
    figure = Figure(figsize=(8.4, 0.62 * len(names) + 1.5), layout="constrained")
    axes = figure.subplots()
    axes.axvline(95, color=INK, linewidth=1)
    offsets = np.linspace(-0.27, 0.27, len(STYLES))
    for offset, (method, (colour, mark, label)) in zip(offsets, STYLES.items(), strict=True):
        found = [tally for tally in tallies if tally.method == method and tally.size == size]
        places = np.array([names.index(tally.world) for tally in found]) + offset
        mean = np.array([100 * tally.coverage.mean() for tally in found])
        worst = np.array([100 * tally.coverage.min() for tally in found])
        axes.hlines(places, worst, mean, color=colour, linewidth=1.4, alpha=0.6)
        axes.plot(mean, places, mark, color=colour, label=label, markersize=6)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(-2, 102)
    axes.set_xlabel(f"95 % intervals that hold the true share, %, mean and worst group ({size:,} faces)")
    _quieten(axes)
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return figure


def draw_variation(tallies: Sequence[RealTally], *, scheme: str) -> Figure:
    """Total variation between answer and truth, by set and method."""
    found = [tally for tally in tallies if tally.scheme == scheme]
    names = list(dict.fromkeys(tally.mixture for tally in found))
    methods = list(dict.fromkeys(tally.method for tally in found))
    styles = dict(zip(methods, [("#c5cdcb", ""), ("#d55e00", "//"), ("#7fb8b4", ".."), ("#0f6f6a", "")], strict=False))
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(methods)
    for turn, method in enumerate(methods):
        own = {tally.mixture: 100 * tally.variation for tally in found if tally.method == method}
        places = np.array([names.index(name) for name in own]) + (turn - (len(methods) - 1) / 2) * width
        colour, hatch = styles[method]
        label = {"counted": "counted labels"}.get(method, method)
        bars = axes.bar(
            places, list(own.values()), width * 0.92, color=colour, hatch=hatch, edgecolor="white", label=label
        )
        axes.bar_label(bars, fmt="%.0f", fontsize=8, color=QUIET, padding=1)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel(f"points off in {scheme} (total variation)")
    _quieten(axes)
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return figure


def save(figure: Figure, path: Path) -> None:
    """As PNG without a date in it, so that the same figures make the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def _quieten(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    axes.tick_params(colors=QUIET, length=0)
