"""How many photos and faces filters leave, and which place among them a photo has: what looks at every photo.

Pages show these at once where a collection is small; of a large one they are asked for when the page is there.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.core.cache import cache
from django.db.models import Count, Q, QuerySet, Sum

from classifier.models import Collection, Face, Photo
from classifier.services import paging

LARGE_PHOTOS = 5_000  # up to these a count takes a few milliseconds
KEPT_SECONDS = 3_600  # a count of a large collection, unless something changes


@dataclass(frozen=True)
class Matches:
    """What filters leave of a collection."""

    photos: int
    faces: int


@dataclass(frozen=True)
class Place:
    """A photo's number among some photos, from 1; None where it is not one of them (any more)."""

    number: int | None
    total: int


def is_large(collection: Collection) -> bool:
    """Whether counting a collection's photos would hold up its pages."""
    photos = Photo.objects.filter(collection=collection, deleting_at=None).order_by("-received_at", "-id")
    return bool(photos.values_list("pk", flat=True)[LARGE_PHOTOS : LARGE_PHOTOS + 1])


def tell_again(collection: Collection, *, asked: Mapping[str, str], count: Callable[[], Matches]) -> Matches:
    """What was counted last for what is `asked`; counted anew where that was never or something has changed since.

    A row of the collection that was read before a change is told what was counted before it.
    """
    if not is_large(collection):
        return count()
    words = hashlib.sha256(repr(sorted(asked.items())).encode()).hexdigest()
    key = f"matches:{collection.uid}:{collection.revision}:{words}"
    known: Matches | None = cache.get(key)
    if known is None:
        known = count()
        cache.set(key, known, KEPT_SECONDS)
    return known


def count_all_faces(collection: Collection) -> int:
    """All faces of a collection, also of photos that are just being deleted, from an index alone."""
    row = Photo.objects.filter(collection=collection).order_by().aggregate(faces=Sum("face_count", default=0))
    faces: int = row["faces"]
    return faces


def count_photos(photos: QuerySet[Photo]) -> Matches:
    """Some photos, and all faces on them."""
    row = photos.order_by().aggregate(photos=Count("pk"), faces=Sum("face_count", default=0))
    return Matches(photos=row["photos"], faces=row["faces"])


def count_faces(faces: QuerySet[Face]) -> Matches:
    """Some faces, and the photos that have one of them."""
    row = faces.order_by().aggregate(faces=Count("pk"), photos=Count("photo", distinct=True))
    return Matches(photos=row["photos"], faces=row["faces"])


def find_place(photos: QuerySet[Photo], *, photo: Photo, order: str) -> Place:
    """Which of some photos in an order a photo is."""
    before = Count("pk", filter=paging.is_before(photo, order=order))
    is_one = Count("pk", filter=Q(pk=photo.pk))
    row = photos.order_by().aggregate(total=Count("pk"), before=before, is_one=is_one)
    return Place(number=row["before"] + 1 if row["is_one"] else None, total=row["total"])
