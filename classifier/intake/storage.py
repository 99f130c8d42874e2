"""Where a photo's files lie in the default storage, `ab` being how the uid begins.

`photos/ab/UID.jpg` and `thumbnails/ab/UID.jpg` have the uid of the photo, `heat/ab/UID.png` that of an explanation of
one of its faces, `exports/UID.zip` is what somebody takes along; until it is whole it is `exports/UID.zip.TOKEN.part`,
with its claim. A file whose uid has no row, and any `.part` that nobody writes, was left by a process that died.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage

from classifier.intake import pool, spool
from classifier.intake.durable_files import (
    PART_SUFFIX,
    flush_folder,
    make_folder,
    open_private,
    part_of,
    write_files,
)

HEAT = "heat/"
EXPORTS = "exports/"


def file_names(uid: uuid.UUID) -> tuple[str, str]:
    """The storage names of a photo and of its thumbnail."""
    folder = uid.hex[:2]
    return f"photos/{folder}/{uid}.jpg", f"thumbnails/{folder}/{uid}.jpg"


def uid_in(name: str) -> uuid.UUID | None:
    """The uid that a stored file is named after, if it is."""
    stem = name.rpartition("/")[2].partition(".")[0]
    try:
        return uuid.UUID(stem)
    except ValueError:
        return None


def store_photo(
    file: IO[bytes], *, uid: uuid.UUID, payer: pool.Payer = pool.SITE, keeps_date: bool = False
) -> pool.StoredPicture:
    """Decode an untrusted file and store it durably as the photo `uid`, with its thumbnail.

    With `keeps_date` the day on which it was taken is told; nothing else of its metadata ever is.

    Raises BadImage when the file is refused, OSError when it cannot be stored (a full disk, say).
    """
    names = file_names(uid)
    with ExitStack() as undo:
        undo.callback(remove_files, *names)  # a child that was killed may leave a part of a file
        if isinstance(default_storage, FileSystemStorage):
            image, thumbnail = (Path(default_storage.path(name)) for name in names)
            stored = _decode(file, image=image, thumbnail=thumbnail, payer=payer, keeps_date=keeps_date)
        else:
            stored = _store_elsewhere(file, names=names, payer=payer, keeps_date=keeps_date)
        undo.pop_all()
    return stored


def restore_thumbnail(image: str, *, thumbnail: str) -> None:
    """Make the thumbnail of a stored photo anew, both told by their storage names; the photo stays as it is.

    Raises FileNotFoundError where the photo is gone, BadImage where it is damaged, OSError for a full disk, say.
    """
    with spool.scratch_folder(settings.SPOOL_DIR) as folder, default_storage.open(image) as file:
        scratch = folder / "image.jpg"
        if isinstance(default_storage, FileSystemStorage):
            _decode(file, image=scratch, thumbnail=Path(default_storage.path(thumbnail)))
        else:
            made = folder / "thumbnail.jpg"
            _decode(file, image=scratch, thumbnail=made)
            with made.open("rb") as content:
                default_storage.save(thumbnail, File(content))


def turn_photo(name: str, *, degrees: int, image: str, thumbnail: str) -> pool.StoredPicture:
    """Store a photo, turned clockwise, and its thumbnail under new names; the file `name` stays as it is.

    Raises FileNotFoundError where that is gone, BadImage where it is damaged, OSError for a full disk, say.
    """
    with default_storage.open(name) as file:
        if isinstance(default_storage, FileSystemStorage):
            to, small = (Path(default_storage.path(new)) for new in (image, thumbnail))
            return _decode(file, image=to, thumbnail=small, turned=degrees)
        return _store_elsewhere(file, names=(image, thumbnail), payer=pool.SITE, keeps_date=False, turned=degrees)


def heat_name(uid: uuid.UUID) -> str:
    """The storage name of an explanation's heat map."""
    return f"{HEAT}{uid.hex[:2]}/{uid}.png"


def store_heat(content: bytes, *, uid: uuid.UUID) -> str:
    """Store a heat map durably, in the place of one that is there, and return its name. Raises OSError."""
    name = heat_name(uid)
    if isinstance(default_storage, FileSystemStorage):
        write_files({Path(default_storage.path(name)): content})
    else:
        default_storage.delete(name)
        default_storage.save(name, ContentFile(content))
    return name


def export_name(uid: uuid.UUID) -> str:
    """The storage name of somebody's data."""
    return f"{EXPORTS}{uid}.zip"


@dataclass(frozen=True)
class NewExport:
    """Somebody's data while it is written: `file` is nobody's until `publish` stores it under its name."""

    name: str
    file: IO[bytes]
    part: Path | None = None  # where it lies so long; None for storages elsewhere

    def flush(self) -> int:
        """Have all of it written to the disk; how many bytes that is."""
        self.file.flush()
        os.fsync(self.file.fileno())
        return self.file.tell()

    def publish(self) -> None:
        """Store it under its name, in the place of one that is there. Raises OSError."""
        if self.part is None:
            self.file.seek(0)
            default_storage.delete(self.name)
            default_storage.save(self.name, File(self.file))
            return
        path = Path(default_storage.path(self.name))
        self.part.rename(path)
        flush_folder(path.parent)


@contextmanager
def writing_export(uid: uuid.UUID, *, attempt: uuid.UUID) -> Iterator[NewExport]:
    """An export to write, and to publish before the block ends: otherwise nothing is left of it.

    Each attempt has a file of its own, since a worker that was given up may wake and write on into its; that of any
    attempt before is removed. Raises OSError.
    """
    name = export_name(uid)
    if not isinstance(default_storage, FileSystemStorage):
        with spool.scratch_folder(settings.SPOOL_DIR) as folder, (folder / "export.zip").open("w+b") as file:
            yield NewExport(name, file)
        return
    path = Path(default_storage.path(name))
    make_folder(path.parent)
    _remove_export_parts(path)
    part = part_of(path.with_name(f"{path.name}.{attempt}"))
    try:
        with open(part, "wb", opener=open_private) as file:
            yield NewExport(name, file, part)
    finally:
        part.unlink(missing_ok=True)


def remove_export(uid: uuid.UUID) -> None:
    """Remove somebody's data, and what attempts to write it left; that there is nothing is fine. Raises OSError."""
    name = export_name(uid)
    if isinstance(default_storage, FileSystemStorage):
        _remove_export_parts(Path(default_storage.path(name)))
    default_storage.delete(name)


def _remove_export_parts(path: Path) -> None:
    for part in path.parent.glob(f"{path.name}*{PART_SUFFIX}"):
        part.unlink(missing_ok=True)


def remove_files(*names: str) -> None:
    """Remove stored files and unfinished parts of them; those that are not there are fine."""
    for name in filter(None, names):
        for path in (name, name + PART_SUFFIX):
            default_storage.delete(path)


def _store_elsewhere(
    file: IO[bytes], *, names: tuple[str, str], payer: pool.Payer, keeps_date: bool, turned: int = 0
) -> pool.StoredPicture:
    """For storages elsewhere: the child writes to a scratch folder, and the storage takes the files from there."""
    with spool.scratch_folder(settings.SPOOL_DIR) as folder:
        image, thumbnail = folder / "image.jpg", folder / "thumbnail.jpg"
        stored = _decode(file, image=image, thumbnail=thumbnail, payer=payer, keeps_date=keeps_date, turned=turned)
        for name, path in zip(names, (image, thumbnail), strict=True):
            with path.open("rb") as content:
                default_storage.save(name, File(content))
    return stored


def _decode(
    file: IO[bytes],
    *,
    image: Path,
    thumbnail: Path,
    payer: pool.Payer = pool.SITE,
    keeps_date: bool = False,
    turned: int = 0,
) -> pool.StoredPicture:
    return pool.get_pool().store_picture(
        file,
        image=image,
        thumbnail=thumbnail,
        max_pixels=settings.MAX_PIXELS,
        seconds=settings.DECODE_SECONDS,
        cpu_seconds=settings.DECODE_CPU_SECONDS,
        payer=payer,
        keeps_date=keeps_date,
        turned=turned,
    )
