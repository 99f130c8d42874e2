"""CSV files of any size, a part at a time, as spreadsheets of any country write them."""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml.surveying.errors import BadTable

ROWS_AT_ONCE = 5_000
DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class Part:
    """Some rows: their cells by column, and the line of each in the file (from 1, as editors count)."""

    lines: Sequence[int]
    columns: dict[str, tuple[str, ...]]
    decimal_comma: bool = False

    def __len__(self) -> int:
        return len(self.lines)

    def numbers(self, name: str) -> np.ndarray:
        """(rows,) a column as floats, NaN for empty cells. Raises BadTable("bad_number") with the line."""
        cells = self.columns[name]
        if self.decimal_comma:
            cells = tuple(cell.replace(",", ".") for cell in cells)
        try:
            found = np.array([float(cell) if cell else math.nan for cell in cells])
        except ValueError:
            found = None
        if found is None or np.isinf(found).any():
            row = next(row for row, cell in enumerate(cells) if cell and not _is_finite(cell))
            raise BadTable("bad_number", f"line {self.lines[row]}: {cells[row]!r} in column {name} is no number")
        return found


@dataclass(frozen=True)
class Table:
    """A CSV whose header was read; `read_parts` goes through its rows."""

    path: Path
    names: tuple[str, ...]
    delimiter: str

    def require(self, *names: str) -> None:
        """Raise BadTable("missing_column") unless these columns are there."""
        missing = [name for name in names if name not in self.names]
        if missing:
            raise BadTable("missing_column", f"{self.path} lacks the column {', '.join(missing)}")

    def read_parts(self) -> Iterator[Part]:
        """The rows in their order, blank lines left out. Raises BadTable: `half_a_line`, `not_text`, `not_csv`."""
        with open(self.path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=self.delimiter, strict=True)
            lines: list[int] = []
            rows: list[list[str]] = []
            try:
                next(reader)
                for row in reader:
                    if len(row) != len(self.names):
                        if not any(cell.strip() for cell in row):
                            continue
                        self._tell_half(reader.line_num, cells=len(row))
                    lines.append(reader.line_num)
                    rows.append(row)
                    if len(rows) == ROWS_AT_ONCE:
                        yield self._part(lines, rows)
                        lines, rows = [], []
            except csv.Error as error:
                raise BadTable("not_csv", f"{self.path}, line {reader.line_num}: {error}") from error
            except UnicodeDecodeError as error:
                raise _no_text(self.path) from error
            if rows:
                yield self._part(lines, rows)

    def _part(self, lines: list[int], rows: list[list[str]]) -> Part:
        columns = {name: tuple(cells) for name, cells in zip(self.names, zip(*rows, strict=True), strict=True)}
        return Part(lines, columns, decimal_comma=self.delimiter == ";")

    def _tell_half(self, line: int, *, cells: int) -> None:
        raise BadTable(
            "half_a_line",
            f"{self.path}, line {line} has {cells} cells and the header {len(self.names)}: was the file cut off?",
        )


def open_table(path: Path) -> Table:
    """The header of a CSV in UTF-8, with or without byte order mark, between commas, semicolons or tabs.

    Raises BadTable: `no_header`, `column_twice`, `not_text`, `not_csv`; and OSError.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            line = file.readline()
    except UnicodeDecodeError as error:
        raise _no_text(path) from error
    if not line.strip() or "\0" in line:
        raise BadTable("no_header", f"{path} has no line of column names: is it a CSV file?")
    delimiter, header = _split_header(line, path=path)
    names = tuple(name.strip() for name in header)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadTable("column_twice", f"{path} has two columns called {', '.join(twice) or '(nothing)'}")
    return Table(path, names, delimiter)


def _split_header(line: str, *, path: Path) -> tuple[str, list[str]]:
    """The delimiter that makes the most names of the first line, and these.

    Where all names are quoted, only the right one reads at all. Raises BadTable("not_csv") where none does.
    """
    headers: dict[str, list[str]] = {}
    for mark in DELIMITERS:
        try:
            headers[mark] = next(csv.reader([line], delimiter=mark, strict=True))
        except csv.Error as error:
            fault = error
    if not headers:
        raise BadTable("not_csv", f"{path}, line 1: {fault}") from fault
    return max(headers.items(), key=lambda item: len(item[1]))


def _is_finite(cell: str) -> bool:
    try:
        return math.isfinite(float(cell)) or cell.strip().lower() == "nan"
    except ValueError:
        return False


def _no_text(path: Path) -> BadTable:
    return BadTable("not_text", f"{path} is no UTF-8 text: save it as CSV UTF-8")
