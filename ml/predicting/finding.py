"""Which files are photos: those that begin like one or are called like one; the rest is passed over and counted."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from ml import file_names, photo_formats

EXAMPLES = 5  # names that are told of what was passed over


@dataclass(frozen=True)
class Shard:
    """Part `number` (from 1) of `count`: a file belongs to the same one wherever and whenever it is looked for."""

    number: int = 1
    count: int = 1

    def has(self, name: str) -> bool:
        """Whether a file of this name, as it stands in the rows, is in this part."""
        if self.count == 1:
            return True
        digest = blake2b(name.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") % self.count == self.number - 1


@dataclass
class PassedOver:
    """Files that are no photos: how many by suffix, and the first names."""

    by_suffix: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, path: Path) -> None:
        self.by_suffix[path.suffix.lower() or "no suffix"] += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(file_names.to_line(path))

    def tell(self) -> str:
        """A line for people; empty where nothing was passed over."""
        total = self.by_suffix.total()
        if not total:
            return ""
        kinds = ", ".join(f"{count:,} {file_names.to_line(suffix)}" for suffix, count in self.by_suffix.most_common(8))
        names = ", ".join(self.examples) + (", …" if total > len(self.examples) else "")
        return f"{total:,} {'file is no photo and was' if total == 1 else 'files are no photos and were'} " + (
            f"passed over ({kinds}): {names}"
        )


def find_photos(paths: Iterable[Path], *, passed_over: PassedOver, shard: Shard | None = None) -> Iterator[Path]:
    """The files as given, and the photos under the folders in order of name; a folder at a time is held in memory.

    A file that cannot be looked into counts as a photo where it is called like one, so that its row says why.
    """
    shard = shard or Shard()
    for path in paths:
        for file in _walk(path, passed_over=passed_over):
            if shard.has(file_names.to_text(file)):
                yield file


def _walk(path: Path, *, passed_over: PassedOver) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            file = Path(folder, name)
            if file.suffix.lower() in photo_formats.SUFFIXES or _begins_like_one(file):
                yield file
            else:
                passed_over.add(file)


def _begins_like_one(file: Path) -> bool:
    """Whether a file's first bytes are those of a photo, whatever its name ends in; nothing is decoded."""
    if not file.is_file():  # a pipe or a device would be waited for
        return False
    try:
        with open(file, "rb") as opened:
            photo_formats.recognise_format(opened.read(photo_formats.SIGNATURE_BYTES))
    except photo_formats.UnreadablePhoto as unreadable:
        return unreadable.reason == "no_heic"
    except OSError:
        return False
    return True
