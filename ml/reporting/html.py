"""Reports as one HTML file: no script, nothing fetched, light and dark, printable, everything escaped."""

import base64
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from ml.reporting import numbers, rendering
from ml.reporting.figures import DOTS_PER_INCH

PARTS = "parts.html"
CSS_DOTS_PER_INCH = 96  # by definition
BROAD_FIGURE = 600  # CSS pixels: wider ones scroll on a phone instead of shrinking until nobody can read them

Cell = str | int | float | None

STYLE = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
# A browser that opens the file fetches nothing and runs nothing, whatever a file's name or a label says.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
MARK = (
    "M15.62 11.61L11.61 15.62L10.18 12.16L12.16 10.18zM10.84 15.95L5.16 15.95L6.60 12.49L9.40 12.49z"
    "M4.39 15.62L0.38 11.61L3.84 10.18L5.82 12.16zM0.05 10.84L0.05 5.16L3.51 6.60L3.51 9.40z"
    "M0.38 4.39L4.39 0.38L5.82 3.84L3.84 5.82zM5.16 0.05L10.84 0.05L9.40 3.51L6.60 3.51z"
    "M11.61 0.38L15.62 4.39L12.16 5.82L10.18 3.84zM15.95 5.16L15.95 10.84L12.49 9.40L12.49 6.60z"
    "M11.65 9.51L9.51 11.65L6.49 11.65L4.35 9.51L4.35 6.49L6.49 4.35L9.51 4.35L11.65 6.49z"
)
_NUMBER = re.compile(r"[<+\-−±]?\s*\d[\d\s,.]*\s*%?(\s*(to|of|/|\()\s*[+\-−]?\d[\d\s,.]*%?\)?)*|–")


@dataclass(frozen=True)
class Section:
    """A part of a page under its own heading; the parts in it are markup or sections one level lower."""

    title: str
    parts: tuple["Markup | Section", ...]


@dataclass(frozen=True)
class Thumbnail:
    """A small picture (PNG or JPEG) and what is said of it: a title, then lines."""

    image: bytes
    alt: str
    title: str
    lines: tuple[str, ...] = ()


def page(title: str, *, lead: str, sections: Sequence[Section]) -> str:
    """A whole page; from four sections on with a list of them at its top."""
    return rendering.render(
        "page.html", title=title, lead=lead, sections=sections, style=STYLE, policy=POLICY, mark=MARK
    )


def section(title: str, *parts: Markup | Section) -> Section:
    """A part of a page with a heading; a section among its parts gets a smaller one."""
    return Section(title, parts)


def paragraph(text: str) -> Markup:
    """Plain text."""
    return rendering.call(PARTS, "paragraph", text)


def facts(pairs: Iterable[tuple[str, Cell]]) -> Markup:
    """Names and values below one another: which model, which images, when."""
    return rendering.call(PARTS, "facts", [(name, _told(value)) for name, value in pairs])


def table(header: Sequence[str], rows: Iterable[Sequence[Cell]], *, caption: str) -> Markup:
    """A table whose first column names its rows. Columns of numbers are set right; None and nan are a dash."""
    body = [[_told(cell) for cell in row] for row in rows]
    numeric = [_is_numeric([row[column] for row in body if column < len(row)]) for column in range(len(header))]
    if any(len(row) != len(header) for row in body):
        raise ValueError(f"a row of {caption!r} has another number of cells than its header")
    return rendering.call(PARTS, "table", header, body, numeric, caption)


def figure(png: bytes, *, alt: str, caption: str) -> Markup:
    """A drawing of `figures.as_png` in the file itself, in its natural size on a white card in either theme."""
    width, height = (round(side * CSS_DOTS_PER_INCH / DOTS_PER_INCH) for side in struct.unpack(">II", png[16:24]))
    return rendering.call(PARTS, "figure", _data_uri(png), width, height, width > BROAD_FIGURE, alt, caption)


def figures(*drawn: Markup) -> Markup:
    """Figures side by side where there is room."""
    return rendering.call(PARTS, "figures", drawn)


def folded(summary: str, *parts: Markup) -> Markup:
    """Parts that show when asked for, and always in print."""
    return rendering.call(PARTS, "folded", summary, parts)


def thumbnails(items: Iterable[Thumbnail]) -> Markup:
    """A grid of small pictures with their captions."""
    return rendering.call(PARTS, "thumbnails", [(_data_uri(item.image), item) for item in items])


def _told(cell: Cell) -> str:
    if cell is None or isinstance(cell, float):
        return numbers.decimal(cell)
    return f"{cell:,}" if isinstance(cell, int) else cell


def _is_numeric(cells: Sequence[str]) -> bool:
    told = [cell for cell in cells if cell]
    return bool(told) and all(_NUMBER.fullmatch(cell) for cell in told)


def _data_uri(image: bytes) -> str:
    kind = "jpeg" if image.startswith(b"\xff\xd8") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
