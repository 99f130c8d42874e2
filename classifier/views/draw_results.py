"""What a draw's page tells of its answers: widths, shares, how often the model is right, agreement, mistakes."""

from dataclasses import dataclass
from typing import Any

from classifier.models import Draw, User
from classifier.services.reviews import adjudicating, blinding, progress, results
from classifier.services.reviews.results import Mistake
from classifier.services.reviews.serving import Pass
from classifier.views import desk

MOST_MISTAKES = 12


@dataclass(frozen=True)
class Row:
    """A share with its interval, as per cent for the chart; an end that may not be told is None."""

    label: str
    share: float
    low: float | None
    high: float | None
    count: int | None = None

    @property
    def reach(self) -> float:
        """The length of the whisker."""
        return (100.0 if self.high is None else self.high) - (self.low or 0.0)


@dataclass(frozen=True)
class Section:
    """One attribute's results."""

    attribute: str
    shares: list[Row]
    accuracy: list[Row]
    mistakes: list[Mistake]
    answered: int
    waiting: int


def describe(draw: Draw, *, reader: User, own: Pass | None) -> dict[str, Any]:
    """The context of a draw's page; nothing where it has ended. `own` is the reader's pass, of one who may review.

    What the model guessed of single faces is told to nobody who has still to answer about them, and what others said
    to nobody who has still to answer.
    """
    if draw.ended:
        return {}
    is_blind = bool(blinding.list_blind([draw.uid], reader=reader))
    if draw.kind == Draw.Kind.PHOTOS:
        from classifier.services.reviews import missing  # loads numpy

        return {"is_blind": True} if is_blind else {"missed": missing.estimate_missed(draw)}
    far = progress.measure_progress(draw)
    told: dict[str, Any] = {"progress": far, "width_words": desk.tell_width(far, attribute=draw.strata_attribute)}
    told |= {"headline": results.HEADLINE, "headline_in": max(results.HEADLINE - far.answered, 0)}
    if is_blind:
        # Who has answered nothing may have been asked to settle instead.
        may_settle = own is not None and not own.answered
        left = adjudicating.list_disagreements(draw, adjudicator=reader) if may_settle else ()
        return told | {"is_blind": True, "to_settle": len(left)}
    if not far.answered:
        return told
    shares = results.estimate_shares(draw)
    accuracies = estimate_accuracy(draw)
    told["sections"] = [
        Section(
            of.attribute,
            [as_row(one.label, one.share, one.low, one.high, one.bound) for one in shares.get(of.attribute, [])],
            accuracies.get(of.attribute, []),
            list_mistakes(draw, attribute=of.attribute, own=own, is_owner=draw.collection.owner_id == reader.pk),
            of.answered,
            of.waiting,
        )
        for of in far.attributes
    ]
    told["agreement"] = results.measure_agreement(draw)
    told["disagreements"] = len(adjudicating.list_disagreements(draw))
    told["to_settle"] = len(adjudicating.list_disagreements(draw, adjudicator=reader))
    return told


def list_mistakes(draw: Draw, *, attribute: str, own: Pass | None, is_owner: bool) -> list[Mistake]:
    """Where people and the model differ, of faces the reader is through with; an owner may leave it to others."""
    found = results.list_mistakes(draw, attribute=attribute)
    is_reading_only = own is None or (is_owner and not own.answered)
    done = set() if own is None else {turn.face_id for turn in own.turns if not (turn.is_open or turn.is_skipped)}
    return [one for one in found if is_reading_only or one.face.pk in done][:MOST_MISTAKES]


def estimate_accuracy(draw: Draw) -> dict[str, list[Row]]:
    """How often the model is right here, overall and by what people say; empty while that cannot be told."""
    from classifier.services.reviews import accuracy  # loads numpy

    found = accuracy.estimate(draw)
    return {
        name: [as_row(one.label, one.share, one.low, one.high, one.bound, count=one.count) for one in rows]
        for name, rows in found.items()
    }


def as_row(label: str, share: float, low: float, high: float, bound: str, *, count: int | None = None) -> Row:
    """`bound` is one of `ml.shares.result`: which ends may be told."""
    is_low, is_high = bound in ("both", "lower"), bound in ("both", "upper")
    return Row(label, share * 100, low * 100 if is_low else None, high * 100 if is_high else None, count)
