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
        line = error.object.count(b"\n", 0, error.start) + 1
        raise face_set.BadData(f"{path} is not in UTF-8 (line {line}: {error.reason} at byte {error.start})") from error


def read_table(path: Path, *, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """The lines and rows of a CSV with a header, parted by commas, semicolons or tabs; a missing cell is empty.

    Names of columns are in small letters without space around them, however the header writes them. Raises
    MissingFiles, and BadData for what is no CSV, has a row of more cells than the header, or lacks one of the columns.
    """
    text = read_text(path)
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=lambda mark: len(_named(header.split(mark)) & set(columns)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        names = [_plain(name) for name in next(reader, [])]
        rows = []
        for cells in filter(None, reader):
            if any(cells[len(names) :]):
                told = f"line {reader.line_num}: {len(cells)} cells under {len(names)} columns"
                raise face_set.BadData(f"{path}, {told}, the rest is", names=cells[len(names) :])
            rows.append((reader.line_num, dict.fromkeys(names, "") | dict(zip(names, cells, strict=False))))
    except csv.Error as error:
        raise face_set.BadData(f"{path} is no CSV: line {reader.line_num}: {error}") from error
    missing = [name for name in columns if name not in names]
    if missing:
        raise face_set.BadData(f"{path} lacks columns", names=missing)
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise face_set.BadData(f"{path} has columns more than once", names=twice)
    return rows


def _named(cells: Sequence[str]) -> set[str]:
    return {_plain(cell) for cell in cells}


def _plain(cell: str) -> str:
    return cell.strip().strip('"').strip().lower()
