"""Reports as one HTML file: no script, nothing fetched, light and dark, printable, everything escaped."""

import base64
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ml.reporting import numbers, rendering
from ml.reporting.figures import DOTS_PER_INCH
from ml.reporting.frame import MARK, POLICY, STYLE

PARTS = "parts.html"
CSS_DOTS_PER_INCH = 96  # by definition
BROAD_FIGURE = 600  # CSS pixels: wider ones scroll on a phone instead of shrinking until nobody can read them

Cell = str | int | float | None

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
