"""Two collections, or one and reference shares: how far apart, how sure, and how large that is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ml.shares import intervals, resampling
from ml.shares.errors import BadInput, BadReference
from ml.shares.result import Shares

ROUNDING = 1e-12  # shares nearer than this are the same
SUM_TOLERANCE = 0.005  # reference shares are often rounded to a tenth of a per cent


@dataclass(frozen=True)
class Comparison:
    """First minus second, or minus the reference, by label (K,): shares, so 0.03 is 3 points.

    `p` are two-sided p-values of each difference, `p_holm` adjusted for their number (Holm 1979), `h` Cohen's h; `w`
    is Cohen's w of all labels, NaN where a reference of 0 is met by a share over 0. `p_overall` is the smallest of
    `p_holm`: that all differences are nothing.
    """

    labels: tuple[str, ...]
    first: np.ndarray
    second: np.ndarray
    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    p_holm: np.ndarray
    h: np.ndarray
    w: float
    p_overall: float


def compare_two(first: Shares, second: Shares) -> Comparison:
    """Two collections that share no photos.

    Both adjusted: percentiles of the differences of their replicates, which must share those of the matrix, and the
    p-value that inverts them. Else: MOVER, the hybrid of both intervals (Newcombe 1998; Zou and Donner 2008), and
    z = difference / sqrt(V1 + V2). w is that of a table with both collections alike in size.
    Raises BadInput: `labels_differ` ("cannot tell" is on one side only: see `Answers.told`), `other_matrix`.
    """
    if first.labels != second.labels:
        raise BadInput("labels_differ", "the two sets are told in different labels")
    difference = first.share - second.share
    if first.replicates is not None and second.replicates is not None:
        _check_replicates(first, second)
        replicates = first.replicates - second.replicates
        low, high = resampling.percentile_interval(replicates, difference)
        p = _invert_percentiles(replicates, at=0.0)
    else:
        below = np.hypot(first.share - first.low, second.high - second.share)
        above = np.hypot(first.high - first.share, second.share - second.low)
        low, high = np.maximum(difference - below, -1), np.minimum(difference + above, 1)
        p = _normal_p(difference, variance=first.variance + second.variance)
    both = first.share + second.share
    terms = np.where(both > 0, difference**2 / (2 * np.where(both > 0, both, 1)), 0)
    return _compose(first.labels, first.share, second.share, low=low, high=high, p=p, w=math.sqrt(terms.sum()))


def compare_reference(shares: Shares, *, reference: Mapping[str, float]) -> Comparison:
    """A collection against shares (0..1) that are known, as a census's: they carry no error of their own.

    Adjusted shares: the percentile interval moved, and the p-value that inverts it. Reviewed ones: Wilson's interval
    moved, and the score test that it inverts. Raises BadReference: `labels_differ`, `does_not_add_up`.
    """
    if set(reference) != set(shares.labels):
        wrong = sorted(set(reference) ^ set(shares.labels))
        raise BadReference("labels_differ", f"on one side only: {', '.join(wrong)}")
    known = np.array([float(reference[label]) for label in shares.labels])
    if not np.isfinite(known).all() or (known < 0).any() or abs(known.sum() - 1) > SUM_TOLERANCE:
        raise BadReference("does_not_add_up", f"reference shares are 0 to 1 and add up to 1, not {known.sum():g}")
    known = known / known.sum()
    difference = shares.share - known
    if shares.replicates is not None:
        p = np.array([_invert_percentiles(shares.replicates[:, [k]], at=known[k])[0] for k in range(len(known))])
    else:
        p = _normal_p(difference, variance=known * (1 - known) / shares.effective)
    impossible = (known == 0) & (shares.share > 0)
    terms = np.where(known > 0, difference**2 / np.where(known > 0, known, 1), 0)
    w = math.nan if impossible.any() else math.sqrt(terms.sum())
    return _compose(shares.labels, shares.share, known, low=shares.low - known, high=shares.high - known, p=p, w=w)


def _compose(
    labels: tuple[str, ...],
    first: np.ndarray,
    second: np.ndarray,
    *,
    low: np.ndarray,
    high: np.ndarray,
    p: np.ndarray,
    w: float,
) -> Comparison:
    adjusted = intervals.holm(p)
    h = 2 * np.arcsin(np.sqrt(first)) - 2 * np.arcsin(np.sqrt(second))  # Cohen 1988, ch. 6
    return Comparison(labels, first, second, first - second, low, high, p, adjusted, h, w, float(adjusted.min()))


def _check_replicates(first: Shares, second: Shares) -> None:
    """Raise BadInput where resamples of one matrix are not the same ones on both sides."""
    same_evidence = first.matrix_key.partition(":")[0] == second.matrix_key.partition(":")[0]
    same_number = first.matrix_key.rpartition(":")[2] == second.matrix_key.rpartition(":")[2]
    if not same_number or (same_evidence and first.matrix_key != second.matrix_key):
        raise BadInput("other_matrix", "estimate both with the same seed and number of resamples to compare them")


def _invert_percentiles(replicates: np.ndarray, *, at: float) -> np.ndarray:
    """(K,) twice the smaller share of replicates (B, K) on one side of a value: where its percentile interval ends."""
    below = (replicates <= at).sum(axis=0)
    above = (replicates >= at).sum(axis=0)
    p: np.ndarray = np.minimum(1.0, 2 * (np.minimum(below, above) + 1) / (len(replicates) + 1))
    return p


def _normal_p(difference: np.ndarray, *, variance: np.ndarray) -> np.ndarray:
    """Two-sided p-values; without variance 1 for no difference, else 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(np.abs(difference) < ROUNDING, 0.0, difference / np.sqrt(variance))
    return intervals.two_sided_p(z)
