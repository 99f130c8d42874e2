"""What reviews tell beside shares: how often the model is right here, whether reviewers agree, what was missed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ml.shares import accuracy, agreement, draws
from ml.shares import faces as faces_
from ml.shares.answers import Answers
from ml.shares.errors import NoFaces, SharesError
from ml.shares.missed import Missed
from ml.shares.schemes import Scheme
from ml.surveying.estimating import Estimate
from ml.surveying.report import Accuracy, AccuracyRow, AgreementRow, GroupedAccuracy, MissedFaces, ReliabilityRow
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
        predicted = reviews.pick(faces_.label_places(survey.faces, scheme=scheme))
        known: dict[str, Any] = {"draw": reviews.draw, "predicted": predicted, "trained_on": reviews.trained_on}
        try:
            overall, by_answer, by_label = accuracy.estimate_accuracy(estimate.answers, **known)
        except SharesError:
            continue
        others = [of.answers for scheme_, of in found.items() if scheme_ != scheme and of.answers is not None]
        told.append(
            Accuracy(
                scheme.name,
                _rows(overall)[0],
                _rows(by_answer),
                _rows(by_label),
                _by_groups(estimate.answers, others=others, known=known),
                _tell_reliability(survey, scheme=scheme, answers=estimate.answers, reviews=reviews, known=known),
                0 if reviews.trained_on is None else int((reviews.trained_on & estimate.answers.answered).sum()),
            )
        )
    return tuple(told)


def _by_groups(answers: Answers, *, others: Sequence[Answers], known: Mapping[str, Any]) -> tuple[GroupedAccuracy, ...]:
    """By each other attribute that people answered about."""
    return tuple(
        GroupedAccuracy(other.scheme, _rows(accuracy.estimate_by_group(answers, groups=other, **known)))
        for other in others
    )


def _tell_reliability(
    survey: Survey, *, scheme: Scheme, answers: Answers, reviews: ReviewedDraw, known: Mapping[str, Any]
) -> tuple[ReliabilityRow, ...]:
    """The bins in which somebody answered; nothing where the predictions came without probabilities."""
    (part,) = scheme.parts
    vectors = survey.faces.posteriors.get(part.attribute)
    if vectors is None:
        return ()
    summed = vectors.astype(np.float32) @ part.fold.astype(np.float32)
    total = summed.sum(axis=1)
    top = summed.max(axis=1) / np.where(total > 0, total, 1)
    inside = reviews.draw.face != draws.OUTSIDE
    confidence = np.where(inside, top[np.where(inside, reviews.draw.face, 0)], 0.0)
    found = accuracy.estimate_reliability(answers, confidence=np.clip(confidence, 0, 1), **known)
    rows = _rows(found.accuracy)
    return tuple(
        ReliabilityRow(float(found.edges[k]), float(found.edges[k + 1]), float(found.confidence[k]), row)
        for k, row in enumerate(rows)
        if row.share is not None
    )


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
