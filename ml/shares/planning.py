"""What reviews would bring: how wide the intervals will be after so many."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.shares import adjusted, draws, intervals, reviewed
from ml.shares import answers as answers_
from ml.shares import evidence as evidence_
from ml.shares import faces as faces_
from ml.shares.answers import Answers
from ml.shares.draws import Draw
from ml.shares.errors import BadDraw
from ml.shares.evidence import Evidence
from ml.shares.faces import Faces
from ml.shares.schemes import Scheme

SIZES = (100, 300, 1_000)


@dataclass(frozen=True)
class Plan:
    """After `reviews` (more) answers each label's interval would reach about `half_width` (K,) to both sides, in 0..1.

    "300 more would bring ± 3 points": `widest` is the largest of them.
    """

    reviews: int
    labels: tuple[str, ...]
    half_width: np.ndarray

    @property
    def widest(self) -> float:
        return float(self.half_width.max())


def plan_first(faces: Faces, *, evidence: Evidence, scheme: Scheme, sizes: Sequence[int] = SIZES) -> tuple[Plan, ...]:
    """Before anybody has reviewed: stratified draws of these sizes, if the model errs as on the held-out faces.

    Sizes that cannot be drawn are left out. Raises what `adjusted.point_shares` raises.
    """
    counts = evidence_.count_confusions(evidence, scheme=scheme, like=faces)
    theta = adjusted.solve_classes(faces, evidence=evidence, scheme=scheme)
    places = faces_.solving_places(faces, scheme=scheme)
    frame = np.bincount(places[places >= 0], minlength=scheme.solving_count)
    joint = evidence_.normalise_columns(counts) * theta  # (S, S): share of faces by predicted and true class
    q = scheme.fold_shares(joint)  # (S, K) by stratum
    share = frame / frame.sum() @ q
    plans = []
    for size in sizes:
        if not _can_draw(frame, size=size):
            continue
        n = draws.allocate(frame, size=size).astype(float)
        variance = reviewed.combine_variance(q * (1 - q), examined=n, frame=frame.astype(float))
        plans.append(Plan(size, scheme.labels, _reach(share, variance=variance, examined=size)))
    return tuple(plans)


def plan_more(answers: Answers, *, draw: Draw, sizes: Sequence[int] = SIZES) -> tuple[Plan, ...]:
    """What these many more would bring to a stratified draw, all of it answered, going by the answers so far.

    Sizes that cannot be drawn any more are left out. Raises what `reviewed.estimate_shares` raises.
    """
    found = reviewed.estimate_shares(answers, draw=draw)
    counts = answers_.in_turn(answers, draw=draw)
    frame = draw.frame.astype(float)
    spread = _find_spread(answers, draw=draw, counts=counts, theta=found.share)
    base = found.population / found.faces
    plans = []
    for size in sizes:
        if not _can_draw(draw.frame, size=size, taken=draw.drawn):
            continue
        more = (draw.drawn + draws.allocate(draw.frame, size=size, taken=draw.drawn)).astype(float)
        variance = reviewed.combine_variance(spread, examined=more, frame=frame) / base**2
        plans.append(Plan(size, answers.labels, _reach(found.share, variance=variance, examined=more.sum())))
    return tuple(plans)


def plan_answers(answers: Answers, *, draw: Draw, more: Sequence[int] = (0,)) -> tuple[Plan, ...]:
    """How far the intervals reach after so many more answers in their turn within the draw; 0: now.

    Numbers of which not so many are waiting are left out. Raises what `reviewed.estimate_shares` raises.
    """
    found = reviewed.estimate_shares(answers, draw=draw)
    counts = answers_.in_turn(answers, draw=draw)
    frame = draw.frame.astype(float)
    n = np.bincount(draw.stratum[counts], minlength=len(frame))
    spread = _find_spread(answers, draw=draw, counts=counts, theta=found.share)
    waiting = draw.stratum[~counts]  # in the order of serving
    base = found.population / found.faces
    plans = []
    for count in more:
        if count > len(waiting):
            continue
        then = (n + np.bincount(waiting[:count], minlength=len(frame))).astype(float)
        variance = reviewed.combine_variance(spread, examined=then, frame=frame) / base**2
        plans.append(Plan(count, answers.labels, _reach(found.share, variance=variance, examined=then.sum())))
    return tuple(plans)


def _find_spread(answers: Answers, *, draw: Draw, counts: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """(H, K) smoothed variances within the strata, of the answers that count."""
    strata, total = draw.stratum[counts], len(draw.frame)
    n = np.bincount(strata, minlength=total).astype(float)
    m = reviewed.sum_by_stratum(answers.values[counts], strata, count=total)
    inside = reviewed.sum_by_stratum(answers.inside[counts][:, None], strata, count=total)
    return reviewed.spread_of(m, inside=inside, examined=n, theta=theta)


def _reach(share: np.ndarray, *, variance: np.ndarray, examined: float) -> np.ndarray:
    low, high = intervals.effective_wilson(share, variance=variance, examined=examined)
    half: np.ndarray = (high - low) / 2
    return half


def _can_draw(frame: np.ndarray, *, size: int, taken: np.ndarray | None = None) -> bool:
    try:
        draws.allocate(frame, size=size, taken=taken)
    except BadDraw:
        return False
    return True
