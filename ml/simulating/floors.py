"""The floors that estimators must keep in simulations, and where they do not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ml.simulating.runs import ADJUSTED, SIMPLE, STRATIFIED, Tally

REVIEWED_COVERAGE = 0.92  # of each label
ADJUSTED_COVERAGE, ADJUSTED_WORST = 0.90, 0.87  # mean over the labels, and the worst label, where the matrix holds
WIDEST = 1.3  # of the design's width


@dataclass(frozen=True)
class Floor:
    """One promise: how it is said, what was reached at worst and where, and the places where it was missed.

    `checked` is how many were looked at; `largest` the largest true share (0..1) of a label that missed.
    """

    promise: str
    worst: str
    checked: int
    missed: tuple[str, ...]
    largest: float


def check_floors(tallies: Sequence[Tally]) -> tuple[Floor, ...]:
    """All promises, held against these tallies."""
    people = [tally for tally in tallies if tally.method.startswith((STRATIFIED, SIMPLE))]
    corrected = [tally for tally in tallies if tally.method == ADJUSTED]
    holding = [tally for tally in corrected if tally.holds]
    broken = [tally for tally in corrected if not tally.holds]
    return (
        _check_least("each label of reviewed shares is covered", _by_label(people), REVIEWED_COVERAGE),
        _check_widths(people),
        _check_least(
            "adjusted shares are covered on average where the matrix holds",
            [_Found(float(tally.coverage.mean()), 1.0, _name(tally)) for tally in holding],
            ADJUSTED_COVERAGE,
        ),
        _check_least(
            "each label of adjusted shares is covered where the matrix holds",
            _by_label(holding),
            ADJUSTED_WORST,
        ),
        _check_least(
            "adjusted shares carry a warning where the matrix does not hold",
            [_Found(tally.warned, 1.0, _name(tally)) for tally in broken],
            1.0,
        ),
    )


def widths_of(tally: Tally) -> np.ndarray:
    """(K,) width over the design's, NaN of labels of which both ends are told in less than half of the runs."""
    return np.where(tally.told >= 0.5, tally.width / np.where(tally.design > 0, tally.design, np.nan), np.nan)


def _check_widths(tallies: Sequence[Tally]) -> Floor:
    found = [
        _Found(float(ratio), float(truth), f"{label}, {_name(tally)}")
        for tally in tallies
        for ratio, truth, label in zip(widths_of(tally), tally.truth, tally.labels, strict=True)
        if not np.isnan(ratio)
    ]
    promise = f"intervals of reviewed shares are at most {WIDEST} times as wide as their design's"
    over = sorted((one for one in found if one.value > WIDEST), key=lambda one: -one.value)
    worst = max(found, key=lambda one: one.value, default=_NOTHING)
    return _make(promise, worst=worst, count=len(found), missed=over, form="{:.2f} times".format)


def _check_least(promise: str, found: Sequence["_Found"], least: float) -> Floor:
    under = sorted((one for one in found if one.value < least), key=lambda one: one.value)
    worst = min(found, key=lambda one: one.value, default=_NOTHING)
    promise = f"{promise} in {'all' if least == 1 else f'at least {least:.0%} of the'} runs"
    return _make(promise, worst=worst, count=len(found), missed=under, form="{:.1%}".format)


@dataclass(frozen=True)
class _Found:
    """What was reached, by a label of what true share, and where."""

    value: float
    truth: float
    where: str


_NOTHING = _Found(float("nan"), float("nan"), "nowhere")


def _make(promise: str, *, worst: _Found, count: int, missed: Sequence[_Found], form: Callable[[float], str]) -> Floor:
    return Floor(
        promise=promise,
        worst=f"{form(worst.value)} ({worst.where})",
        checked=count,
        missed=tuple(f"{form(one.value)}: {one.where}" for one in missed),
        largest=max((one.truth for one in missed), default=float("nan")),
    )


def _by_label(tallies: Sequence[Tally]) -> list[_Found]:
    return [
        _Found(float(value), float(truth), f"{label}, {_name(tally)}")
        for tally in tallies
        for value, truth, label in zip(tally.coverage, tally.truth, tally.labels, strict=True)
    ]


def _name(tally: Tally) -> str:
    return f"{tally.world}, {tally.size:,} faces, {tally.method}"
