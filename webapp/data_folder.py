"""The folder of an instance: where it lies, who may read it, and the key that is kept in it."""

import atexit
import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def choose_folder(chosen: str, *, otherwise: Path, testing: bool) -> Path:
    """The folder that was chosen, else the usual one; tests get a folder that goes with them."""
    if chosen:
        return Path(chosen).resolve()
    if testing:
        folder = tempfile.mkdtemp(prefix="facet-test-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)
    return otherwise


@contextlib.contextmanager
def named_in_errors(folder: Path) -> Iterator[None]:
    """What the disk refuses within the block is told with the folder, and what to do. Raises ImproperlyConfigured."""
    try:
        yield
    except OSError as error:
        raise ImproperlyConfigured(
            f"The data folder {folder} cannot be used ({error.strerror}). Give it to the user that Facet runs as, "
            "or choose another with FACET_DATA."
        ) from None


def load_secret_key(folder: Path) -> str:
    """The key from a file (mode 0600) in the folder, which is written at the first start."""
    path = folder / "secret_key"
    if not path.exists():
        fresh = folder / f"secret_key.{os.getpid()}"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(64))
        with contextlib.suppress(FileExistsError):  # another process was first: its key holds
            os.link(fresh, path)
        fresh.unlink()
    return path.read_text()


def close_database(path: Path) -> None:
    """Make SQLite's file before SQLite does, for nobody else to read; its side files get the mode of the file."""
    if path.name == ":memory:" or not path.parent.is_dir():
        return
    with contextlib.suppress(OSError):  # another user's file, or a full disk: checks tell
        for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
            if file == path and not file.exists():
                os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
            elif file.exists() and file.stat().st_mode & 0o077:
                file.chmod(0o600)
