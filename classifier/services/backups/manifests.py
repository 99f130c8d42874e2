"""What stands in a backup beside the data: what it is of, and the hash of each file."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from classifier.services.backups.errors import BackupError

FORMAT = 1
MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
SECRET_KEY = "secret_key"  # noqa: S105 - the name of a file
PHOTOS = "media/"  # before the storage name of a file
SUM_LINE = re.compile(r"([0-9a-f]{64})  (?!/)((?:(?!\.\.)[\w.-]+/)*(?!\.\.)[\w.-]+)")


@dataclass(frozen=True)
class Manifest:
    """`deleted` are uids of photos that people deleted while it was made; `lacking` are files that were not there."""

    made_at: str
    database: str  # a vendor, as Django calls it
    migrations: list[str]  # "app.name" of all that were applied
    files: int  # with the hash of each in the list, this manifest left out
    size: int  # of them all, in bytes
    deleted: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    format: int = FORMAT

    def as_bytes(self) -> bytes:
        """The JSON that `read_manifest` reads."""
        return json.dumps(asdict(self), indent=1).encode() + b"\n"


def read_manifest(content: bytes) -> Manifest:
    """Raises BackupError where it is none, or of a later version of Facet."""
    try:
        found = json.loads(content)
        if found["format"] != FORMAT:
            raise BackupError("newer", "This backup was made by a newer Facet: restore it with that version.")
        return Manifest(**found)
    except (ValueError, TypeError, KeyError):
        raise damaged(MANIFEST) from None


def hash_bytes(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def write_sums(sums: dict[str, str]) -> bytes:
    """Name -> SHA-256 as lines that `sha256sum` and `read_sums` read."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())).encode()


def read_sums(content: bytes) -> dict[str, str]:
    """Name -> SHA-256 of each file. Raises BackupError where a line is none."""
    try:
        *lines, rest = content.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise damaged(SUMS) from None
    if rest:
        raise damaged(SUMS)
    return dict(_read_lines(lines))


def read_journal(content: str) -> dict[str, str]:
    """The lines of an unfinished backup that are whole; the last may be cut off."""
    whole = content[: content.rfind("\n") + 1].splitlines()
    return {match[2]: match[1] for line in whole if (match := SUM_LINE.fullmatch(line))}


def damaged(name: str) -> BackupError:
    """What is told of a file that is not as it was."""
    return BackupError(
        "damaged",
        f"{name} is not what it was when the backup was made: a byte of it, or of {SUMS}, has changed, or it is gone. "
        "Take another copy of this backup, or an older one.",
    )


def _read_lines(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        match = SUM_LINE.fullmatch(line)
        if match is None:
            raise damaged(SUMS)
        yield match[2], match[1]
