"""Probabilities that mean what they say: temperatures, and thresholds under which the model is "unsure"."""

import numpy as np

from ml import labels

# The accuracy that the predictions not called unsure must reach on the calibration images. Race in seven groups is hard
# (people agree little better), so 80 % leaves about half the faces out already; easier groupings promise more.
TARGETS: dict[str, dict[str, float]] = {
    "race": {"fairface-7": 0.80, "fairface-6": 0.85, "utkface-5": 0.85, "utkface-4": 0.95, "list-5": 0.90},
    "gender": {"gender": 0.97},
    "age": {"age": 0.70},
}


def negative_log_likelihood(logits: np.ndarray, actual: np.ndarray, *, temperature: float) -> float:
    """Mean over (N, K) logits divided by the temperature, for labels (N,)."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(scaled).sum(axis=1))
    return float(np.mean(log_sum - scaled[np.arange(len(actual)), actual]))


def fit_temperature(logits: np.ndarray, actual: np.ndarray) -> float:
    """The temperature with the least negative log-likelihood (Guo et al. 2017), by golden section on its logarithm."""
    low, high, golden = np.log(0.1), np.log(10.0), (np.sqrt(5.0) - 1) / 2

    def loss(x: float) -> float:
        return negative_log_likelihood(logits, actual, temperature=float(np.exp(x)))

    while high - low > 1e-4:
        a, b = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return float(np.exp((low + high) / 2))


def fit_threshold(confidence: np.ndarray, right: np.ndarray, *, target: float) -> float:
    """The lowest top probability at and over which the share right is at least `target`, in steps of 0.01.

    0 when all of them reach it; 0.99 when no threshold does.
    """
    for threshold in np.arange(0, 100) / 100:
        kept = confidence >= threshold
        if kept.any() and right[kept].mean() >= target:
            return float(threshold)
    return 0.99


def fit_thresholds(probabilities: dict[str, np.ndarray], targets: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Thresholds per attribute and taxonomy, from calibrated vectors (N, K) and fine labels (N,)."""
    found: dict[str, dict[str, float]] = {}
    for attribute, vectors in probabilities.items():
        for taxonomy in labels.taxonomies_of(attribute):
            grouped, actual = regroup(vectors, targets[attribute], attribute=attribute, taxonomy=taxonomy)
            threshold = fit_threshold(
                grouped.max(axis=1), grouped.argmax(axis=1) == actual, target=TARGETS[attribute][taxonomy]
            )
            found.setdefault(attribute, {})[taxonomy] = threshold
    return found


def regroup(vectors: np.ndarray, actual: np.ndarray, *, attribute: str, taxonomy: str) -> tuple[np.ndarray, np.ndarray]:
    """Fine vectors (N, K) and labels (N,) in a taxonomy; examples of groups that it leaves out are dropped."""
    if attribute != "race":
        return vectors, actual
    members = labels.group_indices(taxonomy)
    group_of = {fine: group for group, fines in enumerate(members) for fine in fines}
    kept = np.isin(actual, list(group_of))
    sums = np.stack([vectors[kept][:, list(fines)].sum(axis=1) for fines in members], axis=1)
    return sums / sums.sum(axis=1, keepdims=True), np.array([group_of[int(a)] for a in actual[kept]], dtype=np.int64)
