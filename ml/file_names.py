"""File names, which may be any bytes, as text that every output can hold and every terminal can show."""

import os
import re
from pathlib import Path
from unicodedata import category

_BYTE = re.compile(rb"\\x([89a-f][0-9a-f])")


def to_text(name: str | Path) -> str:
    r"""A name as valid Unicode: bytes of it that are no UTF-8 are told as \xNN, all else is left as it is."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def from_text(text: str) -> str:
    r"""The name that `to_text` told, as the file system has it: \xNN of a byte over 7f becomes that byte again."""
    return os.fsdecode(_BYTE.sub(lambda found: bytes([int(found[1], 16)]), text.encode()))


def to_line(name: str | Path) -> str:
    """A name for people, on one line."""
    return to_printable(to_text(name))


def to_printable(text: str, *, keep: str = "") -> str:
    r"""Text of which a terminal obeys nothing: control characters and lone surrogates are told as \xNN or \uNNNN."""
    return "".join(
        sign if sign.isprintable() or sign in keep or category(sign) == "Zs" else sign.encode("unicode_escape").decode()
        for sign in text
    )
