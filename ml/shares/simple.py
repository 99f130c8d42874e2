"""Shares from reviews of a simple random draw, made surer by what the model said of all faces: PPI++."""

import numpy as np

from ml.shares import answers as answers_
from ml.shares import intervals, simplex
from ml.shares.answers import Answers
from ml.shares.draws import SIMPLE, Draw
from ml.shares.errors import BadDraw, BadReviews, NoFaces
from ml.shares.result import REVIEWED, Shares


def estimate_shares(answers: Answers, *, draw: Draw, predicted: np.ndarray, domain: np.ndarray | None = None) -> Shares:
    """Shares of the labels and of "cannot tell" from a simple draw out of N faces.

    `predicted` (N,) are counted labels as places in the answers' labels (negative: none); `domain` (N,) marks the faces
    inside of a filter, of which the draw is a simple one too.
    theta = ybar + lambda (fbar of all - fbar of the reviewed), lambda = cov(y, f) / var(f) within [0, 1],
    V = s^2(y - lambda f) / n (1 - n / N), theta clipped to the simplex (Angelopoulos et al. 2023, arXiv 2311.01453).
    s^2 is smoothed as that of a stratified draw is, since the few residuals of a rare label are often all 0: a quarter
    of a face is added to each of the four pairs of y and f. Faces that are none leave the population: y - theta z in
    place of y. Bounds and errors as `reviewed.estimate_shares`; BadDraw("not_simple") for another draw.
    """
    if draw.design != SIMPLE:
        raise BadDraw("not_simple", "this draw is stratified: its faces are not equally likely")
    total = int(draw.frame.sum())
    if len(predicted) != total:
        raise BadReviews("lengths_differ", f"{len(predicted)} predictions do not fit a frame of {total} faces")
    inside = np.ones(total, dtype=bool) if domain is None else domain
    rows = np.flatnonzero(answers_.in_turn(answers, draw=draw) & inside[draw.face])
    n, size = len(rows), int(inside.sum())
    z = answers.inside[rows]
    if not n or not z.sum():
        raise NoFaces("no_answers", "nothing inside has been answered yet")
    y = answers.values[rows]  # (n, K + 1)
    f = (predicted[:, None] == np.arange(len(answers.labels))).astype(float)  # (N, K + 1)
    drawn, mean_all = f[draw.face[rows]], f[inside].mean(axis=0)

    plain = y.sum(axis=0) / z.sum()
    power = _find_power(y - plain * z[:, None], drawn)
    theta = (y.mean(axis=0) + power * (mean_all - drawn.mean(axis=0))) / z.mean()
    share = intervals.round_ends(simplex.project(theta))
    spread = _smooth_spread(y - share * z[:, None] - power * drawn, share=share, power=power)
    variance = spread / n * (1 - n / size) / z.mean() ** 2
    low, high = intervals.effective_wilson(share, variance=variance, examined=float(z.sum()))
    positives = y.sum(axis=0)
    low, high, bounds = intervals.tell_bounds(
        low, high, positives=positives, negatives=z.sum() - positives, exact=n == size
    )
    return Shares(
        scheme=answers.scheme,
        taxonomy=answers.taxonomy,
        labels=answers.labels,
        estimator=REVIEWED,
        share=share,
        low=low,
        high=high,
        bounds=bounds,
        variance=variance,
        faces=size,
        population=size * float(z.mean()),
        reviewed=n,
        waiting=int(answers.answered[inside[draw.face]].sum()) - n,
    )


def _find_power(y: np.ndarray, f: np.ndarray) -> np.ndarray:
    """(K,) how far to trust the predictions: cov(y, f) / var(f) within [0, 1]; 0 where f does not vary."""
    spread = f.var(axis=0)
    joint = ((y - y.mean(axis=0)) * (f - f.mean(axis=0))).mean(axis=0)
    return np.clip(np.where(spread > 0, joint / np.where(spread > 0, spread, 1), 0), 0, 1)


def _smooth_spread(residuals: np.ndarray, *, share: np.ndarray, power: np.ndarray) -> np.ndarray:
    """(K,) variances of residuals (n, K) and a quarter of each that a face of y and f in 0 and 1 could have."""
    possible = np.stack([y - share - power * f for y in (0, 1) for f in (0, 1)])  # (4, K)
    rows = np.vstack([residuals, possible])
    weights = np.append(np.ones(len(residuals)), np.full(4, 0.25))
    mean = np.average(rows, axis=0, weights=weights)
    return np.average((rows - mean) ** 2, axis=0, weights=weights)
