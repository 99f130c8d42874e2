"""Rows on standard output as they come: a table for people, or one JSON array."""

import json
import sys
from collections.abc import Sequence
from typing import Protocol

from ml import file_names
from ml.calibration import split_set
from ml.commands import show
from ml.predicting.rows import BOX, OK, Row, Rows


class Output(Protocol):
    """Takes the rows of some files at a time; `add` says whether more are wanted."""

    def add(self, rows: Sequence[Row]) -> bool: ...

    def finish(self) -> None: ...


class JsonPrinter:
    """One array of one object a row; in ASCII where standard output is not UTF-8."""

    def __init__(self) -> None:
        self._is_first = True
        self._ascii = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"

    def add(self, rows: Sequence[Row]) -> bool:
        text = json.dumps(rows, indent=1, ensure_ascii=self._ascii)
        begin, self._is_first = "[\n" if self._is_first else ",\n", False
        return show(begin + text[2:-2], end="")

    def finish(self) -> None:
        show("[]" if self._is_first else "\n]")


class TablePrinter:
    """A line a row: file, face, box, and the guesses with their probabilities; columns widen as wider cells come."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._numbers = [column for name, column in rows.numbers.items() if name in rows.classes]
        heads = ["file", "face", "box", *(f"perceived {name}" for name in rows.classes)]
        self._heads = [*heads, *(column.rpartition("_")[2] for column in self._numbers)]
        self._widths = [0] * len(self._heads)
        self._has_begun = False

    def add(self, rows: Sequence[Row]) -> bool:
        lines = [self._cells(row) for row in rows]
        if not self._has_begun:
            lines.insert(0, self._heads)
            self._has_begun = True
        self._widths = [max(width, *(len(line[n]) for line in lines)) for n, width in enumerate(self._widths)]
        padded = (zip(line, self._widths, strict=True) for line in lines)
        return show("\n".join("  ".join(cell.ljust(width) for cell, width in line).rstrip() for line in padded))

    def finish(self) -> None:
        pass

    def _cells(self, row: Row) -> list[str]:
        file = file_names.to_line(str(row["file"]))
        if row["status"] != OK:
            why = f"{row['status']}: {row['reason']}" if row["reason"] else str(row["status"])
            return [file, "-", why, *[""] * (len(self._heads) - 3)]
        box = "whole image"
        if row["x1"] is not None:
            box = "{:.0f},{:.0f} {:.0f},{:.0f}".format(*(row[name] for name in BOX))
        if row["cut_off"]:
            box += " (cut off)"
        numbers = [row[column] for column in self._numbers]
        told = [f"{number:.0f}" if number is not None else "" for number in numbers]
        return [file, str(row["face"]), box, *(self._guess(row, name) for name in self._rows.classes), *told]

    def _guess(self, row: Row, attribute: str) -> str:
        label = row[f"predicted_{attribute}"]
        if label is None:
            return ""
        chosen = split_set(str(row[f"set_{attribute}"] or ""))
        among = f" ({' or '.join(chosen)})" if len(chosen) > 1 else ""
        return f"{'unsure: ' if row[f'unsure_{attribute}'] else ''}{label} {row[f'{attribute}_{label}']:.0%}{among}"
