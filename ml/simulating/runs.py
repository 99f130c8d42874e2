"""Runs of a world: each draws a collection, asks every estimator, and keeps what it said beside the truth."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ml.shares import adjusted, answers, counted, draws, intervals, reviewed, sensitivity, simple
from ml.shares import faces as faces_
from ml.shares.answers import Reviews
from ml.shares.draws import Draw
from ml.shares.resampling import Bootstrap
from ml.shares.result import BOTH, Shares
from ml.simulating import worlds
from ml.simulating.worlds import Collection, World

COUNTED, ADJUSTED, STRATIFIED, SIMPLE = "counted", "adjusted", "reviewed, stratified", "reviewed, simple"
UNSMOOTHED = "unsmoothed, stratified"  # not what Facet does: what the smoothing of variances brings
REVIEWS = (100, 300)


@dataclass(frozen=True)
class Outcome:
    """What one method said of one collection, (K,) each: shares 0..1, the interval, the truth.

    `design` is the width that the design of a draw promises to one who knows the truth, NaN for other methods; `told`
    whether both ends of the interval are.
    """

    method: str
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    truth: np.ndarray
    design: np.ndarray
    told: np.ndarray


@dataclass(frozen=True)
class Tally:
    """Of all runs of a method in a world, by label (K,): the true share, the part covered, widths and errors, in 0..1.

    `told` is the part of runs in which both ends of the interval are; `width` is the mean over these, and so is
    `design`. `variation` is the mean total variation between estimate and truth; `warned` the part of runs with a
    caution.
    """

    world: str
    size: int
    holds: bool
    method: str
    runs: int
    labels: tuple[str, ...]
    truth: np.ndarray
    coverage: np.ndarray
    told: np.ndarray
    width: np.ndarray
    design: np.ndarray
    bias: np.ndarray
    variation: float
    warned: float


def simulate(
    world: World, *, runs: int, seed: int, replicates: int = 1_000, tick: Callable[[], object] = lambda: None
) -> list[Tally]:
    """All methods in a world, `runs` times; `tick` is called after each run."""
    outcomes: dict[str, list[Outcome]] = {}
    warned = 0
    for run in range(runs):
        rng = np.random.default_rng([seed, run, len(world.name), world.size])
        collection = worlds.draw_collection(world, rng=rng)
        own_seed = int(rng.integers(2**31))
        for outcome in ask_all(world, collection, seed=own_seed, replicates=replicates):
            outcomes.setdefault(outcome.method, []).append(outcome)
        warned += bool(sensitivity.find_cautions(collection.faces, evidence=collection.evidence, scheme=world.scheme))
        tick()
    return [tally(world, found, warned=warned / runs) for found in outcomes.values()]


def ask_all(world: World, collection: Collection, *, seed: int, replicates: int) -> list[Outcome]:
    """Every method once."""
    count = len(world.scheme.labels)
    truth = collection.true_shares(count)
    nothing = np.full(count, np.nan)
    raw = counted.count_labels(collection.faces, scheme=world.scheme)
    low, high = intervals.wilson(raw.share, count=np.array(raw.faces))
    found = [Outcome(COUNTED, raw.share, low, high, truth, nothing, np.ones(count, dtype=bool))]
    shares = adjusted.estimate_shares(
        collection.faces,
        evidence=collection.evidence,
        scheme=world.scheme,
        bootstrap=Bootstrap(replicates=replicates, seed=seed),
    )
    found.append(Outcome(ADJUSTED, shares.share, shares.low, shares.high, truth, nothing, np.ones(count, dtype=bool)))
    for size in REVIEWS:
        found += ask_people(world, collection, size=size, seed=seed)
    return found


def ask_people(world: World, collection: Collection, *, size: int, seed: int) -> list[Outcome]:
    """A stratified and a simple draw of `size` faces, reviewed by somebody who says the true label."""
    count = len(world.scheme.labels)
    truth = collection.true_shares(count)
    predicted = faces_.label_places(collection.faces, scheme=world.scheme)
    draw = draws.draw_stratified(predicted, strata=world.scheme.labels, size=size, seed=seed)
    said = answers.gather(review(world, collection, draw=draw), scheme=world.scheme, drawn=size)
    shares = reviewed.estimate_shares(said, draw=draw)
    design = design_width(collection.actual, predicted, draw=draw, count=count)
    bare = reviewed.estimate_shares(said, draw=draw, smoothing=0.0)
    found = [
        _outcome(f"{STRATIFIED}, {size}", shares, truth=truth, design=design),
        _outcome(f"{UNSMOOTHED}, {size}", bare, truth=truth, design=design),
    ]
    plain = draws.draw_simple(len(collection.faces), size=size, seed=seed)
    said = answers.gather(review(world, collection, draw=plain), scheme=world.scheme, drawn=size)
    shares = simple.estimate_shares(said, draw=plain, predicted=predicted)
    design = design_of_simple(collection.actual, predicted, size=size, count=count)
    found.append(_outcome(f"{SIMPLE}, {size}", shares, truth=truth, design=design))
    return found


def review(world: World, collection: Collection, *, draw: Draw) -> Reviews:
    """The true labels of the drawn faces as answers of one reviewer."""
    (attribute,) = world.scheme.attributes
    nobody = np.zeros(len(draw), dtype=np.int64)
    said = {attribute: collection.actual[draw.face]}
    return Reviews(np.arange(len(draw)), {attribute: world.scheme.labels}, said, nobody, nobody.astype(bool))


def design_width(actual: np.ndarray, predicted: np.ndarray, *, draw: Draw, count: int) -> np.ndarray:
    """(K,) twice 1.96 standard errors of the draw's estimate, as one who knows all true labels would reckon."""
    joint = np.bincount(predicted * count + actual, minlength=len(draw.frame) * count).reshape(-1, count)
    q = joint / np.maximum(draw.frame, 1)[:, None]
    n, frame = draw.drawn.astype(float), draw.frame.astype(float)
    variance = reviewed.combine_variance(q * (1 - q), examined=n, frame=frame)
    width: np.ndarray = 2 * intervals.Z_95 * np.sqrt(variance)
    return width


def design_of_simple(actual: np.ndarray, predicted: np.ndarray, *, size: int, count: int) -> np.ndarray:
    """(K,) the same of a simple draw with the best use of the counted labels."""
    y, f = (np.bincount(places, minlength=count) / len(actual) for places in (actual, predicted))
    spread, other = y * (1 - y), np.maximum(f * (1 - f), 1e-12)
    joint = np.bincount(actual[actual == predicted], minlength=count) / len(actual) - y * f
    power = np.clip(joint / other, 0, 1)
    left = spread - 2 * power * joint + power**2 * other
    return 2 * intervals.Z_95 * np.sqrt(left / size * (1 - size / len(actual)))


def tally(world: World, outcomes: list[Outcome], *, warned: float) -> Tally:
    """One method's outcomes, taken together."""
    share, low, high, truth, design, told = (
        np.stack([getattr(outcome, name) for outcome in outcomes])
        for name in ("share", "low", "high", "truth", "design", "told")
    )
    rounding = 1e-9
    covered = (low - rounding <= truth) & (truth <= high + rounding)
    both = np.maximum(told.sum(axis=0), 1)
    return Tally(
        world=world.name,
        size=world.size,
        holds=world.holds,
        method=outcomes[0].method,
        runs=len(outcomes),
        labels=world.scheme.labels,
        truth=truth.mean(axis=0),
        coverage=covered.mean(axis=0),
        told=told.mean(axis=0),
        width=np.where(told.any(axis=0), ((high - low) * told).sum(axis=0) / both, np.nan),
        design=np.where(told.any(axis=0), (design * told).sum(axis=0) / both, np.nan),
        bias=(share - truth).mean(axis=0),
        variation=float(np.abs(share - truth).sum(axis=1).mean() / 2),
        warned=warned,
    )


def _outcome(method: str, shares: Shares, *, truth: np.ndarray, design: np.ndarray) -> Outcome:
    """Of reviewed shares, whose last label "cannot tell" nobody said."""
    told = np.array([bound == BOTH for bound in shares.bounds[:-1]])
    return Outcome(method, shares.share[:-1], shares.low[:-1], shares.high[:-1], truth, design, told)
