"""Making a backup while the site runs."""

import uuid
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from time import monotonic

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from classifier.intake import storage
from classifier.models import Photo
from classifier.services import audit, disk
from classifier.services.backups import databases, manifests, reading, writing
from classifier.services.backups.errors import BackupError, explain_full_disk
from classifier.services.backups.hashing import hash_stream

REPORT_SECONDS = 1.0
NAMES_AT_ONCE = 500


Report = Callable[[str, int, int], None]  # what is done, of which so many of so many are


def make_backup(path: Path, *, links: bool = False, report: Report) -> manifests.Manifest:
    """Back everything up to a folder, or to a tar file where the name ends so; or go on where that was cut short.

    With `links` photos share their bytes with the site's own, which a disk can only hold together. The state is that
    of the database when the backup began or was last gone on with; what people deleted meanwhile is left out.

    Raises BackupError. What was copied stays, for the next attempt.
    """
    path = path.absolute()
    _check_place(path, links=links)
    try:
        with writing.begun(path) as target:
            return _fill(target, links=links, report=report)
    except Exception as error:  # a full disk is told by files, by SQLite and by PostgreSQL's tools, each in its own way
        if disk.is_full(error):
            raise explain_full_disk(path) from error
        if isinstance(error, OSError):
            raise BackupError("refused", f"{error.filename or path}: {error.strerror}.") from error
        raise


def _fill(target: writing.Target, *, links: bool, report: Report) -> manifests.Manifest:
    made_at = timezone.now().astimezone(UTC).isoformat(timespec="seconds")
    migrations = sorted(f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations())
    needed = databases.dump(target.scratch)
    target.take(databases.file_name(), target.scratch)
    gone = _copy_photos(target, needed=needed, links=links, report=report)
    deleted, lacking = _leave_out_deleted(target, gone=gone)
    key = settings.DATA_DIR / "secret_key"
    target.drop(manifests.SECRET_KEY)
    if key.exists():
        target.put(manifests.SECRET_KEY, key)
    size = _read_back(target, report=report)
    manifest = manifests.Manifest(
        made_at=made_at,
        database=connection.vendor,
        migrations=migrations,
        files=len(target.sums),
        size=size,
        deleted=deleted,
        lacking=lacking,
    )
    content = manifest.as_bytes()
    sums = target.sums | {manifests.MANIFEST: manifests.hash_bytes(content)}
    target.finish({manifests.MANIFEST: content, manifests.SUMS: manifests.write_sums(sums)})
    audit.record("backup made", details={"files": manifest.files, "bytes": size})
    return manifest


def _copy_photos(target: writing.Target, *, needed: list[str], links: bool, report: Report) -> list[str]:
    """Copy what is not there yet, and let go of what is no longer needed; the names of files that are gone."""
    wanted = {manifests.PHOTOS + name for name in needed}
    for name in [name for name in target.sums if name.startswith(manifests.PHOTOS) and name not in wanted]:
        target.drop(name)
    is_same_disk = target.readable.stat().st_dev == Path(settings.DATA_DIR).stat().st_dev
    gone: list[str] = []
    told = 0.0
    for done, name in enumerate(needed):
        if monotonic() - told > REPORT_SECONDS:
            told = monotonic()
            report("copied", done, len(needed))
        if manifests.PHOTOS + name in target.sums:
            continue
        source = Path(default_storage.path(name))
        try:
            if is_same_disk and not links and not disk.has_room(for_bytes=source.stat().st_size):
                raise explain_full_disk(target.readable)  # the site's own: it shall go on taking photos in
            target.put(manifests.PHOTOS + name, source, links=links)
        except FileNotFoundError:
            gone.append(name)
    report("copied", len(needed), len(needed))
    return gone


def _leave_out_deleted(target: writing.Target, *, gone: list[str]) -> tuple[list[str], list[str]]:
    """Uids of photos that were deleted since the database was copied; names of files that lack for another reason."""
    deleted: set[str] = set()
    lacking: list[str] = []
    for start in range(0, len(gone), NAMES_AT_ONCE):
        names = gone[start : start + NAMES_AT_ONCE]
        photos = [name for name in names if not name.startswith(storage.HEAT)]
        uids = {name: uid for name in photos if (uid := storage.uid_in(name))}
        kept = set(Photo.objects.filter(uid__in=uids.values(), deleting_at=None).values_list("uid", flat=True))
        deleted |= {str(uid) for uid in uids.values() if uid not in kept}
        lacking += [name for name in names if name not in uids or uids[name] in kept]
    for photo in deleted:
        for name in storage.file_names(uuid.UUID(photo)):
            target.drop(manifests.PHOTOS + name)
    return sorted(deleted), lacking


def _read_back(target: writing.Target, *, report: Report) -> int:
    """Read every file of the backup once more; the bytes of all. Raises BackupError where one is not what was read."""
    size = done = 0
    told = monotonic()
    with reading.opened(target.readable) as source:
        for name, digest in sorted(target.sums.items()):
            with source.open(name) as file:
                if hash_stream(file) != digest:
                    target.drop(name, is_damaged=True)
                    raise BackupError("damaged", f"{name} does not read as it was written: look at that disk.")
                size += file.tell()
            done += 1
            if monotonic() - told > REPORT_SECONDS:
                told = monotonic()
                report("read back", done, len(target.sums))
    report("read back", done, done)
    return size


def _check_place(path: Path, *, links: bool) -> None:
    data = Path(settings.DATA_DIR).resolve()
    if path.resolve().is_relative_to(data):
        raise BackupError("inside", f"{path} lies in the data folder {data}: a backup belongs elsewhere.")
    if not path.parent.is_dir():
        raise BackupError("no_folder", f"{path.parent} is not there.")
    if not isinstance(default_storage, FileSystemStorage):
        raise BackupError("elsewhere", "Photos do not lie in a folder of this machine: copy them where they are.")
    if links and path.name.endswith(".tar"):
        raise BackupError("no_links", "A tar file holds copies: name a folder for hard links.")
    if links and path.parent.stat().st_dev != data.stat().st_dev:
        raise BackupError("no_links", f"Hard links need {path} on the disk of the photos.")
