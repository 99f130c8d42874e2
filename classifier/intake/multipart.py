"""Makes Django keep every file part of a form, whatever its sender wrote into the part's head.

Django's parser passes over a part in silence when a line of its head is not UTF-8 (a name from an old disk, in
Latin-1), when its file name is nothing but dots and slashes, when it has no field name, or when the line break before
the next part is also the one that ends the head of an empty file. A file that was sent and is told nowhere is the worst
answer there is, so such heads are put right before Django reads them.
"""

import html
import re
from typing import Any

from django.http import multipartparser
from django.utils.http import parse_header_parameters

NAMELESS_FIELD = "unnamed"
NAMELESS_FILE = "unnamed"
HEAD_END = b"\r\n\r\n"
MOST_BYTES_A_LETTER = 4  # a head grows when it becomes UTF-8
_DISPOSITION_OF_A_FILE = re.compile(r"content-disposition\s*:.*;\s*filename\*?\s*=", re.IGNORECASE | re.DOTALL)

_parse_part = multipartparser.parse_boundary_stream  # type: ignore[attr-defined] # the stubs know its classes only


def keep_every_file() -> None:
    """Put the heads of all forms' parts right from now on; called once, when Django starts."""
    multipartparser.parse_boundary_stream = parse_mended_part  # type: ignore[attr-defined]


def parse_mended_part(stream: Any, max_header_size: int) -> Any:
    """Django's `parse_boundary_stream` on the same part with a head that it can read."""
    start = stream.read(max_header_size)
    head, found, body = start.partition(HEAD_END)
    if not found and head.strip() and len(start) < max_header_size:  # all of it is head: nothing in the file
        head, found = head.rstrip(b"\r\n"), HEAD_END
    stream.unget((mend_head(head, is_empty=not body) if found else head) + found + body)
    return _parse_part(stream, MOST_BYTES_A_LETTER * max_header_size)


def mend_head(head: bytes, *, is_empty: bool) -> bytes:
    """A part's head as UTF-8, a file's with a field and a name; a file field left blank by a browser stays as it is."""
    lines = [_decode(line) for line in head.split(b"\r\n")]
    return "\r\n".join(_mend_line(line, is_empty=is_empty) for line in lines).encode()


def _decode(line: bytes) -> str:
    """UTF-8, else Windows' western letters, the likeliest of what else there is."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def _mend_line(line: str, *, is_empty: bool) -> str:
    if not _DISPOSITION_OF_A_FILE.match(line):
        return line
    try:
        parameters = parse_header_parameters(line)[1]
    except ValueError:  # `filename*` in an encoding that does not exist
        parameters = {"name": NAMELESS_FIELD}
    if is_empty and not parameters.get("filename"):
        return line
    field, name = parameters.get("name", "").strip(), parameters.get("filename", "")
    if field and not _is_discarded(name):
        return line
    name = NAMELESS_FILE if _is_discarded(name) else name
    return f"content-disposition: form-data; name={_quote(field or NAMELESS_FIELD)}; filename={_quote(name)}"


def _quote(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _is_discarded(name: str) -> bool:
    """Whether Django's parser would take this for no name at all, and the file with it."""
    last = re.split(r"[/\\]", html.unescape(name))[-1]
    return "".join(letter for letter in last if letter.isprintable()) in ("", ".", "..")
