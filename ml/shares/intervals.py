"""Intervals of shares from an estimate and its variance, and what goes with them."""

import math

import numpy as np

from ml.shares.result import BOTH, LOWER, NEITHER, UPPER

Z_95 = 1.959963984540054  # the standard normal's 97.5 % point: two-sided intervals of 95 %
ROUNDING = 1e-12  # a share nearer than this to 0 or 1 is there: sums of broken weights do not come out even
LEAST_EACH = 5  # positives, and negatives, from which on both ends of an interval are told


def wilson(share: np.ndarray, *, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low and high end of shares (...) of `count` (...) examples, which may be broken, infinite or 0 (Wilson 1927).

    Of nothing all shares are possible; of infinitely many the interval has no width.
    """
    share, count = np.broadcast_arrays(np.asarray(share, float), np.asarray(count, float))
    square = Z_95**2
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(count > 0, 1 / count, np.inf)
        middle = (share + square * inverse / 2) / (1 + square * inverse)
        reach = Z_95 / (1 + square * inverse) * np.sqrt(share * (1 - share) * inverse + (square * inverse**2) / 4)
    low = np.where(count > 0, np.clip(middle - reach, 0, share), 0.0)
    high = np.where(count > 0, np.clip(middle + reach, share, 1), 1.0)
    return low, high


def round_ends(share: np.ndarray) -> np.ndarray:
    """Shares (...) with those that only rounding keeps from 0 or 1 put there.

    An interval by share (1 - share) / variance would take what is left for next to no example, and tell nothing.
    """
    upper: np.ndarray = np.where(share > 1 - ROUNDING, 1.0, share)
    return np.where(upper < ROUNDING, 0.0, upper)


def effective_wilson(share: np.ndarray, *, variance: np.ndarray, examined: float) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval with as many examples as the variance (...) amounts to: share (1 - share) / variance.

    At a share of 0 or 1 these are the `examined` ones. A variance of 0 brings no width (Korn and Graubard 1998).
    """
    share, variance = np.broadcast_arrays(np.asarray(share, float), np.asarray(variance, float))
    spread = np.maximum(share * (1 - share), 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        count = np.where(variance > 0, np.where(spread > 0, spread / variance, examined), np.inf)
    return wilson(share, count=count)


def tell_bounds(
    low: np.ndarray, high: np.ndarray, *, positives: np.ndarray, negatives: np.ndarray, exact: bool = False
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Only the upper bound under five positives (K,), only the lower one under five negatives; `exact`: both always."""
    if exact:
        return low, high, (BOTH,) * len(low)
    few, many = positives < LEAST_EACH, negatives < LEAST_EACH
    names = {(False, False): BOTH, (True, False): UPPER, (False, True): LOWER, (True, True): NEITHER}
    bounds = tuple(names[bool(a), bool(b)] for a, b in zip(few, many, strict=True))
    return np.where(few, 0.0, low), np.where(many, 1.0, high), bounds


def two_sided_p(z: np.ndarray) -> np.ndarray:
    """The probability of a standard normal farther from 0 than z (K,)."""
    return np.array([math.erfc(abs(value) / math.sqrt(2)) for value in np.atleast_1d(z)])


def holm(p_values: np.ndarray) -> np.ndarray:
    """P-values (K,) adjusted for their number (Holm 1979), in the order given; NaN stays and is not counted."""
    adjusted = np.array(p_values, dtype=float)
    known = np.flatnonzero(~np.isnan(adjusted))
    order = known[np.argsort(adjusted[known], kind="stable")]
    steps = np.arange(len(order), 0, -1) * adjusted[order]
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(order) else steps
    return adjusted
