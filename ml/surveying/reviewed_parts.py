"""What reviews tell beside shares: how often the model is right here, whether reviewers agree, what was missed."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ml.shares import accuracy, agreement
from ml.shares import faces as faces_
from ml.shares.errors import NoFaces, SharesError
from ml.shares.missed import Missed
from ml.shares.schemes import Scheme
from ml.surveying.estimating import Estimate
from ml.surveying.report import Accuracy, AccuracyRow, AgreementRow, MissedFaces
from ml.surveying.reviewing import ReviewedDraw
from ml.surveying.survey import Survey


def measure_accuracy(
    survey: Survey, *, found: Mapping[Scheme, Estimate], reviews: ReviewedDraw | None
) -> tuple[Accuracy, ...]:
    """Of each attribute that people answered about; nothing while a stratum has no answer."""
    if reviews is None:
        return ()
    told = []
    for scheme, estimate in found.items():
        if estimate.answers is None:
            continue
        predicted = faces_.label_places(survey.faces, scheme=scheme)[reviews.draw.face]
        try:
            overall, by_answer, by_label = accuracy.estimate_accuracy(
                estimate.answers, draw=reviews.draw, predicted=predicted
            )
        except SharesError:
            continue
        told.append(Accuracy(scheme.name, _rows(overall)[0], _rows(by_answer), _rows(by_label)))
    return tuple(told)


def measure_agreement(schemes: Sequence[Scheme], *, reviews: ReviewedDraw | None) -> tuple[AgreementRow, ...]:
    """Of each attribute that two people answered about of the same face."""
    if reviews is None:
        return ()
    told = []
    for scheme in schemes:
        if not set(scheme.attributes) <= reviews.reviews.answers.keys():
            continue
        ratings = agreement.rate_faces(reviews.reviews, scheme=scheme, drawn=len(reviews.draw))
        try:
            of = agreement.measure_agreement(ratings)
        except NoFaces:
            continue
        kappa, ac1, alpha = (_known(value) for value in (of.kappa, of.ac1, of.alpha))
        told.append(AgreementRow(scheme.name, of.raw, kappa, ac1, alpha, of.faces, of.reviewers))
    return tuple(told)


def tell_missed(missed: Missed | None) -> MissedFaces | None:
    return None if missed is None else MissedFaces(missed.share, missed.low, missed.high, missed.photos)


def _rows(found: accuracy.Accuracies) -> tuple[AccuracyRow, ...]:
    return tuple(
        AccuracyRow(
            part,
            _known(found.share[k]),
            _known(found.low[k]) if not np.isnan(found.share[k]) else None,
            _known(found.high[k]) if not np.isnan(found.share[k]) else None,
            found.bounds[k],
            float(found.examined[k]),
        )
        for k, part in enumerate(found.parts)
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
