"""A backup that is read: a folder, or one tar file."""

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from classifier.services.backups.errors import BackupError


class Source(Protocol):
    def open(self, name: str) -> IO[bytes]:
        """Raises FileNotFoundError where nothing is called so."""


class FolderSource:
    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, name: str) -> IO[bytes]:
        """As every source does."""
        return (self.path / name).open("rb")


class TarSource:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members = {member.name: member for member in tar if member.isfile()}  # of two the later holds

    def open(self, name: str) -> IO[bytes]:
        """As every source does."""
        member = self._members.get(name)
        file = self._tar.extractfile(member) if member else None
        if file is None:
            raise FileNotFoundError(name)
        return file


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """What lies at a path, be it whole or not. Raises BackupError where it is no folder and no tar file."""
    if path.is_dir():
        yield FolderSource(path)
        return
    try:
        tar = tarfile.open(path, mode="r:")  # noqa: SIM115 - closed below
    except (OSError, tarfile.TarError):
        raise BackupError("no_backup", f"{path} is no backup: name a folder or a tar file.") from None
    with tar:
        try:
            source = TarSource(tar)
        except tarfile.TarError:
            raise BackupError("damaged", f"{path} cannot be read as a tar file: take another copy of it.") from None
        yield source


def read_whole(source: Source, name: str) -> bytes:
    """Empty where nothing is called so."""
    with suppress(FileNotFoundError), source.open(name) as file:
        return file.read()
    return b""
