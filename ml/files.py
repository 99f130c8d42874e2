"""Writing files whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path


def replace_file(path: Path, content: bytes | str) -> None:
    """Write beside the place and rename, so that a reader sees the old file or the new one; text is UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(part, path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
