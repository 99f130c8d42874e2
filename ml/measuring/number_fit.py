"""How the bins of an ordinal attribute are to be read as a number, fitted to faces whose bins are known."""

import numpy as np
from scipy.optimize import minimize

from ml.attributes import Scale
from ml.calibration import NumberRule

COVERAGE = 0.80
LEAST_IN_BIN = 10  # faces, without which an end of the scale would rest on luck
BIAS_WEIGHT = 0.05  # of a bin's squared mean error, beside its mean absolute error
SOFTENING = 0.5  # of the absolute error at zero, in the attribute's unit, so that it has a slope there


def can_fit(actual: np.ndarray, *, count: int) -> bool:
    """Whether each of `count` bins has faces enough among the labels (N,)."""
    return bool(np.bincount(actual, minlength=count).min() >= LEAST_IN_BIN)


def fit_rule(vectors: np.ndarray, actual: np.ndarray, *, scale: Scale) -> NumberRule:
    """The rule that errs least, each bin counting alike, on probabilities (N, K) with right bins (N,).

    Four numbers are fitted: the power of the probabilities, how far a bin's rarity among these faces is undone, and
    the centres of both ends. The error is the mean distance to a bin's whole numbers, and BIAS_WEIGHT of its square in
    the bin's mean, so that the ends are not pulled to the middle. Then the tails, see `fit_tails`.
    """
    count = len(scale.centres)
    shares = np.bincount(actual, minlength=count) / len(actual)
    logs = np.log(np.maximum(vectors, 1e-12))
    inside = [whole_numbers(scale, place) for place in range(count)]
    middles = np.array([ages.mean() for ages in inside])

    def rule(found: np.ndarray, *, tails: tuple[float, float] = (0.1, 0.1)) -> NumberRule:
        power, balance, first, last = found.tolist()
        weights = shares**-balance
        centres = (first, *scale.centres[1:-1], last)
        return NumberRule(power, tuple((weights / weights.max()).tolist()), centres, tails, COVERAGE)

    def loss(found: np.ndarray) -> float:
        power, balance, first, last = found
        raised = power * logs - balance * np.log(shares)
        weighed = np.exp(raised - raised.max(axis=1, keepdims=True))
        weighed /= weighed.sum(axis=1, keepdims=True)
        said = weighed @ np.array([first, *scale.centres[1:-1], last])
        total = 0.0
        for place, ages in enumerate(inside):
            mine = said[actual == place]
            error = np.sqrt((mine[:, None] - ages) ** 2 + SOFTENING**2).mean()
            total += error + BIAS_WEIGHT * (mine.mean() - middles[place]) ** 2
        return float(total / count)

    start = np.array([1.0, 0.5, scale.centres[0], scale.centres[-1]])
    limits = [(0.5, 4.0), (0.0, 4.0), scale.edges[:2], scale.edges[-2:]]
    found = np.round(minimize(loss, start, method="L-BFGS-B", bounds=limits).x, 4)
    return rule(found, tails=fit_tails(rule(found), vectors, actual, scale=scale))


def fit_tails(rule: NumberRule, vectors: np.ndarray, actual: np.ndarray, *, scale: Scale) -> tuple[float, float]:
    """Equal shares under `low` and over `high`, so that between them lie COVERAGE of the true numbers.

    Half of that coverage counts faces alike, half bins, so that it holds for collections of other ages too.
    """
    few, many = 0.0, 0.5
    for _ in range(14):
        tail = (few + many) / 2
        tried = NumberRule(rule.sharpness, rule.weights, rule.centres, (tail, tail), COVERAGE)
        covered = cover(tried.read(vectors, edges=scale.edges), actual, scale=scale)
        by_bin = [covered[actual == place].mean() for place in np.unique(actual)]
        if (covered.mean() + np.mean(by_bin)) / 2 >= COVERAGE:
            few = tail
        else:
            many = tail
    return round(few, 4), round(few, 4)


def cover(read: np.ndarray, actual: np.ndarray, *, scale: Scale) -> np.ndarray:
    """(N,) the part (0..1) of each face's bin that lies between `low` and `high`, rounded as they are told.

    `read` (N, 3) is what `NumberRule.read` gives. The true number is as likely to be any whole one of its bin.
    """
    low, high = np.rint(read[:, 1]), np.rint(read[:, 2])
    edges = np.asarray(scale.edges)
    first, last = edges[actual], edges[actual + 1] - 1
    inside: np.ndarray = (np.minimum(high, last) - np.maximum(low, first) + 1).clip(0) / (last - first + 1)
    return inside


def whole_numbers(scale: Scale, place: int) -> np.ndarray:
    """Those of a bin."""
    return np.arange(int(scale.edges[place]), int(scale.edges[place + 1]))


def errors_of(said: np.ndarray, actual: np.ndarray, *, scale: Scale) -> np.ndarray:
    """(N,) the mean distance of each number to the whole numbers of its bin."""
    found = np.zeros(len(actual))
    for place in range(len(scale.centres)):
        mine = actual == place
        found[mine] = np.abs(said[mine, None] - whole_numbers(scale, place)).mean(axis=1)
    return found
