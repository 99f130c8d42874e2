"""From whom others' answers are kept: whoever is asked to answer in a draw, and is not through with it.

An owner may leave the answering to others, and so may an administrator who has not begun.
"""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from classifier.models import Collection, Draw, KeptReport, PhotoReview, Review, User
from classifier.services.reviews import standing
from classifier.services.reviews.refusals import ReviewRefused


class StillBlind(ReviewRefused):
    code = "still_blind"
    sentence = (
        "You are asked what you perceive in faces of this collection. What others said, and shares that rest on it, "
        "are shown when you have answered about all that were drawn: until then nothing leads your answers."
    )


def list_blind(draws: Iterable[UUID], *, reader: User) -> set[UUID]:
    """Those of some draws, by their keys, whose answers the reader must not see yet: one query at most."""
    wanted = set(draws)
    return set(_blind_to(reader).filter(uid__in=wanted).values_list("uid", flat=True)) if wanted else set()


def is_blind(collection: Collection, *, reader: User) -> bool:
    """Whether there is such a draw in a collection."""
    return _blind_to(reader).filter(collection=collection).exists()


def check_kept(kept: KeptReport, *, reader: User) -> None:
    """Raises StillBlind where a kept report tells what the reader must not see yet.

    Of one that was kept before its draw was noted, any draw of the collection may be its own.
    """
    if kept.collection.owner_id == reader.pk or not kept.values.get("reviewing"):
        return
    if list_blind([kept.draw], reader=reader) if kept.draw else is_blind(kept.collection, reader=reader):
        raise StillBlind


def _blind_to(reader: User) -> QuerySet[Draw]:
    found: QuerySet[Draw] = standing.select_waiting(reader).exclude(collection__owner=reader)
    if not reader.is_staff:
        return found
    own = Q(reviewer_uid=reader.uid, is_standing=True)
    begun = Exists(Review.objects.filter(own, draw=OuterRef("pk"), adjudicates=False))
    return found.filter(begun | Exists(PhotoReview.objects.filter(own, drawn_photo__draw=OuterRef("pk"))))
