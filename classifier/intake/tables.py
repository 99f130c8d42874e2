"""Tables that people send, as spreadsheets save them: separated by commas, semicolons or tabs, in several encodings."""

import csv
import io
from dataclasses import dataclass

from ml.spreadsheets import unguard_cell

DELIMITERS = ",;\t"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class UnreadableTable(Exception):
    """No table, with a sentence for people; `code` is `not_text`, `empty`, `too_long` or `broken`."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


@dataclass(frozen=True)
class Table:
    """The cells of the first line, and those of the others with the numbers of their lines; blank lines are left out.

    A line may have more or fewer cells than the first. `encoding` is named where it had to be guessed.
    """

    header: list[str]
    rows: list[tuple[int, list[str]]]
    encoding: str


def read_table(content: bytes, *, most_rows: int) -> Table:
    """The cells of an uploaded table, stripped, without the apostrophes that keep spreadsheets from calculating.

    Raises UnreadableTable.
    """
    text, encoding = _decode(content)
    delimiter = max(DELIMITERS, key=next(iter(text.splitlines()), "").count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    rows: list[tuple[int, list[str]]] = []
    try:
        for line in reader:
            cells = [unguard_cell(cell.strip()) for cell in line]
            if not any(cells):
                continue
            if not header:
                header = cells
                continue
            rows.append((reader.line_num, cells))
            if len(rows) > most_rows:
                raise UnreadableTable("too_long", f"This table has more than {most_rows:,} lines. Send it in parts.")
    except csv.Error as error:
        sentence = f"Line {reader.line_num} breaks off or has a stray quotation mark ({error})."
        raise UnreadableTable("broken", sentence) from None
    if not header:
        raise UnreadableTable("empty", "This table is empty.")
    return Table(header, rows, encoding)


def _decode(content: bytes) -> tuple[str, str]:
    """Text, and the encoding's name where it had to be guessed."""
    is_utf_16 = content.startswith(UTF_16)
    if b"\0" in content and not is_utf_16:
        raise UnreadableTable("not_text", "This is no table of text. Save it as CSV first.")
    try:
        return content.decode("utf-16" if is_utf_16 else "utf-8-sig"), ""
    except UnicodeDecodeError:
        if is_utf_16:
            raise UnreadableTable("not_text", "This is no table of text. Save it as CSV first.") from None
        return content.decode("cp1252", errors="replace"), "Windows-1252"
