"""How often the model is right here, from draws only: weighted, by group, with intervals."""

from dataclasses import dataclass

import numpy as np

from ml.shares import answers as answers_
from ml.shares import intervals, reviewed
from ml.shares.answers import Answers
from ml.shares.draws import Draw
from ml.shares.errors import BadReviews, NoFaces
from ml.shares.result import NEITHER


@dataclass(frozen=True)
class Accuracies:
    """Shares (0..1) of right labels in parts of the collection, one element a part; NaN of a part without answers.

    Bounds as in `result.Shares`; `examined` are the answers each rests on.
    """

    parts: tuple[str, ...]
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    bounds: tuple[str, ...]
    examined: np.ndarray


@dataclass(frozen=True)
class Reliability:
    """What a reliability diagram draws: bins of equal width over 0..1 by the top probability, (bins,) arrays.

    `confidence` is the weighted mean of it, `accuracy` has its interval; NaN in bins without answers.
    """

    edges: np.ndarray
    confidence: np.ndarray
    accuracy: Accuracies


def estimate_accuracy(
    answers: Answers, *, draw: Draw, predicted: np.ndarray, trained_on: np.ndarray | None = None
) -> tuple[Accuracies, Accuracies, Accuracies]:
    """Overall; by label as reviewers see it (recall); by counted label (precision).

    `predicted` (n,) are the counted labels of the drawn faces as places in the answers' labels. "Cannot tell" and "not
    a face" are neither right nor wrong: they leave. So do faces that the model was `trained_on` (n,), of which it
    knows the answer. Several reviewers: a label is as right as the share of them that said it.
    Raises what `reviewed.estimate_ratio` raises, but not for parts without answers, and BadReviews("lengths_differ").
    """
    told, right, counts = _prepare(answers, draw=draw, predicted=predicted, trained_on=trained_on)
    labels = answers.labels[:-1]
    named = told.sum(axis=1)
    by_answer = [(told[:, k] * (predicted == k), told[:, k]) for k in range(len(labels))]
    by_label = [(right * (predicted == k), named * (predicted == k)) for k in range(len(labels))]
    return (
        _estimate_parts(("all",), [(right, named)], draw=draw, counts=counts),
        _estimate_parts(labels, by_answer, draw=draw, counts=counts),
        _estimate_parts(labels, by_label, draw=draw, counts=counts),
    )


def estimate_by_group(
    answers: Answers,
    *,
    draw: Draw,
    predicted: np.ndarray,
    groups: Answers,
    trained_on: np.ndarray | None = None,
) -> Accuracies:
    """By what reviewers said of another attribute: `groups` are the answers about it. Raises as `estimate_accuracy`."""
    told, right, counts = _prepare(answers, draw=draw, predicted=predicted, trained_on=trained_on)
    named = told.sum(axis=1)
    parts = [(right * groups.values[:, k], named * groups.values[:, k]) for k in range(len(groups.labels) - 1)]
    return _estimate_parts(groups.labels[:-1], parts, draw=draw, counts=counts)


def estimate_reliability(
    answers: Answers,
    *,
    draw: Draw,
    predicted: np.ndarray,
    confidence: np.ndarray,
    bins: int = 10,
    trained_on: np.ndarray | None = None,
) -> Reliability:
    """Accuracy by top probability: `confidence` (n,) in 0..1 of the drawn faces. Raises as `estimate_accuracy`."""
    told, right, counts = _prepare(answers, draw=draw, predicted=predicted, trained_on=trained_on)
    named = told.sum(axis=1)
    edges = np.linspace(0, 1, bins + 1)
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    names = tuple(f"{edges[k]:.0%} to {edges[k + 1]:.0%}" for k in range(bins))
    parts = [(right * (which == k), named * (which == k)) for k in range(bins)]
    sureness = [(confidence * named * (which == k), named * (which == k)) for k in range(bins)]
    return Reliability(
        edges,
        _estimate_parts(names, sureness, draw=draw, counts=counts).share,
        _estimate_parts(names, parts, draw=draw, counts=counts),
    )


def _prepare(
    answers: Answers, *, draw: Draw, predicted: np.ndarray, trained_on: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels said (n, K), 0 where left out; the part of them that is right (n,); which rows count (n,)."""
    if predicted.shape != (len(draw),):
        raise BadReviews("lengths_differ", f"{len(predicted)} predictions do not fit {len(draw)} drawn faces")
    counts = answers_.in_turn(answers, draw=draw)
    kept = counts if trained_on is None else counts & ~trained_on
    told = np.where((kept & (predicted >= 0))[:, None], answers.values[:, :-1], 0.0)
    right = np.take_along_axis(told, np.maximum(predicted, 0)[:, None], axis=1)[:, 0]
    return told, right, counts


def _estimate_parts(
    names: tuple[str, ...], sums: list[tuple[np.ndarray, np.ndarray]], *, draw: Draw, counts: np.ndarray
) -> Accuracies:
    found = [_estimate_part(y, z, draw=draw, counts=counts) for y, z in sums]
    share, low, high, bounds, examined = zip(*found, strict=True)
    return Accuracies(names, np.array(share), np.array(low), np.array(high), bounds, np.array(examined))


def _estimate_part(
    y: np.ndarray, z: np.ndarray, *, draw: Draw, counts: np.ndarray
) -> tuple[float, float, float, str, float]:
    try:
        ratio = reviewed.estimate_ratio(y[:, None], z, draw=draw, counts=counts)
    except NoFaces:
        return float("nan"), 0.0, 1.0, NEITHER, 0.0
    low, high = intervals.effective_wilson(ratio.share, variance=ratio.variance, examined=ratio.examined)
    low, high, bounds = intervals.tell_bounds(
        low, high, positives=ratio.positives, negatives=ratio.negatives, exact=ratio.whole
    )
    return float(ratio.share[0]), float(low[0]), float(high[0]), bounds[0], ratio.examined
