"""The floors that estimators must keep in simulations, and where they do not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.simulating.runs import ADJUSTED, SIMPLE, STRATIFIED, Tally

REVIEWED_COVERAGE = 0.92  # of each label
ADJUSTED_COVERAGE, ADJUSTED_WORST = 0.90, 0.87  # mean over the labels, and the worst label, where the matrix holds
WIDEST = 1.3  # of the design's width


@dataclass(frozen=True)
class Floor:
    """One promise: how it is said, what was reached at worst, where, and the places where it was missed."""

    promise: str
    worst: str
    missed: tuple[str, ...]


def check_floors(tallies: Sequence[Tally]) -> tuple[Floor, ...]:
    """All promises, held against these tallies."""
    people = [tally for tally in tallies if tally.method.startswith((STRATIFIED, SIMPLE))]
    corrected = [tally for tally in tallies if tally.method == ADJUSTED]
    holding = [tally for tally in corrected if tally.holds]
    broken = [tally for tally in corrected if not tally.holds]
    return (
        _check_least("each label of reviewed shares is covered", _by_label(people, "coverage"), REVIEWED_COVERAGE),
        _check_widths([tally for tally in people if tally.method.startswith(STRATIFIED)]),
        _check_least(
            "adjusted shares are covered on average where the matrix holds",
            [(float(tally.coverage.mean()), _name(tally)) for tally in holding],
            ADJUSTED_COVERAGE,
        ),
        _check_least(
            "each label of adjusted shares is covered where the matrix holds",
            _by_label(holding, "coverage"),
            ADJUSTED_WORST,
        ),
        _check_least(
            "adjusted shares carry a warning where the matrix does not hold",
            [(tally.warned, _name(tally)) for tally in broken],
            1.0,
        ),
    )


def widths_of(tally: Tally) -> np.ndarray:
    """(K,) width over the design's, NaN of labels of which both ends are told in less than half of the runs."""
    return np.where(tally.told >= 0.5, tally.width / np.where(tally.design > 0, tally.design, np.nan), np.nan)


def _check_widths(tallies: Sequence[Tally]) -> Floor:
    found = [
        (float(ratio), f"{label}, {_name(tally)}")
        for tally in tallies
        for ratio, label in zip(widths_of(tally), tally.labels, strict=True)
        if not np.isnan(ratio)
    ]
    worst = max(found, default=(float("nan"), "nowhere"))
    missed = tuple(f"{ratio:.2f} times: {where}" for ratio, where in sorted(found, reverse=True) if ratio > WIDEST)
    promise = f"a stratified draw's intervals are at most {WIDEST} times as wide as its design's"
    return Floor(promise, f"{worst[0]:.2f} times ({worst[1]})", missed)


def _check_least(promise: str, found: Sequence[tuple[float, str]], least: float) -> Floor:
    worst = min(found, default=(float("nan"), "nowhere"))
    missed = tuple(f"{value:.1%}: {where}" for value, where in sorted(found) if value < least)
    return Floor(f"{promise} in at least {least:.0%} of the runs", f"{worst[0]:.1%} ({worst[1]})", missed)


def _by_label(tallies: Sequence[Tally], field: str) -> list[tuple[float, str]]:
    return [
        (float(value), f"{label}, {_name(tally)}")
        for tally in tallies
        for value, label in zip(getattr(tally, field), tally.labels, strict=True)
    ]


def _name(tally: Tally) -> str:
    return f"{tally.world}, {tally.size:,} faces, {tally.method}"
