"""Files and rows that lack each other."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice

from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone

from classifier.intake import spool, storage
from classifier.intake.formats import BadImage
from classifier.models import AccountExport, Explanation, Photo
from classifier.services.doctor.findings import Finding, count_subjects, list_uids

FOLDERS = ("photos", "thumbnails", "heat", "exports")
ORPHAN_AFTER = timedelta(hours=1)  # an upload that is under way has stored its files but not yet its rows
ROWS_AT_ONCE = 500


def find_missing_files() -> Finding | None:
    lacking = _photos_without("image")
    if not lacking:
        return None
    return Finding(
        f"{count_subjects(lacking, 'photo')} without the stored file: an analysis fails with file_missing.",
        lacking,
        "Restore the folder of photos from a backup, or delete these photos.",
    )


def find_missing_thumbnails() -> Finding | None:
    lacking = _photos_without("thumbnail")
    if not lacking:
        return None
    return Finding(
        f"{count_subjects(lacking, 'photo')} without a thumbnail: galleries show a gap.",
        lacking,
        "With --fix they are made anew. Where that fails, the photo is gone or damaged, or the disk is full.",
        remedy=lambda: restore_thumbnails(lacking),
    )


def find_orphan_files() -> Finding | None:
    orphans = tuple(name for folder in FOLDERS for name in _orphans_in(folder))
    if not orphans:
        return None
    return Finding(
        f"{count_subjects(orphans, 'file')} left over by a process that died: no photo owns them.",
        orphans,
        "With --fix they are removed.",
        remedy=lambda: _remove_files(orphans),
    )


def find_left_over_uploads() -> Finding | None:
    left_over = tuple(path.name for path in spool.find_left_over(settings.SPOOL_DIR))
    if not left_over:
        return None
    return Finding(
        f"{count_subjects(left_over, 'file or folder')} left in the spool by an upload whose process died.",
        left_over,
        "With --fix they are removed; so they are whenever the web server starts.",
        remedy=lambda: spool.sweep(settings.SPOOL_DIR),
    )


def restore_thumbnails(uids: Sequence[str]) -> int:
    """Make thumbnails anew from the stored photos, where these can be read; the number of them."""
    count = 0
    for start in range(0, len(uids), ROWS_AT_ONCE):
        named = Photo.objects.filter(uid__in=uids[start : start + ROWS_AT_ONCE], deleting_at=None)
        for image, thumbnail in named.exclude(thumbnail="").values_list("image", "thumbnail"):
            try:
                storage.restore_thumbnail(image, thumbnail=thumbnail)
            except (OSError, BadImage):
                continue  # the finding stays, with its advice
            count += 1
    return count


def _photos_without(field: str) -> tuple[str, ...]:
    """The uids of photos whose file of this kind is not there."""
    kept = Photo.objects.filter(deleting_at=None)
    rows = kept.values_list("uid", field).iterator(chunk_size=ROWS_AT_ONCE)
    uids: list[str] = []
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        lacking = [uid for uid, name in batch if not name or not default_storage.exists(name)]
        # A photo that was deleted while this looked has neither file nor row by now.
        uids += list_uids(kept.filter(uid__in=lacking)) if lacking else ()
    return tuple(uids)


def _orphans_in(folder: str) -> Iterator[str]:
    """Names of old enough files in a folder of the storage that no photo, and no explanation, calls its own."""
    names = _files_below(folder)
    while batch := list(islice(names, ROWS_AT_ONCE)):
        uids = {uid for name in batch if (uid := storage.uid_in(name))}
        own: set[str] = set()
        for row in Photo.objects.filter(uid__in=uids).values_list("image", "thumbnail"):
            own.update(row)
        explained = Explanation.objects.filter(uid__in=uids).values_list("uid", flat=True)
        own.update(storage.heat_name(uid) for uid in explained)
        if folder == "exports":
            own.update(AccountExport.objects.filter(uid__in=uids).values_list("file", flat=True))
        for name in batch:
            if name not in own and _is_old(name):
                yield name


def _files_below(folder: str) -> Iterator[str]:
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in files:
        yield f"{folder}/{name}"
    for name in folders:
        yield from _files_below(f"{folder}/{name}")


def _is_old(name: str) -> bool:
    try:
        return default_storage.get_modified_time(name) < timezone.now() - ORPHAN_AFTER
    except FileNotFoundError:
        return False


def _remove_files(names: tuple[str, ...]) -> int:
    for name in names:
        default_storage.delete(name)
    return len(names)
