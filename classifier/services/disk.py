"""Room on the disk: how a full one is told, a warning before it is, and a reserve for those who come to make room.

A deletion needs room itself: SQLite writes what it removes into its log first. So a file of nothing is kept in the data
folder. It is given up when somebody deletes or logs in while the disk is full, and made again once there is room;
until then that much of what is free is kept from new photos.
"""

import errno
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import DatabaseError, connection

logger = logging.getLogger("facet.disk")

FULL_SENTENCE = (
    "The disk of this site is full, so nothing was stored. Deleting photos that are no longer needed works all the "
    "same and makes room; otherwise its administrator has to."
)
ROOM_BYTES = 4 * 1024**2  # with less free, what makes room gets the reserve; what needs room is turned away
NOTHING_BYTES = 1024**2  # with less free, an I/O error of SQLite is want of room: it cannot even open its log
LARGEST_PART = 8  # the reserve takes at most this part of a small disk
CHUNK_BYTES = 1024**2

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Disk:
    """The fullest of the disks that Facet writes to, in bytes; `kept_bytes` of those free are not for new photos."""

    free_bytes: int
    kept_bytes: int

    @property
    def usable_bytes(self) -> int:
        """What photos may take of it, never less than 0."""
        return max(0, self.free_bytes - self.kept_bytes)

    @property
    def is_low(self) -> bool:
        """Whether administrators are warned: under FACET_LOW_DISK_MB is left."""
        return self.usable_bytes < settings.LOW_DISK_BYTES

    @property
    def is_full(self) -> bool:
        """Whether nothing more is taken in."""
        return self.usable_bytes < ROOM_BYTES

    @property
    def state(self) -> str:
        """In a word: ok, low or full."""
        return "full" if self.is_full else "low" if self.is_low else "ok"


def is_full(error: BaseException | None) -> bool:
    """Whether an error says, or comes from one that says, that there is no room: on the disk or in the database."""
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return True
        if getattr(error, "sqlstate", "") == "53100":  # PostgreSQL: disk_full
            return True
        name = str(getattr(error, "sqlite_errorname", ""))
        if name == "SQLITE_FULL":
            return True
        if name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN")) and free_bytes() < NOTHING_BYTES:
            return True
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False


def measure() -> Disk:
    """How much room there is now."""
    missing = max(0, _reserve_bytes() - _size(_reserve_path()))
    return Disk(free_bytes=free_bytes(), kept_bytes=missing)


def free_bytes() -> int:
    """Bytes that this user may still write, on the fullest of the disks of data, photos and database."""
    return min(stat.f_bavail * stat.f_frsize for stat in map(os.statvfs, _folders()))


def has_room(*, for_bytes: int = 0) -> bool:
    """Whether so much may be stored without taking what is kept for making room."""
    return measure().usable_bytes - for_bytes >= ROOM_BYTES


def hold_reserve() -> bool:
    """See to the reserve: made where twice its size is free, so that it does not come and go; whether it is there."""
    path, wanted = _reserve_path(), _reserve_bytes()
    there = _size(path)
    if there >= wanted > 0:
        return True
    if not wanted or free_bytes() < 2 * wanted:
        return False
    unfinished = path.with_name(path.name + ".part")
    try:
        _allocate(unfinished, size=wanted)
        unfinished.replace(path)
    except OSError as error:
        logger.warning("no room can be set aside on the disk (%s)", error.strerror)
        unfinished.unlink(missing_ok=True)
        return False
    return True


def give_up_reserve() -> bool:
    """Free the reserve; whether there was one."""
    try:
        _reserve_path().unlink()
    except FileNotFoundError:
        return False
    logger.warning("the disk is full: the reserve was given up, so that room can be made")
    return True


def make_room() -> None:
    """Give the reserve up if the disk is full: for somebody who comes to delete something or to log in."""
    if free_bytes() < ROOM_BYTES:
        give_up_reserve()


def may_use_reserve(act: Callable[P, T]) -> Callable[P, T]:
    """For what makes room and can be repeated: it has the reserve, also where only an error tells of the full disk.

    A limit for one user (EDQUOT) is no number that could be asked for beforehand.
    """

    @wraps(act)
    def insist(*args: P.args, **kwargs: P.kwargs) -> T:
        make_room()
        try:
            return act(*args, **kwargs)
        except (OSError, DatabaseError) as error:
            if connection.in_atomic_block or not is_full(error) or not give_up_reserve():
                raise
        return act(*args, **kwargs)

    return insist


def _reserve_path() -> Path:
    return Path(settings.DATA_DIR) / "reserve"


def _reserve_bytes() -> int:
    """The size that the reserve should have: as set, but only a part of a small disk."""
    stat = os.statvfs(settings.DATA_DIR)
    return min(settings.RESERVE_BYTES, stat.f_blocks * stat.f_frsize // LARGEST_PART)


def _folders() -> list[Path]:
    """Where Facet writes, as far as it is there: data, photos, and the database where that is a file."""
    folders = [Path(settings.DATA_DIR), Path(settings.MEDIA_ROOT)]
    if connection.vendor == "sqlite":
        folders.append(Path(connection.settings_dict["NAME"]).parent)
    return [folder for folder in folders if folder.is_dir()]


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _allocate(path: Path, *, size: int) -> None:
    """A file whose blocks are really taken from the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
            return
        while size > 0:
            size -= os.write(descriptor, bytes(min(size, CHUNK_BYTES)))
    finally:
        os.close(descriptor)
