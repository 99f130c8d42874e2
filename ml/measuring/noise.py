"""Labels that are probably wrong: confident learning.

After C. G. Northcutt, L. Jiang and I. L. Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, JAIR 70
(2021). Their package cleanlab is under the AGPL, so this is the published method written anew.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax


@dataclass(frozen=True)
class Noise:
    """What labels (N,) and probabilities (N, K) of a network that did not learn them say of each other.

    `joint` (K, K) is the estimated share of the faces by given label (rows) and true one (columns); it sums to 1.
    `suspects` are the positions of labels that are probably wrong, the worst first, and `better` (N,) the label that
    the network would rather give each face, never the given one.
    """

    joint: np.ndarray
    suspects: np.ndarray
    better: np.ndarray

    @property
    def wrong(self) -> float:
        """The share of labels that are estimated to be wrong."""
        return float(1 - np.trace(self.joint))


def find_noise(vectors: np.ndarray, given: np.ndarray) -> Noise:
    """The confident joint, calibrated, and what is to be pruned by its noise rates (sections 3.1 and 3.2, "PBNR").

    Of each pair of labels those faces are suspects whose probability of the other one exceeds that of the given one by
    most: as many as the joint says. `vectors` must be out of sample.
    """
    count = vectors.shape[1]
    rows = np.arange(len(given))
    # How probable the network holds a label, on average, where it is given: what is more probable counts as it.
    means = np.array(
        [vectors[given == place, place].mean() if (given == place).any() else np.inf for place in range(count)]
    )
    confident = vectors >= means
    likely = np.where(confident, vectors, -1.0).argmax(axis=1)
    counted = confident.any(axis=1)
    counts = np.bincount(given[counted] * count + likely[counted], minlength=count * count).reshape(count, count)
    of_label = np.bincount(given, minlength=count)
    sums = counts.sum(axis=1, keepdims=True)
    shares = np.where(sums > 0, counts / np.where(sums > 0, sums, 1), np.eye(count))
    joint = shares * of_label[:, None] / max(len(given), 1)
    margins = vectors - vectors[rows, given][:, None]
    picked: set[int] = set()
    for label in range(count):
        mine = np.flatnonzero(given == label)
        for other in range(count):
            wanted = round(len(given) * joint[label, other])
            if other != label and wanted:
                order = mine[np.argsort(-margins[mine, other], kind="stable")][:wanted]
                picked |= {int(row) for row in order if margins[row, other] > 0}
    others = vectors.copy()
    others[rows, given] = -1.0
    better = others.argmax(axis=1)
    suspects = np.array(sorted(picked, key=lambda row: (-margins[row, better[row]], row)), dtype=np.int64)
    return Noise(joint, suspects, better)


def refit_out_of_fold(
    features: np.ndarray, given: np.ndarray, *, count: int, folds: int, seed: int = 0, decay: float = 1e-3
) -> np.ndarray:
    """Probabilities (N, count) of labels by a linear layer on features (N, F), each part told by a fit to the others.

    Multinomial logistic regression with `decay` times the weights' squares.
    """
    scaled = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    inputs = np.column_stack([scaled, np.ones(len(scaled))])
    parts = np.random.default_rng(seed).permutation(len(given)) % folds
    told = np.zeros((len(given), count))
    for part in range(folds):
        rest, mine = parts != part, parts == part
        weights = _fit_layer(inputs[rest], given[rest], count=count, decay=decay)
        told[mine] = softmax(inputs[mine] @ weights, axis=1)
    return told


def _fit_layer(inputs: np.ndarray, given: np.ndarray, *, count: int, decay: float) -> np.ndarray:
    """Weights (F, count)."""
    actual = np.eye(count)[given]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(inputs.shape[1], count)
        logs = log_softmax(inputs @ weights, axis=1)
        value = -(actual * logs).sum() / len(given) + decay * (weights**2).sum() / 2
        slope = inputs.T @ (np.exp(logs) - actual) / len(given) + decay * weights
        return float(value), slope.ravel()

    found = minimize(loss, np.zeros(inputs.shape[1] * count), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    weights: np.ndarray = found.x.reshape(inputs.shape[1], count)
    return weights
