"""Files that are there whole or not at all, even when the power goes. Knows nothing of Django."""

import os
from pathlib import Path

PART_SUFFIX = ".part"  # what a file is called until it is whole
FILE_MODE = 0o600
FOLDER_MODE = 0o700


def part_of(path: Path) -> Path:
    """The name beside `path` under which its bytes are written first."""
    return path.with_name(path.name + PART_SUFFIX)


def write_files(contents: dict[Path, bytes]) -> None:
    """Write files beside their names, flush them, then rename; folders are made as needed.

    Raises OSError, a full disk for example, and then leaves none of the files and no part of one.
    """
    try:
        for path, content in contents.items():
            make_folder(path.parent)
            _write_and_flush(part_of(path), content)
        for path in contents:
            part_of(path).rename(path)
        for folder in {path.parent for path in contents}:
            flush_folder(folder)
    except OSError:
        for path in contents:
            part_of(path).unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        raise


def replace_file(path: Path, content: bytes) -> None:
    """Write a file beside its name, flush it, then rename: at any time there is the old one or the new one.

    Raises OSError, and then leaves the old one.
    """
    try:
        _write_and_flush(part_of(path), content)
        part_of(path).rename(path)
    except OSError:
        part_of(path).unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, and flush the names of the new ones."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    flush_folder(folder.parent)


def flush_folder(folder: Path) -> None:
    """Have the names in a folder written to the disk: a renamed file is only safe after this."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_and_flush(path: Path, content: bytes) -> None:
    with open(path, "wb", opener=open_private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def open_private(path: str, flags: int) -> int:
    """An opener of files that nobody else can read."""
    return os.open(path, flags, FILE_MODE)
