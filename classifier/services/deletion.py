"""Deletion that survives being killed: mark, remove files, remove rows. Every step can be repeated.

Marked rows are seen by nobody any more, and the mark takes the photo from a worker that has it: what that worker
finds is dropped. Whatever was begun, `finish_deletions` completes.
"""

import logging
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from classifier.intake import storage
from classifier.models import Collection, Explanation, Photo
from classifier.models.photos import PhotoQuerySet

logger = logging.getLogger("facet.deletion")

BATCH_PHOTOS = 100  # photos whose files and rows go in one transaction: short enough to let others write in between


def delete_photos(photos: PhotoQuerySet) -> int:
    """Delete photos with their files, faces and predictions; the number of photos, which nobody sees from now on."""
    now = timezone.now()
    collections = photos.collection_keys()
    count = _mark_photos(photos, at=now)
    Collection.objects.note_change(collections)
    _finish_photos(Photo.objects.filter(deleting_at=now))
    return count


def delete_collection(collection: Collection) -> None:
    """Delete a collection with all its photos and uploads. An Inbox comes back empty at its next use."""
    Collection.objects.filter(pk=collection.pk).update(deleting_at=timezone.now(), is_inbox=False)
    _finish_collection(collection)


def finish_deletions() -> int:
    """Complete every deletion that was begun; the number of photos and collections that went."""
    count = _finish_photos(Photo.objects.exclude(deleting_at=None))
    for collection in Collection.objects.exclude(deleting_at=None):
        count += _finish_collection(collection)
    return count


def _mark_photos(photos: PhotoQuerySet, *, at: datetime) -> int:
    # Without its token a worker can neither renew nor finish, so it leaves nothing behind.
    return photos.update(deleting_at=at, token=None, lease_until=None)


def _finish_collection(collection: Collection) -> int:
    now = timezone.now()
    _mark_photos(collection.photos.filter(deleting_at=None), at=now)
    count = _finish_photos(collection.photos.all())
    if collection.photos.exists():
        return count  # a file could not be removed: the sweeper tries again
    removed, _ = Collection.objects.filter(pk=collection.pk).delete()
    return count + (1 if removed else 0)


def _finish_photos(marked: PhotoQuerySet) -> int:
    """Remove files, then rows, batch by batch. A photo whose files resist keeps its row for the next time."""
    count = last = 0
    while True:
        with transaction.atomic():
            rows = marked.filter(pk__gt=last).order_by("pk").select_for_update()
            batch = list(rows.values_list("pk", "uid", "image", "thumbnail")[:BATCH_PHOTOS])
            if not batch:
                return count
            maps = _heat_names([row[0] for row in batch])
            gone = []
            for pk, uid, image, thumbnail in batch:
                try:
                    storage.remove_files(image, thumbnail, *maps.get(pk, ()))
                except OSError:
                    logger.exception("files of photo %s cannot be removed; trying again later", uid)
                else:
                    gone.append(pk)
            _, removed = Photo.objects.filter(pk__in=gone).delete()
        count += removed.get(Photo._meta.label, 0)
        last = batch[-1][0]


def _heat_names(photos: list[int]) -> dict[int, list[str]]:
    """Photo -> the heat maps of its faces; also of those that a worker may just have stored."""
    names: dict[int, list[str]] = {}
    rows = Explanation.objects.filter(face__photo__in=photos).order_by().values_list("face__photo", "uid")
    for photo, uid in rows:
        names.setdefault(photo, []).append(storage.heat_name(uid))
    return names
