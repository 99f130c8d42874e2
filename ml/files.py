"""Writing files whole or not at all.

What uploads become is written by `classifier.intake.durable_files` instead: private, and flushed to the disk before
anybody is told that it is there. What is written here is made again by running a command again.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path


def part_of(path: Path) -> Path:
    """The name beside a file under which it is written first."""
    return path.with_name(f"{path.name}.part")


@contextmanager
def replacing(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """The names to write files under; they are renamed together at the end, or none of them after an error."""
    parts = tuple(part_of(path) for path in paths)
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield parts
        for part, path in zip(parts, paths, strict=True):
            os.replace(part, path)
    finally:
        for part in parts:
            with suppress(FileNotFoundError):
                part.unlink()


def replace_files(contents: Mapping[Path, bytes]) -> None:
    """Write all beside their places, then rename all: an error while writing leaves every old file."""
    with replacing(*contents) as parts:
        for part, content in zip(parts, contents.values(), strict=True):
            part.write_bytes(content)


def replace_file(path: Path, content: bytes | str) -> None:
    """Write beside the place and rename, so that a reader sees the old file or the new one; text is UTF-8."""
    replace_files({path: content.encode() if isinstance(content, str) else content})
