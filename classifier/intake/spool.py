"""The spool: what is on its way in lies in this folder of the data, and nowhere else. Knows nothing of Django.

Files have no names where the system allows it, so they go with their process. Folders are locked by the process that
works in them; what nobody locks was left by one that died.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import IO

FOLDER_MODE = 0o700
LEFT_OVER_SECONDS = 60  # where no file can be nameless it has a name for a moment, and that moment is not disturbed


def open_nameless(folder: Path) -> IO[bytes]:
    """A file for writing and reading that goes when it is closed, or when its process ends."""
    return tempfile.TemporaryFile(dir=folder)


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """A folder for files that need names, which goes at the end."""
    made, descriptor = _make_locked(folder)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(descriptor)


def find_left_over(folder: Path) -> list[Path]:
    """What processes that died left behind, by name."""
    found = []
    for path in _entries(folder):
        if (descriptor := _lock_left_over(path)) is not None:
            os.close(descriptor)
            found.append(path)
    return found


def sweep(folder: Path) -> int:
    """Remove what was left behind; how many files and folders that was. Makes the spool where there is none."""
    folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    folder.chmod(FOLDER_MODE)
    count = 0
    for path in _entries(folder):
        if (descriptor := _lock_left_over(path)) is None:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        os.close(descriptor)
        count += 1
    return count


def _make_locked(folder: Path) -> tuple[Path, int]:
    """A new folder and the descriptor whose lock says that somebody works in it."""
    while True:
        made = Path(tempfile.mkdtemp(prefix="scratch-", dir=folder))
        descriptor = os.open(made, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if made.exists():
            return made, descriptor
        os.close(descriptor)  # a sweep came in between


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _lock_left_over(path: Path) -> int | None:
    """A descriptor that holds what a dead process left; None for what is in use or gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.is_dir() or path.stat().st_mtime < time() - LEFT_OVER_SECONDS:
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
