"""Shares and agreement of one attribute of a draw. Imports numpy: import this where it is needed."""

import math

from classifier.services.reviews.results import Agreement, LabelShare
from classifier.services.reviews.said import SaidOfDraw
from ml.attributes import ATTRIBUTES
from ml.shares import agreement, answers, reviewed, schemes
from ml.shares.errors import SharesError
from ml.shares.schemes import Scheme


def estimate_attribute(found: SaidOfDraw, *, name: str) -> list[LabelShare]:
    """Nothing while nobody answered, or a stratum has no answer."""
    try:
        told = answers.gather(found.reviews, scheme=scheme_of(name), drawn=len(found.draw))
        shares = reviewed.estimate_shares(told, draw=found.draw)
    except SharesError:
        return []
    rows = zip(
        shares.labels, shares.share.tolist(), shares.low.tolist(), shares.high.tolist(), shares.bounds, strict=True
    )
    return [LabelShare(*row) for row in rows]


def measure_agreement(found: SaidOfDraw, *, name: str) -> Agreement | None:
    """None where no face was seen by two."""
    ratings = agreement.rate_faces(found.reviews, scheme=scheme_of(name), drawn=len(found.draw))
    try:
        of = agreement.measure_agreement(ratings)
    except SharesError:
        return None
    kappa, ac1, alpha = (None if math.isnan(value) else value for value in (of.kappa, of.ac1, of.alpha))
    return Agreement(name, of.faces, of.reviewers, of.raw, kappa, ac1, alpha)


def scheme_of(name: str) -> Scheme:
    """The labels that shares are told in: the finest groups, age in five bands."""
    return schemes.single(name, classes=ATTRIBUTES[name].labels)
