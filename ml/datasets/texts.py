"""Text files and tables that people write: UTF-8 with or without a byte order mark."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from ml.datasets import face_set


def read_text(path: Path) -> str:
    """Raises MissingFiles, and BadData for other encodings."""
    if not path.is_file():
        raise face_set.MissingFiles("Not there", names=[str(path)])
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise face_set.BadData(f"{path} is not in UTF-8 ({error.reason} at byte {error.start})") from error


def read_table(path: Path, *, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV with a header; a cell that is not there is empty.

    Raises MissingFiles, and BadData for what is no CSV or lacks one of the columns.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), restval="")
    try:
        names, rows = reader.fieldnames or (), list(reader)
    except csv.Error as error:
        raise face_set.BadData(f"{path} is no CSV: {error}") from error
    missing = [name for name in columns if name not in names]
    if missing:
        raise face_set.BadData(f"{path} lacks columns", names=missing)
    return rows
