"""How many draws there is room for: each keeps a row for every face that it was drawn from."""

from django.conf import settings

from classifier.models import Collection, Draw, User
from classifier.services import rates
from classifier.services.reviews.refusals import DrawnTooOften, TooManyDraws

MOST_OPEN = 100  # draws of a collection
MOST_OF_A_PERSON = 1000
MOST_FRAMED = 10_000_000  # faces in the frames of a person's draws, some 0.1 kB each


def check_room(collection: Collection) -> None:
    """Raises TooManyDraws where the collection, or its owner, has as many open draws as there may be."""
    there = Draw.objects.filter(ended="", collection__deleting_at=None)
    if there.filter(collection=collection).count() >= MOST_OPEN:
        raise TooManyDraws(
            f"This collection has {MOST_OPEN} draws, and may have no more: enlarge one of them.", most=MOST_OPEN
        )
    mine = list(there.filter(collection__owner=collection.owner_id).only("kind", "strata")[:MOST_OF_A_PERSON])
    if len(mine) >= MOST_OF_A_PERSON:
        raise TooManyDraws(
            f"The owner of this collection has {MOST_OF_A_PERSON:,} draws, and may have no more: enlarge one of them.",
            most=MOST_OF_A_PERSON,
        )
    if sum(draw.frame for draw in mine if draw.kind == Draw.Kind.FACES) >= MOST_FRAMED:
        raise TooManyDraws(
            f"The draws of this collection's owner were made from {MOST_FRAMED:,} faces or more, which all are kept: "
            "enlarge one of them.",
            most_faces=MOST_FRAMED,
        )


def take_turn(user: User) -> None:
    """Count that somebody draws. Raises DrawnTooOften."""
    if wait := rates.take(f"draw:{user.pk}", rate=rates.parse_rate(settings.DRAW_RATE)):
        raise DrawnTooOften(rates.whole_seconds(wait))
