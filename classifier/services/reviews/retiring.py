"""Faces that people say are none: listed, and retired by an administrator or the owner, which takes them out."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from classifier.models import Collection, Face, Photo, Review, User
from classifier.services import audit


def list_candidates() -> QuerySet[Face]:
    """Counted faces that somebody calls none: with `against` and `for_it` the numbers of people who say so, or not.

    The most certain first.
    """
    told = Q(reviews__is_standing=True)
    none = Review.objects.told().filter(verdict=Review.Verdict.NOT_A_FACE)
    return (
        Face.objects.counted()
        .filter(pk__in=none.values("face"), photo__deleting_at=None)
        .annotate(
            against=Count("reviews", filter=told & Q(reviews__verdict=Review.Verdict.NOT_A_FACE)),
            for_it=Count("reviews", filter=told & Q(reviews__verdict=Review.Verdict.FACE)),
        )
        .order_by(F("for_it") - F("against"), "-pk")
    )


def retire_faces(collection: int | None = None, *, faces: Sequence[int], actor: User) -> int:
    """Retire those of some faces (primary keys) that somebody calls none; how many.

    They are kept with their reviews and counted no more. In a draw they stay, as what turned out to be no face.
    `collection` narrows it to one. The audit log names each.
    """
    with transaction.atomic():
        rows = Face.objects.counted().filter(pk__in=list(faces), photo__deleting_at=None)
        if collection is not None:
            rows = rows.filter(photo__collection=collection)
        Collection.objects.filter(pk__in=rows.order_by().values("photo__collection")).hold()
        none = Review.objects.told().filter(verdict=Review.Verdict.NOT_A_FACE).values("face")
        found = list(rows.filter(pk__in=none).values_list("pk", "uid", "photo_id", "photo__collection_id"))
        Collection.objects.note_change(pk for *_, pk in found)
        Face.objects.filter(pk__in=[row[0] for row in found]).update(
            retired_at=timezone.now(), retired_because=Face.Retired.NOT_A_FACE
        )
        _count_faces([row[2] for row in found])
        if found:
            audit.record(
                "faces retired",
                actor=actor,
                target=f"face {found[0][1]}" if len(found) == 1 else "",
                details={"faces": [str(row[1]) for row in found], "reason": "reviewed as not a face"},
            )
    return len(found)


def _count_faces(photos: Sequence[int]) -> None:
    """The numbers of faces that photos tell."""
    counted = Face.objects.counted().filter(photo=OuterRef("pk")).order_by().values("photo")
    count = Subquery(counted.annotate(n=Count("pk")).values("n"))
    Photo.objects.filter(pk__in=photos).in_order().update(face_count=Coalesce(count, 0))
