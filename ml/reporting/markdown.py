"""Markdown that reads well as text too: wrapped paragraphs, tables whose columns of numbers are set right."""

import re
import textwrap
from collections.abc import Iterable, Sequence

from markupsafe import Markup

WIDTH = 120
_TAG, _ENTITY = re.compile(r"<(?=[a-zA-Z/!?])"), re.compile(r"&(?=#?\w+;)")
_NUMBER = re.compile(r"(< |[+\-])?\d[\d,.]*( %)?( \([+\-]?\d.*\))?|[+\-]?\d[\d.]* to [+\-]?\d[\d.]*|–|")


def paragraph(text: str) -> str:
    """Sentences as one paragraph, apart from what stands around it. What they quote is escaped by who quotes it."""
    return f"\n\n{_wrap(text)}\n\n"


def bullets(text: str) -> str:
    """Lines of which each that begins with a dash is an item, wrapped as a list."""
    items = re.split(r"^- ", text, flags=re.MULTILINE)[1:]
    return "\n".join(_wrap(item, initial_indent="- ", subsequent_indent="  ") for item in items) + "\n\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """A table of plain text."""
    lines = [[escape(cell) for cell in row] for row in rows]
    rules = [
        "---:" if column and all(_NUMBER.fullmatch(line[column]) for line in lines) else "---"
        for column in range(len(header))
    ]
    told = ([escape(cell) for cell in header], rules, *lines)
    return Markup("\n".join(f"| {' | '.join(line)} |" for line in told))  # noqa: S704  # its cells are escaped


def escape(text: str) -> str:
    """Text that means itself, on one line."""
    plain = _ENTITY.sub("&amp;", " ".join(text.split()))
    return re.sub(r"([\\`*\[\]|])", r"\\\1", _TAG.sub("&lt;", plain))


def _wrap(text: str, *, initial_indent: str = "", subsequent_indent: str = "") -> str:
    return textwrap.fill(
        " ".join(text.split()),
        WIDTH,
        initial_indent=initial_indent,
        subsequent_indent=subsequent_indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
