"""What a draw tells: shares with intervals, agreement of reviewers, and where the model was wrong."""

from dataclasses import dataclass
from typing import Any

from classifier.models import CANNOT_TELL, Draw, Face, Guess, Review

HEADLINE = 100  # answers from which on a report rests on them: `ml.shares.reviewed.HEADLINE_FROM`, without numpy


@dataclass(frozen=True)
class LabelShare:
    """A label among the faces of the draw's frame, 0..1; `bound` says which ends may be told."""

    label: str
    share: float
    low: float
    high: float
    bound: str


@dataclass(frozen=True)
class Agreement:
    """Of faces that two reviewers or more answered about; None where only one label was ever said."""

    attribute: str
    faces: int
    reviewers: int
    raw: float
    kappa: float | None
    ac1: float | None
    alpha: float | None


@dataclass(frozen=True)
class Mistake:
    """A drawn face of which a reviewer says something else than the model guessed."""

    face: Face
    guess: str
    said: str


def estimate_shares(draw: Draw) -> dict[str, list[LabelShare]]:
    """By attribute, of the answers so far; an attribute is absent while a stratum has no answer."""
    from classifier.services.reviews import figures, said

    found = said.read_said(draw)
    told = {name: figures.estimate_attribute(found, name=name) for name in draw.questions()}
    return {name: shares for name, shares in told.items() if shares}


def measure_agreement(draw: Draw) -> list[Agreement]:
    """Of each attribute that two people answered about of the same face. Adjudications are not counted."""
    from classifier.services.reviews import figures, said

    found = said.read_said(draw)
    told = [figures.measure_agreement(found, name=name) for name in draw.questions()]
    return [row for row in told if row is not None]


def list_mistakes(draw: Draw, *, attribute: str, guess: str = "", said: str = "", limit: int = 60) -> list[Mistake]:
    """Faces of a draw whose guess is not what a reviewer says, the surest guesses first; of one guess, or answer."""
    reviews = Review.objects.told().filter(
        draw=draw, verdict=Review.Verdict.FACE, answers__has_key=attribute, face__retired_at=None
    )
    answers: dict[int, str] = {}
    for review in reviews.order_by("adjudicates", "pk"):  # an adjudication has the last word
        answers[review.face_id] = review.answers[attribute]
    guesses = Guess.objects.filter(attribute=attribute, face__in=list(answers)).order_by("-probability")
    if guess:
        guesses = guesses.filter(label=guess)
    wrong = [
        (row.face_id, row.label, answers[row.face_id])
        for row in guesses
        if answers[row.face_id] not in (row.label, CANNOT_TELL) and said in ("", answers[row.face_id])
    ][:limit]
    faces = Face.objects.select_related("photo").filter(photo__deleting_at=None).in_bulk([row[0] for row in wrong])
    return [Mistake(faces[pk], label, answer) for pk, label, answer in wrong if pk in faces]


def tell(draw: Draw) -> dict[str, Any]:
    """All results of a draw of faces, or how many faces were missed of one of photos, as the API tells them."""
    from classifier.services.reviews import progress

    if draw.kind == Draw.Kind.PHOTOS:
        from classifier.services.reviews import missing

        found = missing.estimate_missed(draw)
        return {"missed": None if found is None else vars(found)}
    far = progress.measure_progress(draw)
    shares = estimate_shares(draw)
    return {
        "answered": far.answered,
        "reviewers": far.reviewers,
        "attributes": {
            of.attribute: {
                "answered": of.answered,
                "waiting": of.waiting,
                "half_width": of.now,
                "later": [{"more": reach.more, "half_width": reach.half_width} for reach in of.later],
                "shares": [vars(row) for row in shares.get(of.attribute, [])],
            }
            for of in far.attributes
        },
        "agreement": [vars(row) for row in measure_agreement(draw)],
    }
