"""Markdown that reads well as text too: wrapped paragraphs, tables whose columns of numbers are set right."""

import re
import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 120
_TAG, _ENTITY = re.compile(r"<(?=[a-zA-Z/!?])"), re.compile(r"&(?=#?\w+;)")
_NUMBER = re.compile(r"(< |[+\-])?\d[\d,.]*( %)?( \([+\-]?\d.*\))?|[+\-]?\d[\d.]* to [+\-]?\d[\d.]*|–|")


def heading(title: str, *, level: int = 2) -> str:
    """A heading."""
    return f"{'#' * level} {escape(title)}"


def paragraph(*sentences: str) -> str:
    """Sentences as one paragraph; empty ones are left out. What they quote is escaped by who quotes it."""
    return textwrap.fill(
        " ".join(sentence for sentence in sentences if sentence),
        WIDTH,
        break_long_words=False,
        break_on_hyphens=False,
    )


def bullets(items: Iterable[str]) -> str:
    """A list."""
    return "\n".join(
        textwrap.fill(item, WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)
        for item in items
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of plain text."""
    lines = [[escape(cell) for cell in row] for row in rows]
    rules = [
        "---:" if column and all(_NUMBER.fullmatch(line[column]) for line in lines) else "---"
        for column in range(len(header))
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in ([escape(cell) for cell in header], rules, *lines))


def folded(summary: str, *parts: str) -> str:
    """Parts that show when asked for, where Markdown is drawn."""
    return "\n\n".join([f"<details><summary>{escape(summary)}</summary>", *parts, "</details>"])


def image(file: str, *, alt: str) -> str:
    """A picture beside the document."""
    return f"![{escape(alt)}]({file})"


def join(parts: Iterable[str]) -> str:
    """Blocks with a blank line between them; empty ones are left out."""
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(text: str) -> str:
    """Text that means itself, on one line."""
    plain = _ENTITY.sub("&amp;", " ".join(text.split()))
    return re.sub(r"([\\`*\[\]|])", r"\\\1", _TAG.sub("&lt;", plain))
