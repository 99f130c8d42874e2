"""What is kept too long: deletions that were cut short, photos whose days are over, a full disk."""

import math
from datetime import timedelta

from django.db.models import Q, Value
from django.utils import timezone

from classifier.models import Collection, Photo, User
from classifier.services import deletion, disk, retention
from classifier.services.doctor.findings import Finding, count_subjects

DELETION_AFTER = timedelta(minutes=5)  # the sweeper completes deletions long before
OVERDUE_AFTER = timedelta(days=1)  # a photo goes on its day; a site that was down that day begins with it


def find_begun_deletions() -> Finding | None:
    begun = Q(deleting_at__lt=timezone.now() - DELETION_AFTER)
    accounts, collections, photos = (
        model._default_manager.filter(begun).order_by().values_list(Value(model._meta.model_name), "uid")
        for model in (User, Collection, Photo)
    )
    subjects = tuple(f"{kind} {uid}" for kind, uid in accounts.union(collections, photos, all=True))
    if not subjects:
        return None
    return Finding(
        f"{count_subjects(subjects, 'deletion')} begun and not finished.",
        subjects,
        "With --fix they are finished. If they come back, the files cannot be removed: look at their permissions.",
        remedy=deletion.finish_deletions,
    )


def find_overdue_photos() -> Finding | None:
    subjects = tuple(
        f"collection {collection.uid}: {count}"
        for collection in Collection.objects.exclude(retention_days=None).filter(deleting_at=None)
        if (count := retention.overdue_photos(collection, since=OVERDUE_AFTER).count())
    )
    if not subjects:
        return None
    return Finding(
        "Photos are kept longer than their collections promise.",
        subjects,
        "With --fix they are deleted. If they come back, nothing sweeps: see that the site or Celery's beat runs.",
        remedy=_delete_overdue,
    )


def find_full_disk() -> Finding | None:
    room = disk.measure()
    if not room.is_low:
        return None
    return Finding(
        "The disk is full: nothing can be added." if room.is_full else "The disk is nearly full.",
        (f"{room.usable_bytes // 1024**2} MB are left for photos",),
        "Make room: delete what is no longer needed (that works all the same), or give the data folder a larger disk.",
    )


def _delete_overdue() -> int:
    before = Photo.objects.count()
    retention.delete_overdue(until=math.inf)
    return before - Photo.objects.count()
