"""What people said of an attribute goes when it is switched off, and so do the draws that were drawn by it."""

from collections.abc import Sequence
from typing import Any

from django.db.models import F, QuerySet, TextField, Value
from django.db.models.expressions import Combinable

from classifier.models import Collection, Draw, DrawnFace, FrameFace, Review
from classifier.services.predictions import Without


def forget_attributes(collection: Collection, *, attributes: Sequence[str]) -> dict[str, int]:
    """Remove answers about attributes, and end draws whose strata tell what the model guessed of one of them.

    How many reviews and draws that changed, where any. Call it inside of the transaction that switches them off. What
    was said of other attributes stays, for correction and training; a draw that is over feeds no statistics any more.
    """
    reviews = Review.objects.filter(face__photo__collection=collection)
    touched = forget_answers(reviews, attributes=attributes)
    draws = Draw.objects.filter(collection=collection, strata_attribute__in=attributes, ended="")
    ended = 0
    for draw in draws:
        FrameFace.objects.filter(draw=draw).delete()
        DrawnFace.objects.filter(draw=draw).delete()
        draw.strata, draw.ended = [], Draw.Ended.SWITCHED_OFF
        draw.save(update_fields=["strata", "ended"])
        ended += 1
    return {name: count for name, count in {"reviews": touched, "draws": ended}.items() if count}


def forget_answers(reviews: QuerySet[Review], *, attributes: Sequence[str]) -> int:
    """Take answers about attributes out of reviews; those that say nothing any more go. How many were touched."""
    count = 0
    left: Combinable = F("answers")
    for attribute in attributes:
        count = max(count, reviews.filter(answers__has_key=attribute).count())
        left = Without(left, Value(attribute, output_field=TextField()))
    answers: dict[str, Any] = {"answers": left}
    reviews.update(**answers)
    reviews.filter(verdict=Review.Verdict.FACE, answers={}).delete()
    return count
