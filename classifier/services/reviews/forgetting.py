"""What people said of an attribute goes when it is switched off, and so do the draws that were drawn by it."""

from collections.abc import Sequence
from typing import Any

from django.db.models import F, QuerySet, TextField, Value
from django.db.models.expressions import Combinable

from classifier.models import Collection, Draw, DrawnFace, DrawnPhoto, FrameFace, Review
from classifier.services.predictions import Without
from ml.attributes import ATTRIBUTES


def forget_attributes(collection: Collection, *, attributes: Sequence[str]) -> dict[str, int]:
    """Remove answers about attributes, and end draws whose strata or filter tell what the model guessed of one.

    How many reviews and draws that changed, where any. Call it inside of the transaction that switches them off. What
    was said of other attributes stays, for correction and training; a draw that is over feeds no statistics any more.
    """
    reviews = Review.objects.filter(face__photo__collection=collection)
    touched = forget_answers(reviews, attributes=attributes)
    ended = 0
    for draw in _draws_by(collection, attributes=attributes):
        FrameFace.objects.filter(draw=draw).delete()
        DrawnFace.objects.filter(draw=draw).delete()
        DrawnPhoto.objects.filter(draw=draw).delete()
        draw.strata, draw.filter, draw.ended = [], {}, Draw.Ended.SWITCHED_OFF
        draw.save(update_fields=["strata", "filter", "ended"])
        ended += 1
    return {name: count for name, count in {"reviews": touched, "draws": ended}.items() if count}


def count_attribute(collection: Collection, *, attribute: str) -> dict[str, int]:
    """How many reviews lose an answer, and how many draws end, where this attribute is switched off."""
    reviews = Review.objects.filter(face__photo__collection=collection, answers__has_key=attribute)
    return {"reviews": reviews.count(), "draws": len(_draws_by(collection, attributes=[attribute]))}


def _draws_by(collection: Collection, *, attributes: Sequence[str]) -> list[Draw]:
    """Draws in which being drawn tells a guess: of faces in strata of an attribute, or chosen by what it says."""
    words = {ATTRIBUTES[name].short for name in attributes}
    unsure = {f"unsure-{word}" for word in words}
    return [
        draw
        for draw in Draw.objects.filter(collection=collection, ended="")
        if draw.strata_attribute in attributes or words & draw.filter.keys() or draw.filter.get("sure") in unsure
    ]


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
