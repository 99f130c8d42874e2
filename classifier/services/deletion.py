"""Deletion that survives being killed: mark, remove files, remove rows. Every step can be repeated.

Marked rows are seen by nobody any more, and the mark takes the photo from a worker that has it: what that worker
finds is dropped. Names go with the mark: where a file resists, its path is all that is kept, until it is gone.
Whatever was begun, `finish_deletions` completes. On a full disk a deletion has the reserve (see `services.disk`).
"""

import logging
from datetime import datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import CharField, F, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from classifier.intake import storage
from classifier.models import (
    AccountExport,
    Codebook,
    Collection,
    Draw,
    Explanation,
    KeptReport,
    Photo,
    PhotoReview,
    PhotoTag,
    RemovedReport,
    Review,
    Upload,
    UploadItem,
    User,
)
from classifier.models.collections import CollectionQuerySet
from classifier.models.photos import PhotoQuerySet
from classifier.services import audit, disk

logger = logging.getLogger("facet.deletion")

BATCH_PHOTOS = 100  # photos whose files and rows go in one transaction: short enough to let others write in between
BATCH_UPLOADS = 100
MOST_TOLD = 100  # uids of photos in a line of the audit log
MARKED_AT_ONCE = 1000  # of a collection, which nobody sees any more: little for the database's log to hold

_told: set[object] = set()  # photos whose files resist: each is told once by a process, not at every sweep


def delete_photos(photos: PhotoQuerySet, *, by: User | None = None) -> int:
    """Delete photos with their files, faces and predictions; the number of photos, which nobody sees from now on.

    `by` wanted it: the audit log says so.
    """
    now = timezone.now()
    count = mark_photos(photos, at=now, by=by)
    finish_photos(at=now)
    return count


@disk.may_use_reserve
def mark_photos(photos: PhotoQuerySet, *, at: datetime, by: User | None = None) -> int:
    """Take photos out of everybody's sight, with their names wherever these stand; the number of them."""
    with transaction.atomic():
        Collection.objects.note_change(photos.order_by().values("collection_id"))  # held before what is in them
        count = _mark_photos(photos, at=at)
        if count:
            _forget_names(Photo.objects.filter(deleting_at=at))
            if by:
                uids = Photo.objects.filter(deleting_at=at).values_list("uid", flat=True)[:MOST_TOLD]
                audit.record("photos deleted", actor=by, details={"photos": count, "uids": [*map(str, uids)]})
    return count


@disk.may_use_reserve
def finish_photos(*, at: datetime) -> int:
    """Remove what was marked at a moment; the number of photos that are gone."""
    return _finish_photos(Photo.objects.filter(deleting_at=at))


@disk.may_use_reserve
def delete_collection(collection: Collection, *, by: User | None = None) -> None:
    """Delete a collection with all its photos and uploads. An Inbox comes back empty at its next use."""
    with transaction.atomic():
        mark_collections(Collection.objects.filter(pk=collection.pk))
        if by:
            audit.record("collection deleted", actor=by, target=f"collection {collection.uid}")
    finish_collection(collection)


def mark_collections(collections: CollectionQuerySet) -> None:
    """Take collections out of everybody's sight, with what people wrote about them. Call it inside a transaction.

    Of reports that were kept, number and hash stay: with them a copy can be told from a forgery.
    """
    collections = Collection.objects.filter(pk__in=collections.hold())
    forget_log_entries(collections)
    kept = KeptReport.objects.filter(collection__in=collections).select_related("collection").defer("content")
    RemovedReport.objects.bulk_create(
        (
            RemovedReport(
                owner_id=report.collection.owner_id,
                uid=report.uid,
                collection_uid=report.collection.uid,
                number=report.number,
                sha256=report.sha256,
                kept_at=report.kept_at,
            )
            for report in kept
        ),
        ignore_conflicts=True,  # marked before, and cut short
    )
    collections.update(deleting_at=timezone.now(), is_inbox=False, name="", purpose="")


@disk.may_use_reserve
def finish_collection(collection: Collection) -> int:
    """Remove what a marked collection holds, then its row; the number of photos and collections that went."""
    delete_uploads(Upload.objects.filter(collection=collection))
    unmarked = Photo.objects.filter(collection=collection, deleting_at=None).order_by("pk")
    while keys := list(unmarked.values_list("pk", flat=True)[:MARKED_AT_ONCE]):
        with transaction.atomic():
            Collection.objects.filter(pk=collection.pk).hold()
            _mark_photos(Photo.objects.filter(pk__in=keys), at=timezone.now())
    count = _finish_photos(collection.photos.all())
    if collection.photos.exists():
        return count  # a file could not be removed: the sweeper tries again
    with transaction.atomic():
        Collection.objects.filter(pk=collection.pk).hold()
        removed, _ = Collection.objects.filter(pk=collection.pk).delete()
    return count + (1 if removed else 0)


def finish_deletions() -> int:
    """Complete every deletion that was begun; the number of photos and collections that went."""
    begun = any(
        rows.filter(deleting_at__isnull=False).exists() for rows in (Photo.objects, Collection.objects, User.objects)
    )
    return _finish_begun() if begun else 0  # a sweep with nothing to delete leaves the reserve alone


@disk.may_use_reserve
def _finish_begun() -> int:
    count = _finish_photos(Photo.objects.filter(deleting_at__isnull=False))
    for collection in Collection.objects.filter(deleting_at__isnull=False):
        count += finish_collection(collection)
    for user in User.objects.filter(deleting_at__isnull=False):
        finish_account(user)
    return count


def finish_account(user: User) -> bool:
    """Remove the row of an account under deletion, once no file needs it any more; whether it is gone."""
    for collection in Collection.objects.filter(owner=user):
        finish_collection(collection)
    if not remove_exports(AccountExport.objects.filter(owner=user)):
        return False
    if Photo.objects.filter(owner=user).exists():
        return False
    with transaction.atomic():
        touched_by(user).hold()
        User.objects.select_for_update(no_key=True).filter(pk=user.pk).exists()  # before their jobs, as exports do
        User.objects.filter(pk=user.pk).delete()
    return True


def touched_by(user: User) -> CollectionQuerySet:
    """The collections in which rows change when somebody goes: their own, and where they drew, or said something."""
    said = Review.objects.filter(reviewer=user).values("face__photo__collection")
    marked = PhotoReview.objects.filter(reviewer=user).values("drawn_photo__draw__collection")
    made = [of.objects.filter(created_by=user).values("collection") for of in (Draw, Codebook)]
    kept = KeptReport.objects.filter(kept_by=user).order_by().values("collection")
    theirs = Q(owner=user) | Q(terms_accepted_by=user)
    for others in (said, marked, kept, *made):
        theirs |= Q(pk__in=others.order_by())
    return Collection.objects.filter(theirs)


def remove_exports(exports: QuerySet[AccountExport]) -> bool:
    """Remove exports of accounts, the file before its row; whether all went."""
    is_done = True
    for pk, uid in exports.order_by("pk").values_list("pk", "uid"):
        try:
            storage.remove_export(uid)
        except OSError as error:
            _tell_once(uid, error=error)
            is_done = False
        else:
            AccountExport.objects.filter(pk=pk).delete()
    return is_done


@disk.may_use_reserve
def delete_uploads(uploads: QuerySet[Upload]) -> int:
    """Remove what became of each file, batch by batch; the photos stay. The number of uploads."""
    count = 0
    while keys := list(uploads.order_by("pk").values_list("pk", flat=True)[:BATCH_UPLOADS]):
        with transaction.atomic():
            Collection.objects.filter(uploads__in=keys).hold()
            count += Upload.objects.filter(pk__in=keys).delete()[1].get(Upload._meta.label, 0)
        if len(keys) < BATCH_UPLOADS:
            break
    return count


def forget_log_entries(rows: QuerySet[Any]) -> None:
    """The log of the administration names what it is about: of these rows it does not any more."""
    about = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(rows.model))
    about.filter(object_id__in=rows.order_by().values(key=Cast("pk", TextField()))).update(object_repr="deleted")


def _mark_photos(photos: PhotoQuerySet, *, at: datetime) -> int:
    # Without its token a worker can neither renew nor finish, so it leaves nothing behind.
    words = {"name": "", "name_key": b"", "folder": "", "captured_on": None, "note": ""}
    return photos.in_order().update(deleting_at=at, token=None, lease_until=None, **words)


def _forget_names(photos: PhotoQuerySet) -> None:
    """Names of photos elsewhere: as they were sent, and in what a duplicate was told."""
    UploadItem.objects.filter(photo__in=photos.order_by()).update(name="", folder="", message="")


def _finish_photos(marked: PhotoQuerySet) -> int:
    """Remove files, then rows, batch by batch. A photo whose files resist keeps its row for the next time."""
    count = last = 0
    while True:
        chosen = list(marked.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH_PHOTOS])
        if not chosen:
            return count
        with transaction.atomic():
            Collection.objects.filter(photos__in=chosen).hold()
            rows = marked.filter(pk__in=chosen).order_by("pk").select_for_update()
            batch = list(rows.values_list("pk", "uid", "image", "thumbnail"))
            maps = _heat_names([row[0] for row in batch])
            gone, resisting = [], []
            for pk, uid, image, thumbnail in batch:
                try:
                    storage.remove_files(image, thumbnail, *maps.get(pk, ()))
                except OSError as error:
                    _tell_once(uid, error=error)
                    resisting.append(pk)
                else:
                    gone.append(pk)
            _, removed = Photo.objects.filter(pk__in=gone).delete()
            _forget_rest(resisting)
        count += removed.get(Photo._meta.label, 0)
        if len(chosen) < BATCH_PHOTOS:
            return count
        last = chosen[-1]


def _forget_rest(photos: list[int]) -> None:
    """A photo that is only a path by now has no tags, and must not keep the same bytes from being sent again."""
    if photos:
        PhotoTag.objects.filter(photo__in=photos).delete()
        Photo.objects.filter(pk__in=photos).update(sha256=Cast(F("uid"), CharField()))


def _tell_once(uid: object, *, error: OSError) -> None:
    if uid not in _told:
        _told.add(uid)
        logger.warning("files of photo %s cannot be removed (%s); every sweep tries again", uid, error.strerror)


def _heat_names(photos: list[int]) -> dict[int, list[str]]:
    """Photo -> the heat maps of its faces; also of those that a worker may just have stored."""
    names: dict[int, list[str]] = {}
    rows = Explanation.objects.filter(face__photo__in=photos).order_by().values_list("face__photo", "uid")
    for photo, uid in rows:
        names.setdefault(photo, []).append(storage.heat_name(uid))
    return names
