"""The order in which people expect file names: numbers by their value, letters without regard to case."""

import re
import unicodedata
from typing import TYPE_CHECKING, Any, TypeAlias

from django.db import models

if TYPE_CHECKING:
    BytesField: TypeAlias = models.BinaryField[bytes, bytes]
else:
    BytesField = models.BinaryField  # takes no parameter outside of the stubs

KEY_BYTES = 480  # longer names that begin alike stand in the order in which they came; an index takes no more
_NUMBER = re.compile(r"(\d+)")


def name_key(name: str) -> bytes:
    """What sorts names as people count, compared byte by byte: img2.jpg before img10.jpg before img10a.jpg.

    Bytes and not text, since databases compare those alike whatever their language is. Names that differ only in case
    or in leading zeros have the same key.
    """
    stem, dot, suffix = name.rpartition(".")
    parts = (stem, suffix) if dot and stem else (name,)
    return b"\0".join(map(_part_key, parts))[:KEY_BYTES]


def _part_key(text: str) -> bytes:
    plain = unicodedata.normalize("NFKD", text).casefold()
    return b"".join(_number_key(run) if run[:1].isdecimal() else run.encode() for run in _NUMBER.split(plain))


def _number_key(run: str) -> bytes:
    """A zero, which stands where digits do among other characters, how many digits follow, and those."""
    digits = "".join(str(unicodedata.decimal(digit)) for digit in run).lstrip("0")
    return b"0" + bytes([min(len(digits), 255)]) + digits.encode()


class NameKeyField(BytesField):
    """The `name_key` of the same row's `name`, told anew whenever the row is saved; `update` sets it by itself."""

    def pre_save(self, model_instance: Any, add: bool) -> bytes:
        key = name_key(model_instance.name)
        setattr(model_instance, self.attname, key)
        return key
