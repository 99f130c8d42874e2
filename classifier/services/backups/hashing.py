"""Hashes of files, read piece by piece."""

import hashlib
from pathlib import Path
from typing import IO

CHUNK_BYTES = 1024**2


def hash_file(path: Path) -> str:
    """SHA-256 in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hash_stream(file)


def hash_stream(file: IO[bytes]) -> str:
    """SHA-256 of what is left to read."""
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def copy_and_hash(incoming: IO[bytes], outgoing: IO[bytes]) -> str:
    """Copy to the end; the SHA-256 of what was read."""
    digest = hashlib.sha256()
    while chunk := incoming.read(CHUNK_BYTES):
        digest.update(chunk)
        outgoing.write(chunk)
    return digest.hexdigest()
