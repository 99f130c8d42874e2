"""Differences between groups: worst to best, demographic parity and equalised odds (the last two by fairlearn)."""

import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference

from ml.measuring.tables import Difference, Gap, Rates, Share
from ml.metrics import shorten

# A rate among fewer faces says nothing, and the largest difference between groups would be made of such rates.
MIN_FACES = 10

Measure = Callable[..., float]


def find_gap(shares: Mapping[str, Share]) -> Gap | None:
    """Worst to best of groups; None where fewer than two have MIN_FACES."""
    counted = {
        name: share.accuracy for name, share in shares.items() if share.n >= MIN_FACES and share.accuracy is not None
    }
    if len(counted) < 2:
        return None
    worst, best = min(counted, key=lambda name: counted[name]), max(counted, key=lambda name: counted[name])
    return Gap(
        worst=worst,
        worst_accuracy=counted[worst],
        best=best,
        best_accuracy=counted[best],
        gap=shorten(counted[best] - counted[worst]),
    )


def compare_rates(predicted: np.ndarray, actual: np.ndarray, *, names: Sequence[str], groups: np.ndarray) -> Rates:
    """Both differences over `groups` (N,), -1 where unknown, each class of `names` against all others.

    Demographic parity: by how much the share of faces that are given a class differs between groups. Equalised odds:
    the same among faces labelled so, and among the others; the larger of the two. Each is the largest over the
    classes; None where fewer than two groups have MIN_FACES, for the odds on either side of the label.
    """
    # Of two classes the differences are the same.
    classes = [len(names) - 1] if len(names) == 2 else range(len(names))
    parity, odds = {}, {}
    for place in classes:
        said, true = predicted == place, actual == place
        parity[names[place]] = _difference(
            demographic_parity_difference, true, said, kept=_large(groups, [groups >= 0]), groups=groups
        )
        odds[names[place]] = _difference(
            equalized_odds_difference, true, said, kept=_large(groups, [true, ~true]), groups=groups
        )
    return Rates(demographic_parity=_largest(parity), equalised_odds=_largest(odds))


def _large(groups: np.ndarray, sides: Sequence[np.ndarray]) -> list[int]:
    """The groups with MIN_FACES on each of these sides (N,) bool."""
    known = [int(group) for group in np.unique(groups) if group >= 0]
    return [group for group in known if all((side & (groups == group)).sum() >= MIN_FACES for side in sides)]


def _difference(
    measure: Measure, true: np.ndarray, said: np.ndarray, *, kept: Sequence[int], groups: np.ndarray
) -> float | None:
    if len(kept) < 2:
        return None
    among = np.isin(groups, kept)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, of classes that occur once
        value = measure(true[among], said[among], sensitive_features=groups[among])
    return shorten(value)


def _largest(by_class: dict[str, float | None]) -> Difference | None:
    known = {name: value for name, value in by_class.items() if value is not None}
    if not known:
        return None
    most = max(known, key=lambda name: known[name])
    return Difference(value=known[most], of_class=most, by_class=by_class)
