"""The rows of a file of labels, read before anything is looked up: columns, answers, and what is wrong with them."""

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from classifier.intake import tables
from classifier.models import CANNOT_TELL, Review
from classifier.services.reviews.refusals import ReviewRefused
from ml.attributes import ATTRIBUTES

MOST_ROWS = 100_000
TOLD_LINES = 20  # of what is wrong; the rest is a number
CODES = {"not_text": "not_text", "empty": "no_header", "too_long": "too_long", "broken": "bad_rows"}


class BadFile(ReviewRefused):
    """A file of which nothing was stored: `not_text`, `no_header`, `bad_rows`, `too_long`, `nothing_drawn`.

    The details name the lines.
    """

    is_malformed = True

    def __init__(self, code: str, sentence: str, *, lines: Iterable[str] = ()) -> None:
        self.code = code
        found = list(lines)
        super().__init__(sentence, lines=found[:TOLD_LINES], more=max(0, len(found) - TOLD_LINES))


@dataclass
class Row:
    """A line of the file, and what it says of a face once `read_answers` has taken that."""

    line: int
    cells: dict[str, str]
    answers: dict[str, str] = field(default_factory=dict)
    verdict: str = Review.Verdict.FACE

    @property
    def is_drawn(self) -> bool:
        """Whether it belongs to the draw, if the file is said to hold one."""
        return _plain(self.cells.get("drawn", "yes")) in ("yes", "1", "true", "x")

    @property
    def face_uid(self) -> str:
        """Empty where the row names none."""
        uid = self.cells.get("face_uid", "")
        return uid if _is_uid(uid) else ""

    @property
    def file(self) -> str:
        """The photo, as it was called when it came or as it lies in the store."""
        return self.cells.get("file", "") or self.cells.get("path", "")


def read_rows(content: bytes) -> list[Row]:
    """The lines under the header. Raises BadFile."""
    try:
        table = tables.read_table(content, most_rows=MOST_ROWS)
    except tables.UnreadableTable as error:
        raise BadFile(CODES[error.code], str(error), lines=[str(error)] if error.code == "broken" else ()) from None
    header = table.header
    if not {"face_uid", "file", "path"} & set(header):
        raise BadFile("no_header", "The first line must name columns, file or face_uid among them.")
    if not any(f"reviewed_{name}" in header for name in ATTRIBUTES) or len(set(header)) < len(header):
        told = ", ".join(f"reviewed_{name}" for name in ATTRIBUTES)
        raise BadFile("no_header", f"The first line must name {told}, or some of them, each once.")
    wrong = [
        f"line {line}: {len(cells)} cells of {len(header)}: is it half a line?"
        for line, cells in table.rows
        if len(cells) != len(header)
    ]
    if wrong or not table.rows:
        raise BadFile("bad_rows", "Nothing was kept." if wrong else "There is no row under the header.", lines=wrong)
    return [Row(line, dict(zip(header, cells, strict=True))) for line, cells in table.rows]


def read_answers(row: Row, *, on: list[str]) -> list[str]:
    """Take the labels of a row, of the attributes that are on; what is wrong with them."""
    wrong, said = [], {}
    row.verdict = Review.Verdict.FACE
    for name in on:
        cell = row.cells.get(f"reviewed_{name}", "")
        word = _plain(cell)
        of = _answers_by_word(ATTRIBUTES[name].labels)
        if word == "not a face":
            row.verdict = Review.Verdict.NOT_A_FACE
        elif word in of:
            said[name] = of[word]
        elif word:
            wrong.append(f"line {row.line}: {cell!r} is no answer about {name}")
    row.answers = {} if row.verdict == Review.Verdict.NOT_A_FACE else said
    if not wrong and not said and row.verdict == Review.Verdict.FACE:
        wrong.append(f"line {row.line}: nothing is said of what is on in this collection")
    return wrong


@cache
def _answers_by_word(labels: tuple[str, ...]) -> dict[str, str]:
    """What people write -> what is stored."""
    return {_plain(label): label for label in labels} | {"cannot tell": CANNOT_TELL}


def _is_uid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _plain(text: str) -> str:
    words = " ".join(text.replace("_", " ").split()).casefold()
    return re.sub(r"(?<=\d)\s*(?:-|–|to)\s*(?=\d)", "-", words)
