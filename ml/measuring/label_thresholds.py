"""The least probability at which a label may be called sure, fitted to faces whose labels are known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

LEAST_SURE = 50  # faces over a threshold, in each way, without which it would rest on luck
BOUND_CONFIDENCE = 0.90  # of the one-sided bound of a precision
SLACK = 0.05  # how far that bound may lie under the target
STEPS = tuple(step / 100 for step in range(50, 100))  # what is less likely than not is never called sure

Way = tuple[np.ndarray, np.ndarray]  # of the faces called one label: probabilities (n,), and whether it is right (n,)


@dataclass(frozen=True)
class LabelThreshold:
    """From which probability a label is sure, None: never.

    `faces`, `precision` and its lower `bound` are those over the threshold in the way that is worst; where it is never
    sure, those at the threshold that came closest, precision and bound being nan of no face.
    """

    value: float | None
    faces: int
    precision: float
    bound: float


def bound_below(right: int, count: int) -> float:
    """The one-sided lower bound of a share, `right` of `count` (Clopper and Pearson 1934); nan of nothing.

    It is under the true share in BOUND_CONFIDENCE of all samples or more.
    """
    if count == 0:
        return math.nan
    return float(beta.ppf(1 - BOUND_CONFIDENCE, right, count - right + 1)) if right else 0.0


def fit_label(ways: Sequence[Way], *, target: float) -> LabelThreshold:
    """The lowest threshold from 0.5 on, in steps of 0.01, over which the label is right often enough in each way.

    That is: LEAST_SURE faces or more, a precision of at least `target`, and its bound not under `target` - SLACK.
    """
    best = LabelThreshold(None, 0, math.nan, math.nan)
    for value in STEPS:
        worst = min((_look(*way, value=value) for way in ways), key=_rank)
        if worst.faces < LEAST_SURE:
            return best if best.faces else worst
        if worst.precision >= target and worst.bound >= target - SLACK:
            return LabelThreshold(value, worst.faces, worst.precision, worst.bound)
        best = max(best, worst, key=_rank)
    return best


def _look(confidence: np.ndarray, right: np.ndarray, *, value: float) -> LabelThreshold:
    kept = right[confidence >= value]
    count, good = len(kept), int(kept.sum())
    return LabelThreshold(None, count, good / count if count else math.nan, bound_below(good, count))


def _rank(found: LabelThreshold) -> tuple[bool, float]:
    """Few faces are worse than any bound."""
    return found.faces >= LEAST_SURE, -1.0 if math.isnan(found.bound) else found.bound
