"""One submission of photos: every file ends in one row of the answer, and the accepted ones wait for the worker.

Files are stored first and durably, then all rows appear in one transaction: a process that dies in between leaves
files without rows, which `manage.py doctor` finds, and never a row without its file.
"""

import hashlib
import logging
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from django.conf import settings
from django.core.files import uploadedfile
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.datastructures import MultiValueDict

from classifier import tasks
from classifier.intake import storage
from classifier.intake.formats import SIGNATURE_BYTES, BadImage, recognise_format
from classifier.models import Collection, Photo, Upload, UploadItem, User
from classifier.services import decoding, deletion, disk

if TYPE_CHECKING:
    UploadedFile: TypeAlias = uploadedfile.UploadedFile[Any]
else:
    UploadedFile = uploadedfile.UploadedFile  # takes no parameter outside of the stubs

logger = logging.getLogger("facet.uploads")

PHOTO_FIELD = "images"
NAME_LENGTH = 255
FIELD_LENGTH = 60  # of a form field's name, as far as it is told


class UploadRefused(Exception):
    """A submission that is turned away as a whole: `code` for programs, the text for people."""

    code = "refused"
    sentence = "This upload was refused."

    def __init__(self) -> None:
        super().__init__(self.sentence)


class NoFiles(UploadRefused):
    code = "no_files"
    sentence = "There is no file in this upload. Choose at least one photo."


class TooManyFiles(UploadRefused):
    code = "too_many_files"

    def __init__(self) -> None:
        self.sentence = f"One upload may hold {settings.MAX_FILES_PER_REQUEST} files. Send the rest in another one."
        super().__init__()


class TermsNotAccepted(UploadRefused):
    code = "terms_not_accepted"
    sentence = "The declaration of this collection was not made yet. Accept it on the collection's page first."


class QueueFull(UploadRefused):
    code = "queue_full"
    sentence = "Too many photos are waiting to be analysed. Nothing is lost: send these again in a while."


class QuotaExceeded(UploadRefused):
    code = "quota_exceeded"
    sentence = "These photos do not fit into your storage space. Delete some you no longer need, or ask for more."


class StorageFull(UploadRefused):
    code = "storage_full"
    sentence = disk.FULL_SENTENCE


class CollectionGone(UploadRefused):
    code = "collection_gone"
    sentence = "The collection was deleted while these photos came in."


@dataclass
class ReceivedFile:
    """A file on its way to its item: refused, or stored as a photo; neither when that photo is there already."""

    name: str
    file: UploadedFile
    sha256: str = ""
    refused: BadImage | None = None
    photo: Photo | None = None


def submit_photos(
    user: User,
    *,
    collection: Collection,
    files: Sequence[UploadedFile],
    misplaced: Iterable[tuple[str, UploadedFile]] = (),
) -> Upload:
    """Take in files for a collection of `user`: one item per file, in order, whose outcomes add up.

    `misplaced` files came in a field, the name before each, that no photos are taken from: their items say so.
    Raises a subclass of UploadRefused when the submission is turned away as a whole; then nothing of it is stored.
    """
    turned_away = [_turn_away(file, field=field) for field, file in misplaced]
    _check_submission(user, collection=collection, count=len(files), more=len(turned_away))
    if not disk.has_room(for_bytes=sum(file.size or 0 for file in files)):
        raise StorageFull
    budget = decoding.Budget(user)
    received = [*map(_look_at, files), *turned_away]
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
                raise StorageFull from error
            raise
        undo.pop_all()
    # A photo without a key has no row: the same one came in through another submission meanwhile.
    _remove_files(file for file in received if file.photo and file.photo.pk is None)
    # Told only now that nothing is undone any more: whatever happens to the hint, what is committed stays.
    if any(file.photo and file.photo.pk for file in received):
        transaction.on_commit(tasks.wake_workers)
    return upload


def sort_files(
    received: MultiValueDict[str, UploadedFile],
) -> tuple[list[UploadedFile], list[tuple[str, UploadedFile]]]:
    """The files of a form as `submit_photos` takes them: photos, and those of other fields with the field's name."""
    misplaced = [(field, file) for field, files in received.lists() if field != PHOTO_FIELD for file in files]
    return received.getlist(PHOTO_FIELD), misplaced


def clean_name(name: str | None) -> str:
    """A file's name as it may be shown: no folders, no control or direction characters, at most 255 characters."""
    base = (name or "").replace("\\", "/").rsplit("/", 1)[-1]
    shown = "".join(" " if char.isspace() else char for char in base if char.isspace() or char.isprintable())
    return " ".join(shown.split())[:NAME_LENGTH] or "unnamed"


def _check_submission(user: User, *, collection: Collection, count: int, more: int) -> None:
    """`count` files that may become photos, and `more` that will not."""
    if not count:
        raise NoFiles
    if count + more > settings.MAX_FILES_PER_REQUEST:
        raise TooManyFiles
    if not collection.terms_accepted():
        raise TermsNotAccepted
    if Photo.objects.filter(deleting_at=None).count_pending() + count > settings.MAX_PENDING_PHOTOS:
        raise QueueFull
    _check_quota(user, added_bytes=1)


def _turn_away(file: UploadedFile, *, field: str) -> ReceivedFile:
    refused = BadImage("misplaced", field=clean_name(field)[:FIELD_LENGTH])
    return ReceivedFile(name=clean_name(file.name), file=file, refused=refused)


def _look_at(file: UploadedFile) -> ReceivedFile:
    """The checks that need no decoder, and the hash by which duplicates are told."""
    received = ReceivedFile(name=clean_name(file.name), file=file)
    size = file.size or 0
    try:
        if not size:
            raise BadImage("empty")
        if size > settings.MAX_FILE_BYTES:
            raise BadImage("too_large", megabytes=settings.MAX_FILE_BYTES / 1024**2)
        file.seek(0)
        recognise_format(file.read(SIGNATURE_BYTES))
    except BadImage as refused:
        received.refused = refused
        return received
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    received.sha256 = digest.hexdigest()
    return received


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
            stored = storage.store_photo(file.file, uid=uid, payer=budget.payer)
        except BadImage as refused:
            file.refused = refused
            return
        image, thumbnail = storage.file_names(uid)
        file.photo = Photo(
            uid=uid,
            owner=user,
            collection=collection,
            name=file.name,
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

    The owner's row and the collection's are locked, so that of two submissions at once the second sees the photos of
    the first: neither can double a photo, share a turn, or slip past the quota or a deletion.
    """
    hashes = {file.sha256 for file in received if file.sha256}
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        if not Collection.objects.filter(pk=collection.pk, deleting_at=None).update(updated_at=timezone.now()):
            raise CollectionGone
        photos = _find_photos(collection, hashes=hashes)
        fresh = [file.photo for file in received if file.photo and file.sha256 not in photos]
        _check_quota(user, added_bytes=sum(photo.stored_bytes for photo in fresh))
        for turn, photo in enumerate(fresh, start=Photo.objects.next_turn(user.pk)):
            photo.turn = turn
        refusals = {file.sha256: file.refused for file in received if file.sha256 and file.refused}
        photos |= {photo.sha256: photo for photo in fresh}
        if hashes - photos.keys() - refusals.keys():
            return None
        Photo.objects.bulk_create(fresh)
        upload = Upload.objects.create(owner=user, collection=collection)
        UploadItem.objects.bulk_create(
            _build_item(file, number=number, upload=upload, photos=photos, refusals=refusals)
            for number, file in enumerate(received, start=1)
        )
    logger.info("upload %s: %d of %d files accepted", upload.uid, len(fresh), len(received))
    return upload


def _find_photos(collection: Collection, *, hashes: Iterable[str]) -> dict[str, Photo]:
    """The photos a collection has already, by hash, kept from being deleted until the transaction ends.

    A deletion that had begun is finished first: what is sent again after it is a new photo.
    """
    present = list(collection.photos.filter(sha256__in=hashes).order_by("pk").select_for_update())
    begun = [photo.pk for photo in present if photo.deleting_at]
    if begun:
        deletion.delete_photos(collection.photos.filter(pk__in=begun))
    return {photo.sha256: photo for photo in present if not photo.deleting_at}


def _build_item(
    file: ReceivedFile, *, number: int, upload: Upload, photos: dict[str, Photo], refusals: dict[str, BadImage]
) -> UploadItem:
    """What became of one file. The same bytes twice in a submission are one photo, or refused for the same reason."""
    item = UploadItem(upload=upload, number=number, name=file.name)
    if refused := file.refused or refusals.get(file.sha256):
        item.outcome, item.message = refused.code, refused.message
        return item
    item.photo = photos[file.sha256]
    if item.photo is file.photo:
        item.outcome, item.message = UploadItem.Outcome.ACCEPTED, item.photo.note
    else:
        item.outcome = UploadItem.Outcome.DUPLICATE
        item.message = f"This photo is in the collection already, as “{item.photo.name[:200]}”."
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
        raise QuotaExceeded
