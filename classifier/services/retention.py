"""Photos are kept as long as their collection says, and what became of each file as long as the site says.

Days are whole ones, in UTC: a photo of a collection that keeps for N days goes with the first midnight after its N days
are over, so the date that is told beforehand holds whenever the chore is done on that day.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from operator import or_
from time import monotonic

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Min, Q
from django.utils import timezone

from classifier.models import Collection, Photo, Upload
from classifier.models.photos import PhotoQuerySet
from classifier.services import audit, deletion

logger = logging.getLogger("facet.retention")

BATCH_PHOTOS = 200  # photos that go together, with one line in the audit log


@dataclass(frozen=True)
class NextDeletion:
    """The next day, in UTC, on which photos of a collection go, and how many."""

    on: date
    photos: int

    def __str__(self) -> str:
        photos = "1 photo is" if self.photos == 1 else f"{self.photos:,} photos are"
        return f"{photos} deleted on {self.on.day} {self.on:%B %Y}"

    @property
    def is_close(self) -> bool:
        """Whether that is before anybody could look at it again at leisure: today or tomorrow."""
        return self.on <= timezone.now().date() + timedelta(days=1)


def foresee(collections: Iterable[Collection]) -> dict[int, NextDeletion]:
    """What goes next, by the primary key of each collection that keeps photos for some days and has any.

    Two questions for any number of collections. What is overdue is told for today.
    """
    days = {row.pk: row.retention_days for row in collections if row.retention_days}
    if not days:
        return {}
    kept = Photo.objects.filter(deleting_at=None).order_by()
    firsts = kept.filter(collection_id__in=days).values_list("collection_id").annotate(Min("received_at"))
    going = {pk: max(_last_day(first, days=days[pk]), timezone.now().date()) for pk, first in firsts}
    if not going:
        return {}
    chosen = (Q(collection_id=pk, received_at__lte=_midnight(on) - _span(days[pk])) for pk, on in going.items())
    counts = dict(kept.filter(reduce(or_, chosen)).values_list("collection_id").annotate(Count("pk")))
    return {pk: NextDeletion(on=on, photos=counts[pk]) for pk, on in going.items() if pk in counts}


def foresee_change(collection: Collection, *, days: int | None) -> NextDeletion | None:
    """What would go next if a collection kept its photos for so many days."""
    return foresee([Collection(pk=collection.pk, retention_days=days)]).get(collection.pk)


def overdue_photos(collection: Collection, *, since: timedelta = timedelta(0)) -> PhotoQuerySet:
    """The photos of a collection that have been due for so long, the oldest first."""
    photos = Photo.objects.filter(collection=collection, deleting_at=None)
    if not collection.retention_days:
        return photos.none()
    today = _midnight((timezone.now() - since).date())
    return photos.filter(received_at__lte=today - _span(collection.retention_days)).order_by("received_at", "pk")


def delete_overdue(*, until: float) -> bool:
    """Delete photos whose days are over, batch by batch; whether all of them went before `until` (monotonic seconds).

    The mark and the line in the audit log are one transaction: what is killed after it is finished by the sweeper.
    """
    for collection in Collection.objects.exclude(retention_days=None).filter(deleting_at=None).order_by("pk"):
        while keys := list(overdue_photos(collection).values_list("pk", flat=True)[:BATCH_PHOTOS]):
            if monotonic() > until:
                return False
            if not _delete_batch(collection, keys=keys):
                break
    return True


def prune_uploads(*, until: float) -> bool:
    """Remove what became of each file of old uploads, batch by batch; whether all went before `until`."""
    if settings.KEEP_UPLOADS_DAYS <= 0:
        return True
    old = Upload.objects.filter(received_at__lt=timezone.now() - _span(settings.KEEP_UPLOADS_DAYS)).order_by("pk")
    while keys := list(old.values_list("pk", flat=True)[: deletion.BATCH_UPLOADS]):
        if monotonic() > until:
            return False
        deletion.delete_uploads(Upload.objects.filter(pk__in=keys))
    return True


def _delete_batch(collection: Collection, *, keys: list[int]) -> bool:
    """Whether these went; not where the owner has just changed for how long photos are kept."""
    now = timezone.now()
    with transaction.atomic():
        unchanged = Collection.objects.filter(
            pk=collection.pk, deleting_at=None, retention_days=collection.retention_days
        )
        if not unchanged.update(updated_at=now):
            return False
        count = deletion.mark_photos(Photo.objects.filter(pk__in=keys, deleting_at=None), at=now)
        if count:
            audit.record(
                "photos deleted after their days",
                target=f"collection {collection.uid}",
                details={"photos": count, "days": collection.retention_days},
            )
    deletion.finish_photos(at=now)
    logger.info("collection %s: %d photos deleted, kept for %d days", collection.uid, count, collection.retention_days)
    return True


def _span(days: int) -> timedelta:
    return timedelta(days=days)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def _last_day(received_at: datetime, *, days: int) -> date:
    """The day with whose beginning a photo goes: that of the first midnight after its days are over."""
    over = received_at.astimezone(UTC) + _span(days)
    return over.date() if over == _midnight(over.date()) else over.date() + timedelta(days=1)
