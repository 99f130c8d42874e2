"""Real chips: sets with known shares, drawn from labelled images that neither training nor calibration has seen."""

from dataclasses import dataclass

import numpy as np

from ml.shares import adjusted, answers, counted, draws, reviewed, schemes, sensitivity
from ml.shares import faces as faces_
from ml.shares.answers import Reviews
from ml.shares.evidence import Evidence
from ml.shares.resampling import Bootstrap
from ml.shares.result import Shares
from ml.shares.schemes import Scheme

LARGEST_SET = 600
REVIEWS = (100, 300)


@dataclass(frozen=True)
class Mixture:
    """A set in which `share` (0..1) of the faces are of those that are `wanted` (N,), the others as they come."""

    name: str
    wanted: np.ndarray
    share: float | None  # None: all as they come

    @property
    def size(self) -> int:
        if self.share is None:
            return min(LARGEST_SET, len(self.wanted))
        return min(LARGEST_SET, int(self.wanted.sum() / self.share))


@dataclass(frozen=True)
class RealTally:
    """Of all draws of a mixture, one attribute and one method: total variation in 0..1, coverage of the labels.

    `largest` is the share that the most frequent label truly has, `told` the method's mean answer of it.
    """

    mixture: str
    size: int
    scheme: str
    method: str
    draws: int
    variation: float
    coverage: float
    largest: float
    told: float
    warned: float


def list_mixtures(images: Evidence) -> list[Mixture]:
    """The sets that are tried: of 2,500 images none may come twice, so some are small."""
    race, age = images.actual["race"], images.actual["age"]
    classes = images.faces.classes
    over_fifty = (age >= classes["age"].index("50-59")) & (images.actual["gender"] == classes["gender"].index("Female"))
    return [
        Mixture("70 % White", race == classes["race"].index("White"), 0.7),
        Mixture("60 % East Asian", race == classes["race"].index("East Asian"), 0.6),
        Mixture("50 % Black", race == classes["race"].index("Black"), 0.5),
        Mixture("60 % women over 50", over_fifty, 0.6),
        Mixture("as it is", np.ones(len(race), dtype=bool), None),
    ]


def try_mixture(
    mixture: Mixture, *, images: Evidence, known: Evidence, times: int, seed: int, replicates: int = 1_000
) -> list[RealTally]:
    """All attributes and methods on `times` sets drawn without replacement; `known` is the checkpoint's evidence."""
    found: dict[tuple[str, str], list[tuple[np.ndarray, ...]]] = {}
    warned: dict[str, list[bool]] = {}
    for turn in range(times):
        rng = np.random.default_rng([seed, turn, len(mixture.name)])
        drawn = images.take(_choose(mixture, rng=rng))
        for scheme in schemes.standard_schemes(images.faces.classes)[:3]:
            cautions = sensitivity.find_cautions(drawn.faces, evidence=known, scheme=scheme)
            warned.setdefault(scheme.name, []).append(bool(cautions))
            for method, told in _ask(drawn, known=known, scheme=scheme, seed=seed + turn, replicates=replicates):
                found.setdefault((scheme.name, method), []).append(told)
    return [
        _tally(told, mixture=mixture, scheme=scheme, method=method, warned=float(np.mean(warned[scheme])))
        for (scheme, method), told in found.items()
    ]


def _ask(
    drawn: Evidence, *, known: Evidence, scheme: Scheme, seed: int, replicates: int
) -> list[tuple[str, tuple[np.ndarray, ...]]]:
    """Methods with share, low, high and truth, (K,) each."""
    actual = faces_.actual_places(drawn.actual, scheme=scheme)
    truth = scheme.fold_shares(np.bincount(actual, minlength=scheme.solving_count) / len(actual))
    raw = counted.count_labels(drawn.faces, scheme=scheme).share
    shares = adjusted.estimate_shares(
        drawn.faces, evidence=known, scheme=scheme, bootstrap=Bootstrap(replicates=replicates, seed=seed)
    )
    methods: list[tuple[str, tuple[np.ndarray, ...]]] = [
        ("counted", (raw, raw, raw, truth)),
        ("adjusted", (shares.share, shares.low, shares.high, truth)),
    ]
    for size in REVIEWS:
        if size < len(drawn):
            people = _review(drawn, scheme=scheme, size=size, seed=seed)
            told = (people.share[:-1], people.low[:-1], people.high[:-1], truth)
            methods.append((f"reviewed, {size}", told))
    return methods


def _review(drawn: Evidence, *, scheme: Scheme, size: int, seed: int) -> Shares:
    """One draw by race serves all attributes."""
    race = schemes.single("race", classes=drawn.faces.classes["race"])
    stratum = faces_.label_places(drawn.faces, scheme=race)
    draw = draws.draw_stratified(stratum, strata=race.labels, size=size, seed=seed)
    (attribute,) = scheme.attributes
    nobody = np.zeros(size, dtype=np.int64)
    said = {attribute: drawn.actual[attribute][draw.face]}
    reviews = Reviews(np.arange(size), drawn.faces.classes, said, nobody, nobody.astype(bool))
    return reviewed.estimate_shares(answers.gather(reviews, scheme=scheme, drawn=size), draw=draw)


def _tally(
    told: list[tuple[np.ndarray, ...]], *, mixture: Mixture, scheme: str, method: str, warned: float
) -> RealTally:
    share, low, high, truth = (np.stack(column) for column in zip(*told, strict=True))
    largest = truth.mean(axis=0).argmax()
    covered = (low - 1e-9 <= truth) & (truth <= high + 1e-9)
    return RealTally(
        mixture=mixture.name,
        size=mixture.size,
        scheme=scheme,
        method=method,
        draws=len(told),
        variation=float(np.abs(share - truth).sum(axis=1).mean() / 2),
        coverage=float(covered.mean()),
        largest=float(truth[:, largest].mean()),
        told=float(share[:, largest].mean()),
        warned=warned,
    )


def _choose(mixture: Mixture, *, rng: np.random.Generator) -> np.ndarray:
    if mixture.share is None:
        return rng.choice(len(mixture.wanted), mixture.size, replace=False)
    inside = round(mixture.share * mixture.size)
    first = rng.choice(np.flatnonzero(mixture.wanted), inside, replace=False)
    rest = rng.choice(np.flatnonzero(~mixture.wanted), mixture.size - inside, replace=False)
    return rng.permutation(np.concatenate([first, rest]))
