"""Sets of labels that hold the right one as often as is said: split conformal prediction, label by label."""

import math
from collections.abc import Sequence

import numpy as np

from ml.calibration import SetRule

COVERAGE = 0.90
DIGITS = 5  # of a stored probability

Way = tuple[np.ndarray, np.ndarray]  # probabilities (n, G) and the places of the right labels (n,)


def fit_rule(ways: Sequence[Way], *, names: Sequence[str]) -> SetRule:
    """The least probability of each label over which COVERAGE of the faces labelled so lie, in each way.

    Of n faces with a label, the one of rank floor((n + 1)(1 - COVERAGE)) from below tells it; of too few the label is
    in every set (Vovk 2012, label-conditional conformal predictors; Sadinle, Lei and Wasserman 2019).
    """
    least = {}
    for place, name in enumerate(names):
        found = [_find_least(vectors[actual == place, place]) for vectors, actual in ways]
        least[name] = math.floor(min(found) * 10**DIGITS) / 10**DIGITS
    return SetRule(COVERAGE, least)


def _find_least(probabilities: np.ndarray) -> float:
    rank = math.floor((len(probabilities) + 1) * (1 - COVERAGE) + 1e-9)
    return float(np.sort(probabilities)[rank - 1]) if rank else 0.0
