"""Shares from reviews of a probability sample: no assumption on how the model errs."""

from dataclasses import dataclass

import numpy as np

from ml.shares import answers as answers_
from ml.shares import intervals
from ml.shares.answers import Answers
from ml.shares.draws import Draw
from ml.shares.errors import BadReviews, NoFaces
from ml.shares.result import REVIEWED, Shares

# Reviews of a draw from which on `reviewed` makes the headline; "not a face" is such an answer too.
HEADLINE_FROM = 100
# Faces added to both sides of a share before its variance is taken. With none, strata in which all answers are alike
# seem to be known, and rare labels are covered far too seldom.
SMOOTHING = 0.25


@dataclass(frozen=True)
class Ratio:
    """Weighted shares (K,) of sums of y (K,) over sums of z, with variances; all from the answers in their turn.

    `base` is the weighted mean of z: which part of the frame is inside. `examined` is the sum of z over the sample,
    `positives` (K,) and `negatives` (K,) are unweighted sums; `whole`: every face of the frame was answered.
    """

    share: np.ndarray
    variance: np.ndarray
    base: float
    examined: float
    positives: np.ndarray
    negatives: np.ndarray
    whole: bool


def estimate_shares(
    answers: Answers, *, draw: Draw, domain: np.ndarray | None = None, smoothing: float = SMOOTHING
) -> Shares:
    """Shares of the labels and of "cannot tell" from a stratified draw, with Wilson's interval at effective n.

    theta = sum W_h m_h / n_h (Cochran 1977, ch. 5), with smoothed variances; faces that are none, or that the taxonomy
    leaves out, leave the population (ratio estimate). `domain` (n,) marks the drawn faces inside of a filter. Under
    five positives only the upper bound is told, under five negatives only the lower one.
    Raises NoFaces: `no_answers` where nothing inside was answered; BadReviews: `stratum_unanswered` while a stratum
    has no answer, `lengths_differ`.
    """
    counts = answers_.in_turn(answers, draw=draw)
    within = counts if domain is None else counts & _as_mask(domain, count=len(draw))
    z = np.where(within, answers.inside, 0.0)
    y = np.where(within[:, None], answers.values, 0.0)
    ratio = estimate_ratio(y, z, draw=draw, counts=counts, smoothing=smoothing)
    low, high = intervals.effective_wilson(ratio.share, variance=ratio.variance, examined=ratio.examined)
    low, high, bounds = intervals.tell_bounds(
        low, high, positives=ratio.positives, negatives=ratio.negatives, exact=ratio.whole
    )
    total = int(draw.frame.sum())
    return Shares(
        scheme=answers.scheme,
        taxonomy=answers.taxonomy,
        labels=answers.labels,
        estimator=REVIEWED,
        share=ratio.share,
        low=low,
        high=high,
        bounds=bounds,
        variance=ratio.variance,
        faces=total,
        population=total * ratio.base,
        reviewed=int(within.sum()),
        waiting=int(answers.answered.sum() - counts.sum()),
    )


def estimate_ratio(
    y: np.ndarray, z: np.ndarray, *, draw: Draw, counts: np.ndarray, smoothing: float = SMOOTHING
) -> Ratio:
    """Y / Z of y (n, K) and z (n,) in 0..1, y at most z, over the rows where `counts` (n,) is true.

    V = sum W_h^2 s_h^2 / n_h (1 - n_h / N_h) / Zbar^2, s_h^2 being the variance of e = y - theta z in which the share
    of y in z is smoothed: q_h = (m_h + 1/4) / (n_h + 1/2). Where z is 1 throughout this is q_h (1 - q_h).
    Raises NoFaces("no_answers") and BadReviews("stratum_unanswered").
    """
    if not counts.any():
        raise NoFaces("no_answers", "nothing has been answered yet")
    stratum, frame = draw.stratum[counts], draw.frame.astype(float)
    n = np.bincount(stratum, minlength=len(frame)).astype(float)  # (H,)
    if ((n == 0) & (frame > 0)).any():
        without = [name for name, a, b in zip(draw.strata, n, frame, strict=True) if a == 0 and b > 0]
        raise BadReviews("stratum_unanswered", f"nothing has been answered yet of: {', '.join(without)}")
    kept = n > 0
    weight = np.where(kept, frame / frame.sum(), 0.0)
    divisor = np.maximum(n, 1.0)
    m = sum_by_stratum(y[counts], stratum, count=len(frame))  # (H, K)
    inside = sum_by_stratum(z[counts][:, None], stratum, count=len(frame))  # (H, 1)
    base = float(weight @ (inside[:, 0] / divisor))
    if base <= 0:
        raise NoFaces("no_answers", "nothing inside has been answered yet")
    theta = intervals.round_ends((weight @ (m / divisor[:, None])) / base)
    spread = spread_of(m, inside=inside, examined=n, theta=theta, smoothing=smoothing)
    variance = combine_variance(spread, examined=n, frame=frame) / base**2
    positives = m.sum(axis=0)
    examined = float(inside.sum())
    whole = bool((n[frame > 0] >= frame[frame > 0]).all())
    return Ratio(theta, variance, base, examined, positives, examined - positives, whole)


def spread_of(
    m: np.ndarray, *, inside: np.ndarray, examined: np.ndarray, theta: np.ndarray, smoothing: float = SMOOTHING
) -> np.ndarray:
    """(H, K) smoothed variances of e = y - theta z within strata, of sums m (H, K) of y and `inside` (H, 1) of z.

    `examined` (H,) are numbers of answers, theta (K,) the shares.
    """
    p = inside / np.maximum(examined, 1.0)[:, None]
    q = np.where(inside > 0, (m + smoothing) / np.maximum(inside + 2 * smoothing, 1e-12), 0.0)
    variance: np.ndarray = np.maximum(p * (q * (1 - theta) ** 2 + (1 - q) * theta**2) - (p * (q - theta)) ** 2, 0.0)
    return variance


def combine_variance(spread: np.ndarray, *, examined: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """(K,) sum W_h^2 s_h^2 / n_h (1 - n_h / N_h), of s^2 (H, K), n (H,) and N (H,); strata with n_h = 0 add nothing."""
    weight = np.where(examined > 0, frame / frame.sum(), 0.0)
    unseen = 1 - examined / np.maximum(frame, 1.0)
    variance: np.ndarray = (weight**2 * unseen / np.maximum(examined, 1.0)) @ spread
    return variance


def sum_by_stratum(values: np.ndarray, stratum: np.ndarray, *, count: int) -> np.ndarray:
    """Rows (n, K) summed by stratum: (count, K)."""
    sums: np.ndarray = np.eye(count)[stratum].T @ values
    return sums


def _as_mask(domain: np.ndarray, *, count: int) -> np.ndarray:
    if domain.shape != (count,) or domain.dtype != bool:
        raise BadReviews("lengths_differ", "a filter must say of each drawn face whether it is inside")
    return domain
