"""Probabilities that mean what they say, and the accuracies that are asked of sure answers."""

import math

import numpy as np

from ml.attributes import ATTRIBUTES, OWN_TARGET

TEMPERATURES = (0.1, 10.0)  # the least and the most that is tried

# The precision that each label must reach, where it is not called unsure, on the calibration images.
TARGETS = {name: dict(attribute.sure_targets) for name, attribute in ATTRIBUTES.items()}
__all__ = ["OWN_TARGET", "TARGETS", "TEMPERATURES", "fit_temperature", "is_at_limit", "move_threshold",
           "negative_log_likelihood"]  # fmt: skip


def negative_log_likelihood(
    logits: np.ndarray, actual: np.ndarray, *, temperature: float, groups: np.ndarray | None = None
) -> float:
    """Mean over (N, K) logits divided by the temperature, for labels (N,).

    `groups` (K,) are the places of the labels' groups: then `actual` are groups too, whose probability is the sum over
    their labels. A label at -1 is in no group; the rest is scaled to 1.
    """
    scaled = logits.astype(np.float64) / temperature
    if groups is None:
        groups = np.arange(logits.shape[1])
    scaled = scaled[:, groups >= 0]
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    sums = raised @ np.eye(groups.max() + 1)[groups[groups >= 0]]  # (N, G)
    likely = sums[np.arange(len(actual)), actual] / raised.sum(axis=1)
    return float(-np.mean(np.log(np.maximum(likely, np.finfo(np.float64).tiny))))


def fit_temperature(logits: np.ndarray, actual: np.ndarray, *, groups: np.ndarray | None = None) -> float:
    """The temperature with the least negative log-likelihood (Guo et al. 2017), by golden section on its logarithm.

    It lies within TEMPERATURES. `groups` as in `negative_log_likelihood`.
    """
    (low, high), golden = np.log(TEMPERATURES), (np.sqrt(5.0) - 1) / 2

    def loss(x: float) -> float:
        return negative_log_likelihood(logits, actual, temperature=float(np.exp(x)), groups=groups)

    while high - low > 1e-4:
        a, b = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return float(np.exp((low + high) / 2))


def is_at_limit(temperature: float) -> bool:
    """Whether a fitted temperature lies at the end of what is tried."""
    return any(abs(math.log(temperature / limit)) < 0.01 for limit in TEMPERATURES)


def move_threshold(before: np.ndarray, after: np.ndarray, *, threshold: float) -> float:
    """A threshold on the top probabilities `after` (N,) with as many under it as under the old one `before` (N,).

    In steps of 0.01.
    """
    return round(float(np.quantile(after, np.mean(before < threshold))), 2)
