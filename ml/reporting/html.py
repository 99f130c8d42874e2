"""Reports as one HTML file: no script, nothing fetched, light and dark, printable, everything escaped."""

import base64
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import NewType

from ml.reporting import numbers
from ml.reporting.figures import DOTS_PER_INCH
from ml.reporting.frame import MARK, POLICY, STYLE

# HTML that the functions of this module made. Text from elsewhere goes through them, which escape it.
Markup = NewType("Markup", str)

CSS_DOTS_PER_INCH = 96  # by definition
BROAD_FIGURE = 600  # CSS pixels: wider ones scroll on a phone instead of shrinking until nobody can read them

Cell = str | int | float | None

_NUMBER = re.compile(r"[<+\-−±]?\s*\d[\d\s,.]*\s*%?(\s*(to|of|/|\()\s*[+\-−]?\d[\d\s,.]*%?\)?)*|–")
_BEFORE_PERCENT = re.compile(r"(?<=\d) %")


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
    body = "".join(_section(part, anchor=f"part-{number}", level=2) for number, part in enumerate(sections, start=1))
    contents = ""
    if len(sections) > 3:
        links = "".join(
            f'<li><a href="#part-{number}">{_text(part.title)}</a></li>'
            for number, part in enumerate(sections, start=1)
        )
        contents = f'<nav aria-label="Contents"><ol>{links}</ol></nav>'
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_text(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
        f'<header><p class="brand"><svg viewBox="0 0 16 16" aria-hidden="true"><path d="{MARK}"/></svg>Facet</p>'
        f'<h1>{_text(title)}</h1><p class="lead">{_text(lead)}</p></header>\n'
        f"{contents}\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def section(title: str, *parts: Markup | Section) -> Section:
    """A part of a page with a heading; a section among its parts gets a smaller one."""
    return Section(title, parts)


def paragraph(text: str) -> Markup:
    """Plain text."""
    return Markup(f"<p>{_text(text)}</p>\n")


def facts(pairs: Iterable[tuple[str, Cell]]) -> Markup:
    """Names and values below one another: which model, which images, when."""
    rows = "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(_told(value))}</dd></div>" for name, value in pairs)
    return Markup(f"<dl>{rows}</dl>\n")


def table(header: Sequence[str], rows: Iterable[Sequence[Cell]], *, caption: str) -> Markup:
    """A table whose first column names its rows. Columns of numbers are set right; None and nan are a dash."""
    body = [[_told(cell) for cell in row] for row in rows]
    right = [_is_numeric([row[column] for row in body if column < len(row)]) for column in range(len(header))]
    classes = [' class="n"' if numeric else "" for numeric in right]
    head = "".join(
        f'<th scope="col"{kind}>{_text(name)}</th>' if name else "<td></td>"
        for name, kind in zip(header, classes, strict=True)
    )
    lines = []
    for row in body:
        first, *rest = (
            f">{_text(cell)}</t" if kind == "" else f"{kind}>{_text(cell)}</t"
            for cell, kind in zip(row, classes, strict=True)
        )
        lines.append(f'<tr><th scope="row"{first}h>' + "".join(f"<td{cell}d>" for cell in rest) + "</tr>\n")
    return Markup(
        f'<div class="wide" role="group" tabindex="0" aria-label="{_text(caption)}"><table>'
        f"<caption><span>{_text(caption)}</span></caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{''.join(lines)}</tbody></table></div>\n"
    )


def figure(png: bytes, *, alt: str, caption: str) -> Markup:
    """A drawing of `figures.as_png` in the file itself, in its natural size on a white card in either theme."""
    width, height = (round(side * CSS_DOTS_PER_INCH / DOTS_PER_INCH) for side in struct.unpack(">II", png[16:24]))
    card = 'class="card"'
    if width > BROAD_FIGURE:  # it scrolls, so the keyboard must reach it
        card = f'class="card broad" role="group" tabindex="0" aria-label="{_text(caption)}"'
    return Markup(
        f'<figure><div {card}><img src="{_data_uri(png)}" width="{width}" height="{height}" '
        f'alt="{_text(alt)}"></div>'
        f"<figcaption>{_text(caption)}</figcaption></figure>\n"
    )


def figures(*drawn: Markup) -> Markup:
    """Figures side by side where there is room."""
    return Markup(f'<div class="figures">{"".join(drawn)}</div>\n')


def folded(summary: str, *parts: Markup) -> Markup:
    """Parts that show when asked for, and always in print."""
    return Markup(f"<details><summary>{_text(summary)}</summary>{''.join(parts)}</details>\n")


def thumbnails(items: Iterable[Thumbnail]) -> Markup:
    """A grid of small pictures with their captions."""
    cards = "".join(
        f'<li><figure><img src="{_data_uri(item.image)}" alt="{_text(item.alt)}">'
        f"<figcaption><strong>{_text(item.title)}</strong>"
        + "".join(f"<span>{_text(line)}</span>" for line in item.lines)
        + "</figcaption></figure></li>\n"
        for item in items
    )
    return Markup(f'<ul class="thumbnails">\n{cards}</ul>\n')


def _section(part: Section, *, anchor: str, level: int) -> str:
    inner = "".join(
        _section(piece, anchor=f"{anchor}-{number}", level=min(level + 1, 6)) if isinstance(piece, Section) else piece
        for number, piece in enumerate(part.parts, start=1)
    )
    heading = f'<h{level} id="{anchor}">{_text(part.title)}</h{level}>'
    named = f' aria-labelledby="{anchor}"' if level == 2 else ""  # a landmark, so its name must be the only one
    return f"<section{named}>\n{heading}\n{inner}</section>\n"


def _text(text: str) -> str:
    told = text.encode("utf-8", "backslashreplace").decode()  # a file's name may be none that UTF-8 has
    return escape(_BEFORE_PERCENT.sub("\N{NO-BREAK SPACE}%", told))


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
