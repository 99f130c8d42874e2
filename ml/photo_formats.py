"""The closed list of photo formats, told by a file's first bytes, and why a file is no photo. Loads no decoder."""

import struct
from collections.abc import Iterator

from ml import heic

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp", ".mpo", ".gif", ".bmp", ".avif"}) | heic.SUFFIXES
SIGNATURE_BYTES = 32  # how much of a file `recognise_format` wants to see

# Headers of BMP by their length, at byte 14; the letters "BM" alone begin many a text.
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)
_AVIF_BRANDS = (b"avif", b"avis")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
_SHARED_BRANDS = (b"mif1", b"msf1")  # the container's own brand: either of the two may be inside

REASONS = {
    "missing": "there is no such file",
    "access": "the file cannot be opened",
    "empty": "the file is empty",
    "format": "cannot identify the format: none of those that Facet reads",
    "no_heic": "cannot identify the format: HEIC needs pillow-heif, Facet's extra “heif”, which is not installed",
    "too_large": "there are more pixels than the limit",
    "memory": "it takes more memory than there is",
    "truncated": "the file breaks off",
    "damaged": "the file is damaged",
    "array": "not an image: arrays are uint8, (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)",
}


class UnreadablePhoto(Exception):
    """The source is not a photo that Facet reads. `reason`, a key of REASONS, is for programs; the text for people."""

    def __init__(self, reason: str, told: str = "") -> None:
        self.reason = reason
        super().__init__(f"{REASONS[reason]} ({told})" if told else REASONS[reason])


def recognise_format(head: bytes) -> tuple[str, ...]:
    """Pillow's names of the formats that a file beginning with `head` may have.

    Raises UnreadablePhoto("empty") or ("format"), or ("no_heic") for HEIC where that is not read.
    """
    if not head:
        raise UnreadablePhoto("empty")
    if head.startswith(b"\xff\xd8\xff"):
        return ("JPEG", "MPO")
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return ("PNG",)
    if head.startswith((b"GIF87a", b"GIF89a")):
        return ("GIF",)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return ("WEBP",)
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return ("BMP",)
    if head[4:8] == b"ftyp":
        return _recognise_container(head)
    raise UnreadablePhoto("format")


def _recognise_container(head: bytes) -> tuple[str, ...]:
    """AVIF or HEIC by the brand that comes first; where that is the container's own, by those that follow."""
    brand = head[8:12]
    if brand in _AVIF_BRANDS:
        return ("AVIF",)
    if brand not in _HEIF_BRANDS + _SHARED_BRANDS:
        raise UnreadablePhoto("format")
    if heic.IS_READ:
        return ("HEIF",) if brand in _HEIF_BRANDS else ("AVIF", "HEIF")
    others = {head[start : start + 4] for start in range(16, len(head), 4)}
    if brand in _HEIF_BRANDS or not others.isdisjoint(_HEIF_BRANDS):
        raise UnreadablePhoto("no_heic")
    return ("AVIF",)


def breaks_off(content: bytes, formats: tuple[str, ...]) -> bool:
    """Whether a file that could not be decoded ends before it says it does."""
    if "JPEG" in formats:
        return b"\xff\xd9" not in content[-1024:]  # some cameras write a little behind the end
    if "PNG" in formats:
        return b"IEND" not in content
    if "GIF" in formats:
        return not content.rstrip(b"\0").endswith(b";")
    if "WEBP" in formats:
        return int.from_bytes(content[4:8], "little") + 8 > len(content)
    if "BMP" in formats:
        return int.from_bytes(content[2:6], "little") > len(content)
    return _last_box_ends(content) > len(content)


def lies_as_its_boxes_say(content: bytes) -> bool:
    """Whether an AVIF's or HEIC's own boxes turn or mirror its picture, which decoders carry out."""
    tables = [content[at:end] for kind, at, end in _outermost_boxes(content) if kind == b"meta"]
    return any(turn in table for table in tables for turn in (b"irot", b"imir"))


def _last_box_ends(content: bytes) -> int:
    """Where the last of an AVIF's or HEIC's outermost boxes ends, or would if the file went on."""
    return max((end for _, _, end in _outermost_boxes(content)), default=0)


def _outermost_boxes(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, beginning and end of each, which may lie beyond the content's."""
    at = 0
    while at + 8 <= len(content):
        size = int.from_bytes(content[at : at + 4])
        if size == 1 and at + 16 <= len(content):
            (size,) = struct.unpack_from(">Q", content, at + 8)
        if size < 8:  # to the end of the file, or nonsense
            break
        yield content[at + 4 : at + 8], at, at + size
        at += size
