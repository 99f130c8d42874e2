"""How far reviewers agree: raw, Cohen's kappa, Gwet's AC1 and Krippendorff's alpha, of nominal labels."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ml.shares.answers import CANNOT, NOT_A_FACE, Reviews
from ml.shares.errors import BadReviews, NoFaces
from ml.shares.schemes import Scheme

NO_RATING = -1


@dataclass(frozen=True)
class Agreement:
    """Raw agreement in 0..1; kappa, AC1 and alpha up to 1, 0 being chance. NaN where only one label was ever said.

    `faces` were rated by two reviewers or more.
    """

    raw: float
    kappa: float
    ac1: float
    alpha: float
    faces: int
    reviewers: int


def rate_faces(reviews: Reviews, *, scheme: Scheme, drawn: int) -> np.ndarray:
    """(drawn, reviewers) what each reviewer said of each drawn face, NO_RATING where nothing.

    The label's place, then "cannot tell" and "not a face"; a group that the taxonomy leaves out is no rating, nor are
    skipped faces and adjudications.
    """
    people, who = np.unique(reviews.reviewer, return_inverse=True)
    count = len(scheme.labels)
    places, special = [], np.zeros(len(reviews.drawn), dtype=np.int64)
    for part in scheme.parts:
        if part.attribute not in reviews.answers:
            raise BadReviews("no_such_attribute", f"nobody was asked about {part.attribute}")
        said = reviews.answers[part.attribute]
        special = np.minimum(special, np.where(said < 0, said, 0))
        places.append(np.where(said >= 0, np.array(part.places)[np.maximum(said, 0)], 0))
    cells = scheme.cross(places, counts=[len(part.labels) for part in scheme.parts])
    said = np.select([special == CANNOT, special == NOT_A_FACE, special < 0], [count, count + 1, NO_RATING], cells)
    ratings = np.full((drawn, len(people)), NO_RATING)
    rows = ~reviews.adjudicates
    ratings[reviews.drawn[rows], who[rows]] = said[rows]
    return ratings


def measure_agreement(ratings: np.ndarray) -> Agreement:
    """Agreement of ratings (faces, reviewers) in whole numbers, NO_RATING where there is none.

    Raw: the mean over faces of the share of pairs that agree. Kappa: Cohen 1960, of more than two reviewers the mean
    over their pairs (Light 1971). AC1: Gwet 2008, with his chance agreement of several raters over the labels that
    occur. Alpha: Krippendorff 2011, nominal. Raises NoFaces("no_pairs") where no face has two ratings.
    """
    labels = np.unique(ratings[ratings != NO_RATING])
    counts = (ratings[:, :, None] == labels).sum(axis=1).astype(float)  # (F, q)
    number = counts.sum(axis=1)
    paired = number >= 2
    if not paired.any():
        raise NoFaces("no_pairs", "no face was seen by two reviewers")
    pairs, n = counts[paired], number[paired]
    raw = float(((pairs * (pairs - 1)).sum(axis=1) / (n * (n - 1))).mean())
    return Agreement(
        raw=raw,
        kappa=_mean_kappa(ratings),
        ac1=_find_ac1(counts[number > 0], raw=raw),
        alpha=_find_alpha(pairs),
        faces=int(paired.sum()),
        reviewers=int((ratings != NO_RATING).any(axis=0).sum()),
    )


def _mean_kappa(ratings: np.ndarray) -> float:
    kappas = []
    for first, second in combinations(range(ratings.shape[1]), 2):
        both = (ratings[:, first] != NO_RATING) & (ratings[:, second] != NO_RATING)
        if both.any():
            kappas.append(_cohens_kappa(ratings[both, first], ratings[both, second]))
    known = [kappa for kappa in kappas if not np.isnan(kappa)]
    return float(np.mean(known)) if known else float("nan")


def _cohens_kappa(first: np.ndarray, second: np.ndarray) -> float:
    labels = np.unique(np.concatenate([first, second]))
    by_chance = float(((first[:, None] == labels).mean(axis=0) * (second[:, None] == labels).mean(axis=0)).sum())
    return (float((first == second).mean()) - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan")


def _find_ac1(counts: np.ndarray, *, raw: float) -> float:
    """Of counts (F, q) over faces with a rating."""
    q = counts.shape[1]
    if q < 2:
        return raw
    shares = (counts / counts.sum(axis=1, keepdims=True)).mean(axis=0)
    by_chance = float((shares * (1 - shares)).sum() / (q - 1))
    return (raw - by_chance) / (1 - by_chance)


def _find_alpha(counts: np.ndarray) -> float:
    """Of counts (F, q) over faces with two ratings or more."""
    n = counts.sum(axis=1)
    totals = counts.sum(axis=0)
    differing = ((n**2 - (counts**2).sum(axis=1)) / (n - 1)).sum()
    expected = (totals.sum() ** 2 - (totals**2).sum()) / (totals.sum() - 1)
    return float(1 - differing / expected) if expected > 0 else float("nan")
