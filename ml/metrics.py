"""Measures of predictions against labels, on arrays: labels are (N,) ints, probabilities (N, K)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Z_95 = 1.959963984540054  # the standard normal's 97.5 % point: two-sided intervals of 95 %


def shorten(value: float, *, digits: int = 4) -> float:
    """A measure as it is kept: with so many digits, or more where it would be told as another in per cent with one.

    What is told is then rounded once: 151 of 306 are 49.3 %, but by way of 0.4935 they would be 49.4 %.
    """
    short = round(float(value), digits)
    return short if f"{100 * short:.1f}" == f"{100 * value:.1f}" else round(float(value), 8)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows of logits (N, K) as probabilities."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax: np.ndarray = raised / raised.sum(axis=1, keepdims=True)
    return softmax


def accuracy(predicted: np.ndarray, actual: np.ndarray) -> float:
    """The share predicted right; nan of nothing."""
    return float(np.mean(predicted == actual)) if len(actual) else float("nan")


def balanced_accuracy(predicted: np.ndarray, actual: np.ndarray, *, count: int) -> float:
    """The mean recall of the classes 0..count-1 that occur; nan of nothing."""
    recalls = by_group(predicted, actual, groups=actual, count=count)
    known = [recall for recall in recalls if not math.isnan(recall)]
    return float(np.mean(known)) if known else float("nan")


def by_group(predicted: np.ndarray, actual: np.ndarray, *, groups: np.ndarray, count: int) -> list[float]:
    """The accuracy among the examples of each group 0..count-1.

    With groups = actual this is recall, with groups = predicted precision.
    """
    return [accuracy(predicted[groups == group], actual[groups == group]) for group in range(count)]


def confusion(predicted: np.ndarray, actual: np.ndarray, *, count: int) -> np.ndarray:
    """(count, count) numbers of examples: rows are the labels, columns the predictions."""
    flat = np.bincount(actual * count + predicted, minlength=count * count)
    return flat.reshape(count, count)


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share, `right` of `count` (Wilson 1927); nan of nothing."""
    if count == 0:
        return float("nan"), float("nan")
    share, square = right / count, Z_95**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    reach = Z_95 / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    # Rounding would leave an end of 0 or 1 a hair inside.
    return (0.0 if right == 0 else middle - reach), (1.0 if right == count else middle + reach)


@dataclass(frozen=True)
class ReliabilityBins:
    """Examples by the top probability they were given, in bins of equal width over 0..1; nan in an empty bin."""

    confidence: np.ndarray  # (bins,) the mean top probability
    accuracy: np.ndarray  # (bins,)
    counts: np.ndarray  # (bins,) numbers of examples


def reliability_bins(probabilities: np.ndarray, actual: np.ndarray, *, bins: int = 15) -> ReliabilityBins:
    """What a reliability diagram draws."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == actual
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(which, minlength=bins)
    divisors = np.where(counts, counts, np.nan)
    return ReliabilityBins(
        confidence=np.bincount(which, weights=confidence, minlength=bins) / divisors,
        accuracy=np.bincount(which, weights=right, minlength=bins) / divisors,
        counts=counts,
    )


def calibration_error(probabilities: np.ndarray, actual: np.ndarray, *, bins: int = 15) -> float:
    """Expected calibration error of the top label, over bins of equal width (Guo et al. 2017, eq. 3)."""
    if not len(actual):
        return float("nan")
    found = reliability_bins(probabilities, actual, bins=bins)
    return float(np.nansum(np.abs(found.accuracy - found.confidence) * found.counts) / len(actual))


def accuracy_of_surest(probabilities: np.ndarray, actual: np.ndarray, *, share: float) -> float:
    """The accuracy among the `share` (0..1) of examples with the largest top probability."""
    return coverage_curve(probabilities, actual, shares=[share])[0].accuracy if len(actual) else float("nan")


@dataclass(frozen=True)
class Coverage:
    """The surest `count` examples: the lowest top probability among them, and how many of them are right, 0..1."""

    share: float
    count: int
    threshold: float
    accuracy: float


def coverage_curve(probabilities: np.ndarray, actual: np.ndarray, *, shares: Sequence[float]) -> list[Coverage]:
    """The surest `shares` (each 0..1) of the examples, at least one; empty where there are no examples."""
    if not len(actual):
        return []
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    right = np.cumsum(probabilities.argmax(axis=1)[order] == actual[order])
    counts = [max(1, round(share * len(actual))) for share in shares]
    return [
        Coverage(share, count, float(confidence[order[count - 1]]), float(right[count - 1] / count))
        for share, count in zip(shares, counts, strict=True)
    ]
