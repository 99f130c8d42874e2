"""One submission of photos: every file ends in one row of the answer, and the accepted ones wait for the worker.

Files are stored first and durably, then all rows appear in one transaction: a process that dies in between leaves
files without rows, which `manage.py doctor` finds, and never a row without its file.
"""

import logging
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from django.conf import settings
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import Sum
from django.utils.datastructures import MultiValueDict

from classifier.intake import storage
from classifier.intake.formats import BadImage
from classifier.models import Collection, Photo, Upload, UploadItem, User
from classifier.running import hints
from classifier.services import audit, decoding, deletion, disk, rates, refusals
from classifier.services.received import ReceivedFile, UploadedFile, look_at, turn_away

logger = logging.getLogger("facet.uploads")

PHOTO_FIELD = "images"
FOLDER_FIELD = "folder"


def submit_photos(
    user: User,
    *,
    collection: Collection,
    files: Sequence[UploadedFile],
    misplaced: Iterable[tuple[str, UploadedFile]] = (),
    folders: Sequence[str] = (),
) -> Upload:
    """Take in files for a collection of `user`: one item per file, in order, whose outcomes add up.

    `folders` says where they lay: one relative path for all of them, one for each, or none. `misplaced` files came in
    a field, the name before each, that no photos are taken from: their items say so. Raises a subclass of
    `refusals.UploadRefused` when the submission is turned away as a whole; then nothing of it is stored. Files count
    against what the person may send at once whether they are taken or not.
    """
    if wait := rates.take_upload(user, files=len(files)):
        raise refusals.Throttled(wait=wait)
    if len(folders) not in (0, 1, len(files)):
        raise refusals.FoldersDoNotMatch
    turned_away = [turn_away(file, field=field) for field, file in misplaced]
    _check_submission(user, collection=collection, count=len(files), more=len(turned_away))
    if not disk.has_room(for_bytes=sum(file.size or 0 for file in files)):
        raise refusals.StorageFull
    budget = decoding.Budget(user)
    received = [*_look_at_all(files, folders=folders), *turned_away]
    with ExitStack() as undo:
        undo.callback(_remove_rowless_files, received)
        try:
            upload = None
            while upload is None:
                fresh = _choose_fresh(received, collection=collection)
                _store_files(fresh, user=user, collection=collection, budget=budget)
                upload = _create_rows(received, user=user, collection=collection)
        except (OSError, DatabaseError) as error:
            if disk.is_full(error):
                raise refusals.StorageFull from error
            raise
        undo.pop_all()
    # A photo without a key has no row: the same one came in through another submission meanwhile.
    _remove_files(file for file in received if file.photo and file.photo.pk is None)
    # Told only now that nothing is undone any more: whatever happens to the hint, what is committed stays.
    if any(file.photo and file.photo.pk for file in received):
        transaction.on_commit(hints.wake_workers)
    return upload


def record_submission(upload: Upload) -> None:
    """Write down who sent how many photos. What was stored stays, also where this cannot be written."""
    outcomes = Counter(upload.items.order_by().values_list("outcome", flat=True))
    details = {"collection": upload.collection.uid, "files": outcomes.total(), "accepted": outcomes["accepted"]}
    try:
        audit.record("photos uploaded", actor=upload.owner, target=f"upload {upload.uid}", details=details)
    except DatabaseError:
        logger.warning("upload %s could not be written to the audit log", upload.uid)


def sort_files(
    received: MultiValueDict[str, UploadedFile],
) -> tuple[list[UploadedFile], list[tuple[str, UploadedFile]]]:
    """The files of a form as `submit_photos` takes them: photos, and those of other fields with the field's name."""
    misplaced = [(field, file) for field, files in received.lists() if field != PHOTO_FIELD for file in files]
    return received.getlist(PHOTO_FIELD), misplaced


def _look_at_all(files: Sequence[UploadedFile], *, folders: Sequence[str]) -> list[ReceivedFile]:
    each = folders if len(folders) == len(files) else [*folders, ""][:1] * len(files)
    return [look_at(file, folder=folder) for file, folder in zip(files, each, strict=True)]


def _check_submission(user: User, *, collection: Collection, count: int, more: int) -> None:
    """`count` files that may become photos, and `more` that will not."""
    if not count:
        raise refusals.NoFiles
    if count + more > settings.MAX_FILES_PER_REQUEST:
        raise refusals.TooManyFiles
    if not collection.terms_accepted():
        raise refusals.TermsNotAccepted
    if Photo.objects.filter(deleting_at=None).count_pending() + count > settings.MAX_PENDING_PHOTOS:
        raise refusals.QueueFull
    _check_quota(user, added_bytes=1)


def _choose_fresh(received: Iterable[ReceivedFile], *, collection: Collection) -> list[ReceivedFile]:
    """The first file of each hash that is not in the collection yet: those are worth decoding."""
    first: dict[str, ReceivedFile] = {}
    for file in received:
        if file.sha256:
            first.setdefault(file.sha256, file)
    known = set(collection.photos.filter(sha256__in=first, deleting_at=None).values_list("sha256", flat=True))
    return [file for file in first.values() if not (file.refused or file.photo or file.sha256 in known)]


def _store_files(files: Sequence[ReceivedFile], *, user: User, collection: Collection, budget: decoding.Budget) -> None:
    """Decode and store, as many at once as there are decoding processes. These threads leave the database alone.

    When the budget is used up, the files that have not begun are refused as not read.
    """

    def store(file: ReceivedFile) -> None:
        uid = uuid.uuid4()
        try:
            budget.check()
            stored = storage.store_photo(
                file.file, uid=uid, payer=budget.payer, keeps_date=collection.keeps_capture_dates
            )
        except BadImage as refused:
            file.refused = refused
            return
        image, thumbnail = storage.file_names(uid)
        file.photo = Photo(
            uid=uid,
            owner=user,
            collection=collection,
            name=file.name,
            folder=file.folder,
            captured_on=stored.captured_on,
            sha256=file.sha256,
            note=stored.note,
            width=stored.width,
            height=stored.height,
            stored_bytes=stored.stored_bytes,
            image=image,
            thumbnail=thumbnail,
        )

    try:
        with ThreadPoolExecutor(settings.DECODE_PROCESSES, thread_name_prefix="decode") as threads:
            # An error of the disk is raised here, and what has not begun by then never does.
            for _ in threads.map(store, files):
                budget.settle(at_least=decoding.SETTLE_SECONDS)
    finally:
        budget.settle()


def _create_rows(received: Sequence[ReceivedFile], *, user: User, collection: Collection) -> Upload | None:
    """All rows of a submission in one transaction; None when a photo that one of the files doubled is gone by now.

    The collection's row and the owner's are locked, so that of two submissions at once the second sees the photos of
    the first: neither can double a photo, share a turn, or slip past the quota or a deletion.
    """
    hashes = {file.sha256 for file in received if file.sha256}
    with transaction.atomic():
        if not Collection.objects.filter(deleting_at=None).note_change([collection.pk]):
            raise refusals.CollectionGone
        if any(file.photo and file.folder for file in received) and not collection.has_origins:
            Collection.objects.filter(pk=collection.pk).update(has_origins=True)
        photos = _find_photos(collection, hashes=hashes)
        fresh = [file.photo for file in received if file.photo and file.sha256 not in photos]
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        _check_quota(user, added_bytes=sum(photo.stored_bytes for photo in fresh))
        for turn, photo in enumerate(fresh, start=Photo.objects.next_turn(user.pk)):
            photo.turn = turn
        reasons = {file.sha256: file.refused for file in received if file.sha256 and file.refused}
        photos |= {photo.sha256: photo for photo in fresh}
        if hashes - photos.keys() - reasons.keys():
            return None
        upload = Upload.objects.create(owner=user, collection=collection)
        for photo in fresh:  # one moment for all, whichever was decoded first: among equals their order here decides
            photo.received_at = upload.received_at
        Photo.objects.bulk_create(fresh)
        UploadItem.objects.bulk_create(
            _build_item(file, number=number, upload=upload, photos=photos, reasons=reasons)
            for number, file in enumerate(received, start=1)
        )
    logger.info("upload %s: %d of %d files accepted", upload.uid, len(fresh), len(received))
    return upload


def _find_photos(collection: Collection, *, hashes: Iterable[str]) -> dict[str, Photo]:
    """The photos a collection has already, by hash, kept from being deleted until the transaction ends.

    A deletion that had begun is finished first: what is sent again after it is a new photo.
    """
    present = list(collection.photos.filter(sha256__in=hashes).order_by("pk").select_for_update(no_key=True))
    begun = [photo.pk for photo in present if photo.deleting_at]
    if begun:
        deletion.delete_photos(collection.photos.filter(pk__in=begun))
    return {photo.sha256: photo for photo in present if not photo.deleting_at}


def _build_item(
    file: ReceivedFile, *, number: int, upload: Upload, photos: dict[str, Photo], reasons: dict[str, BadImage]
) -> UploadItem:
    """What became of one file. The same bytes twice in a submission are one photo, or refused for the same reason."""
    item = UploadItem(upload=upload, number=number, name=file.name, folder=file.folder)
    if refused := file.refused or reasons.get(file.sha256):
        item.outcome, item.message = refused.code, refused.message
        return item
    item.photo = photos[file.sha256]
    if item.photo is file.photo:
        item.outcome, item.message = UploadItem.Outcome.ACCEPTED, item.photo.note
    else:
        item.outcome = UploadItem.Outcome.DUPLICATE
        item.message = f"This photo is in the collection already, as “{item.photo.path[-200:]}”."
    return item


def _remove_rowless_files(received: Sequence[ReceivedFile]) -> None:
    """Take back what was stored for rows that are not there.

    An error may also come after the commit (its answer was lost on the way), so the database is asked. Where it cannot
    be, the files stay: `manage.py doctor` finds those without a row, but nothing brings back a file.
    """
    uids = [file.photo.uid for file in received if file.photo]
    try:
        kept = set(Photo.objects.filter(uid__in=uids).values_list("uid", flat=True))
    except (DatabaseError, InterfaceError):
        logger.warning("whether %d stored files have rows cannot be told; they stay", len(uids))
        return
    _remove_files(file for file in received if file.photo and file.photo.uid not in kept)


def _remove_files(received: Iterable[ReceivedFile]) -> None:
    for file in received:
        if file.photo:
            try:
                storage.remove_files(*storage.file_names(file.photo.uid))
            except OSError:
                logger.exception("files of photo %s, which has no row, cannot be removed", file.photo.uid)


def _check_quota(user: User, *, added_bytes: int) -> None:
    kept = user.photos.filter(deleting_at=None).aggregate(bytes=Sum("stored_bytes"))["bytes"] or 0
    if added_bytes and kept + added_bytes > user.allowed_bytes():
        raise refusals.QuotaExceeded
