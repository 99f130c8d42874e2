"""A CSV that grows by the rows of a photo at a time, and can be gone on with after a kill."""

import csv
import io
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ml.errors import FacetError
from ml.predicting.rows import OK, Cell, Row
from ml.spreadsheets import guard_cell
from ml.surveying.reading import key_of


class UnfinishedTable(FacetError):
    """What an earlier run left cannot be gone on with as it was asked; the message says why."""


@dataclass(frozen=True)
class Done:
    """What an earlier run wrote whole: `keys` (N,) uint64, sorted, of its files, and the bytes that hold their rows."""

    keys: np.ndarray
    length: int


class GrowingTable:
    """Rows under `FILE.unfinished` until `finish` gives them their name. `columns` are names and types of the cells."""

    def __init__(self, path: Path, *, columns: Mapping[str, type], model: str, resume: bool = False) -> None:
        """Begin, or go on with what an earlier run left under either name.

        Raises UnfinishedTable where one is there and nobody asked to go on, or where it has other columns or was made
        by another model; and OSError.
        """
        self.path, self.unfinished = path, path.with_name(f"{path.name}.unfinished")
        self._columns = dict(columns)
        self._done = Done(np.zeros(0, np.uint64), 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        if resume:
            self._take_up(model)
        elif self.unfinished.exists():
            raise UnfinishedTable(
                f"{self.unfinished} was left by a run that broke off: --resume goes on with it, deleting it begins anew"
            )
        self._file: BinaryIO = open(self.unfinished, "ab")  # noqa: SIM115 # closed by finish or close
        if not self._done.length:
            self._write([list(self._columns)])

    def has(self, file: str) -> bool:
        """Whether an earlier run wrote the rows of this file."""
        keys, key = self._done.keys, key_of(guard_cell(file))
        place = int(np.searchsorted(keys, np.uint64(key)))
        return place < len(keys) and int(keys[place]) == key

    @property
    def kept(self) -> int:
        """The files that an earlier run did."""
        return len(self._done.keys)

    def add(self, rows: Iterable[Row]) -> bool:
        """Write all rows of some files; what was added survives a kill of this process. Always wants more."""
        self._write([[to_cell(row[name]) for name in self._columns] for row in rows])
        return True

    def finish(self) -> None:
        """Give the rows their own name; what stood there before is replaced."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self.unfinished, self.path)

    def _write(self, lines: Iterable[Sequence[str]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        self._file.write(text.getvalue().encode())
        self._file.flush()

    def _take_up(self, model: str) -> None:
        if not self.unfinished.exists() and self.path.exists():
            copied = self.unfinished.with_name(f"{self.unfinished.name}.part")
            shutil.copyfile(self.path, copied)  # a run that ended: its files are done, new ones are added
            os.replace(copied, self.unfinished)
            self._done = read_done(self.unfinished, columns=list(self._columns), model=model, is_whole=True)
        elif self.unfinished.exists():
            self._done = read_done(self.unfinished, columns=list(self._columns), model=model, is_whole=False)
            os.truncate(self.unfinished, self._done.length)


def to_cell(value: Cell) -> str:
    """A cell of a CSV: empty for nothing, true or false, and no text that a spreadsheet would calculate."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return guard_cell(value) if isinstance(value, str) else str(value)


def read_done(path: Path, *, columns: Sequence[str], model: str, is_whole: bool) -> Done:
    """The files of an unfinished table, without the last one's rows unless it `is_whole`: some of them may be missing.

    Raises UnfinishedTable for other columns, or rows of another model.
    """
    keys: list[np.uint64] = []
    last, before_last, end = "", 0, 0
    with open(path, "rb") as file:
        for start, stop, record in _records(file):
            cells = next(csv.reader([record], strict=True), [])
            if start == 0:
                if cells != list(columns):
                    raise UnfinishedTable(f"{path} has other columns than this run writes")
                before_last = end = stop
                continue
            row = dict(zip(columns, cells, strict=True))
            if row["status"] == OK and row["model"] != model:
                raise UnfinishedTable(f"{path} holds answers of {row['model']}, and this run asks {model}")
            if row["file"] != last:
                keys.append(np.uint64(key_of(row["file"])))
                last, before_last = row["file"], start
            end = stop
    if is_whole or not keys:
        return Done(np.unique(np.array(keys, np.uint64)), end)
    return Done(np.unique(np.array(keys[:-1], np.uint64)), before_last)


def _records(file: BinaryIO) -> Iterable[tuple[int, int, str]]:
    """Where each whole record of a CSV begins and ends in bytes, and its text; a half one at the end is left out."""
    start, held = 0, b""
    for line in file:
        held += line
        if held.endswith(b"\n") and held.count(b'"') % 2 == 0:
            yield start, start + len(held), held.decode()
            start, held = start + len(held), b""
