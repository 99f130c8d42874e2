"""A backup that grows file by file: a folder, or one tar file. Both go on where they were cut short."""

import fcntl
import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Protocol

from classifier.intake import durable_files
from classifier.services.backups import manifests
from classifier.services.backups.errors import BackupError
from classifier.services.backups.hashing import copy_and_hash, hash_file, hash_stream

JOURNAL = "copied.part"  # of a folder; beside a tar file its name comes first
LOCK = "lock.part"
SCRATCH = "database.part"


class Target(Protocol):
    """`sums` are the files that are in it whole, each with its hash: flushed, so that a power cut takes none."""

    sums: dict[str, str]
    readable: Path  # where it can be read before it is finished
    scratch: Path  # where the database may be written before it is taken in

    def put(self, name: str, source: Path, *, links: bool = False) -> None:
        """Copy a file into it, or link it there. Raises FileNotFoundError where the source is gone, or OSError."""

    def take(self, name: str, path: Path) -> None:
        """Move a file into it, instead of the one that is called so."""

    def drop(self, name: str, *, is_damaged: bool = False) -> None:
        """What is called so belongs to it no longer; what is damaged is copied anew by the next attempt."""

    def finish(self, contents: dict[str, bytes]) -> None:
        """Add these, in their order, and make it a whole backup."""


class FolderTarget:
    def __init__(self, path: Path) -> None:
        self.readable = path
        self.scratch = path / SCRATCH
        self._journal = path / JOURNAL
        known = read_journal(self._journal)
        self.sums = {name: digest for name, digest in known.items() if (path / name).is_file()}

    def put(self, name: str, source: Path, *, links: bool = False) -> None:
        """Beside its name first, and flushed."""
        target, part = self._prepare(name)
        if links:
            os.link(source, part)
            digest = hash_file(part)
        else:
            with source.open("rb") as incoming, open(part, "xb", opener=durable_files.open_private) as outgoing:
                digest = copy_and_hash(incoming, outgoing)
                _flush(outgoing)
        part.rename(target)
        self._note(name, digest)

    def take(self, name: str, path: Path) -> None:
        """By a rename."""
        target, _ = self._prepare(name)
        digest = hash_file(path)
        path.rename(target)
        self._note(name, digest)

    def drop(self, name: str, *, is_damaged: bool = False) -> None:
        """Removed."""
        self.sums.pop(name, None)
        (self.readable / name).unlink(missing_ok=True)

    def finish(self, contents: dict[str, bytes]) -> None:
        """The list of files comes last."""
        os.sync()  # the names of the files, too, before the list says that they are there
        for name, content in contents.items():
            durable_files.replace_file(self.readable / name, content)
        self._journal.unlink(missing_ok=True)
        (self.readable / LOCK).unlink(missing_ok=True)

    def _prepare(self, name: str) -> tuple[Path, Path]:
        target = self.readable / name
        durable_files.make_folder(target.parent)
        part = durable_files.part_of(target)
        part.unlink(missing_ok=True)  # of an attempt that was cut short
        return target, part

    def _note(self, name: str, digest: str) -> None:
        self.sums[name] = digest
        append_to_journal(self._journal, name=name, digest=digest)


class TarTarget:
    """Written beside its name, with the list of what is in it beside that, and renamed in the end."""

    def __init__(self, path: Path, *, file: IO[bytes]) -> None:
        self.path, self._file = path, file
        self.readable = durable_files.part_of(path)
        self.scratch = path.with_name(f"{path.name}.{SCRATCH}")
        self._journal = path.with_name(f"{path.name}.{JOURNAL}")
        self.sums: dict[str, str] = {}
        known = read_journal(self._journal)
        end = 0
        for member, member_end in whole_members(self.readable):
            if member.name not in known:
                break
            self.sums[member.name], end = known[member.name], member_end
        file.truncate(end)
        file.seek(end)
        self._tar = tarfile.open(fileobj=file, mode="w")  # noqa: SIM115 - closed by `finish`

    def put(self, name: str, source: Path, *, links: bool = False) -> None:
        """At the end, and flushed."""
        with source.open("rb") as incoming:
            digest = hash_stream(incoming)
            incoming.seek(0)
            member = self._describe(name, size=os.fstat(incoming.fileno()).st_size)
            self._tar.addfile(member, incoming)
        _flush(self._file)
        self.sums[name] = digest
        append_to_journal(self._journal, name=name, digest=digest)

    def take(self, name: str, path: Path) -> None:
        """Copied, then removed."""
        self.put(name, path)
        path.unlink()

    def drop(self, name: str, *, is_damaged: bool = False) -> None:
        """Its bytes stay, but on no list: nothing restores them."""
        self.sums.pop(name, None)
        if is_damaged:
            durable_files.replace_file(self._journal, manifests.write_sums(self.sums))

    def finish(self, contents: dict[str, bytes]) -> None:
        """The end of the archive, then its name."""
        for name, content in contents.items():
            self._tar.addfile(self._describe(name, size=len(content)), io.BytesIO(content))
        self._tar.close()
        _flush(self._file)
        self.readable.rename(self.path)
        durable_files.flush_folder(self.path.parent)
        self._journal.unlink(missing_ok=True)

    def _describe(self, name: str, *, size: int) -> tarfile.TarInfo:
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, durable_files.FILE_MODE
        return member


@contextmanager
def begun(path: Path) -> Iterator[Target]:
    """A new backup at a path, or the one that was cut short there: a tar file where the name says so, else a folder.

    Raises BackupError where there is a whole one, something else, or another process at work on it.
    """
    if path.name.endswith(".tar"):
        if path.exists():
            path.with_name(f"{path.name}.{JOURNAL}").unlink(missing_ok=True)  # where it ended right before this
            raise BackupError("exists", f"{path} is there already: choose another name, or remove it.")
        with ExitStack() as held:
            file = held.enter_context(open(durable_files.part_of(path), "r+b", opener=_open_or_make))
            _lock(file, path=path)
            yield TarTarget(path, file=file)
        return
    path.mkdir(mode=durable_files.FOLDER_MODE, exist_ok=True)
    if (path / manifests.SUMS).exists():
        for left_over in (JOURNAL, LOCK):
            (path / left_over).unlink(missing_ok=True)
        raise BackupError("exists", f"{path} holds a whole backup: choose another folder, or remove it.")
    if any(path.iterdir()) and not (path / LOCK).exists():
        raise BackupError("not_empty", f"{path} holds something else: choose an empty folder.")
    with open(path / LOCK, "wb") as lock:
        _lock(lock, path=path)
        yield FolderTarget(path)


def read_journal(path: Path) -> dict[str, str]:
    """The files that are whole, and from now on the list says nothing else."""
    sums = manifests.read_journal(path.read_text()) if path.exists() else {}
    durable_files.replace_file(path, manifests.write_sums(sums))
    return sums


def append_to_journal(path: Path, *, name: str, digest: str) -> None:
    """Note a file that is whole; its bytes have been flushed before."""
    with path.open("ab") as journal:
        journal.write(manifests.write_sums({name: digest}))


def whole_members(path: Path) -> Iterator[tuple[tarfile.TarInfo, int]]:
    """The members of a tar file that may be cut off anywhere, as far as they are whole, each with where it ends."""
    size = path.stat().st_size
    if not size:
        return
    try:
        with tarfile.open(path, mode="r:") as tar:
            while member := tar.next():
                blocks = -(-member.size // tarfile.BLOCKSIZE)
                end = member.offset_data + blocks * tarfile.BLOCKSIZE
                if end > size:
                    return
                yield member, end
    except tarfile.TarError:
        return


def _lock(file: IO[bytes], *, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise BackupError("in_use", f"Another backup to {path} is under way.") from None


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _open_or_make(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, durable_files.FILE_MODE)
