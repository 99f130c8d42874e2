"""Measures of predictions against labels, on arrays: labels are (N,) ints, probabilities (N, K)."""

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows of logits (N, K) as probabilities."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def accuracy(predicted: np.ndarray, actual: np.ndarray) -> float:
    """The share predicted right; nan of nothing."""
    return float(np.mean(predicted == actual)) if len(actual) else float("nan")


def within_one(predicted: np.ndarray, actual: np.ndarray) -> float:
    """The share of ordered labels at most one bin off."""
    return float(np.mean(np.abs(predicted - actual) <= 1)) if len(actual) else float("nan")


def by_group(predicted: np.ndarray, actual: np.ndarray, *, groups: np.ndarray, count: int) -> list[float]:
    """The accuracy among the examples of each group 0..count-1; with groups = actual this is recall."""
    return [accuracy(predicted[groups == group], actual[groups == group]) for group in range(count)]


def confusion(predicted: np.ndarray, actual: np.ndarray, *, count: int) -> np.ndarray:
    """(count, count) numbers of examples: rows are the labels, columns the predictions."""
    flat = np.bincount(actual * count + predicted, minlength=count * count)
    return flat.reshape(count, count)


def calibration_error(probabilities: np.ndarray, actual: np.ndarray, *, bins: int = 15) -> float:
    """Expected calibration error of the top label, over bins of equal width (Guo et al. 2017, eq. 3)."""
    if not len(actual):
        return float("nan")
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == actual
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = (
        abs(right[which == b].mean() - confidence[which == b].mean()) * np.mean(which == b)
        for b in range(bins)
        if np.any(which == b)
    )
    return float(sum(gaps))


def accuracy_of_surest(probabilities: np.ndarray, actual: np.ndarray, *, share: float) -> float:
    """The accuracy among the `share` (0..1) of examples with the largest top probability."""
    count = max(1, round(share * len(actual)))
    order = np.argsort(-probabilities.max(axis=1), kind="stable")[:count]
    return accuracy(probabilities[order].argmax(axis=1), actual[order])
