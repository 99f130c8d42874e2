"""What a file is made of, counted before a decoder sees it: small files of very many parts take very long to decode.

Each reader walks its container as the decoder will (scans and segments, chunks, blocks, boxes), stops at a limit, and
leaves whatever it does not understand to the decoder. Knows nothing of Django.
"""

import re
import struct
from collections import Counter
from collections.abc import Iterator

from classifier.intake.av1 import count_pixels
from classifier.intake.formats import BadImage

# Encoders write 10 scans, for four channels 18; each may take as long as decoding the whole picture once.
MAX_SCANS = 32
MAX_SEGMENTS = 2000  # of a JPEG before and between its scans: a large profile is 50, a phone's depth map 300
MAX_GAP_BYTES = 65_536  # of a JPEG between its segments, where nothing should be
# A chunk of a PNG or WebP or a block of a GIF costs microseconds, whatever it holds. Encoders write 8 kB in a chunk and
# 255 bytes in a block; small pictures may have some more.
BYTES_PER_CHUNK = 500
BYTES_PER_BLOCK = 100
FEW = 2000
MAX_PACKED_PIXELS = 10_000_000  # run lengths of a BMP are unpacked in Python
MAX_PACKED_BYTES = 5 * 1024**2
MAX_TABLE_BYTES = 65_536  # each of an AVIF's or HEIC's: some 4,000 items, and a phone writes 200
MAX_TURNS = 3  # of one picture in an AVIF or HEIC: cut, rotated, mirrored, once each
MAX_AVIF_PIXELS = 200_000_000  # of all its frames and tiles, whatever they say: picture, transparency, thumbnails

JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # neither a stuffed byte nor a restart
JPEG_END, JPEG_SCAN = 0xD9, 0xDA
JPEG_BARE = (0x01, 0xD8)  # markers without a length


def check_parts(content: bytes, formats: tuple[str, ...]) -> None:
    """Raises BadImage("too_many_parts") for a file of one of `formats` whose parts would keep a decoder busy."""
    try:
        if "JPEG" in formats:
            _check_jpeg(content)
        elif "PNG" in formats:
            _check_png(content)
        elif "GIF" in formats:
            _check_gif(content)
        elif "WEBP" in formats:
            _check_webp(content)
        elif "BMP" in formats:
            _check_bmp(content)
        else:
            _check_boxes(content, is_avif=b"av1C" in content)
    except (IndexError, struct.error):
        pass  # it breaks off, which is for the decoder to say


def _limit(count: int, most: int, what: str) -> None:
    if count > most:
        raise BadImage("too_many_parts", what=what, most=most)


def _check_jpeg(content: bytes) -> None:
    scans = segments = gap = 0
    at, in_scan = 2, False
    while found := JPEG_MARKER.search(content, at):
        if not in_scan:
            gap += found.start() - at
        at = found.end()
        marker = content[at - 1]
        in_scan = marker == JPEG_SCAN
        if marker == JPEG_END:
            break
        if marker not in JPEG_BARE:
            at += max(int.from_bytes(content[at : at + 2]), 2)
        scans += in_scan
        segments += not in_scan
        _limit(scans, MAX_SCANS, "too many scans")
        _limit(segments, MAX_SEGMENTS, "too many segments")
        _limit(gap, MAX_GAP_BYTES, "too many bytes between the segments")


def _check_png(content: bytes) -> None:
    most = FEW + len(content) // BYTES_PER_CHUNK
    at, chunks, profiles = 8, 0, 0
    while at + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        if name == b"IEND":
            break
        at += 12 + length
        chunks += 1
        profiles += name == b"iCCP"
        _limit(chunks, most, "too many chunks")
        _limit(profiles, 1, "too many colour profiles")


def _check_webp(content: bytes) -> None:
    most = FEW + len(content) // BYTES_PER_BLOCK  # frames of an animation may be small
    at, chunks = 12, 0
    while at + 8 <= len(content):
        length = int.from_bytes(content[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
        chunks += 1
        _limit(chunks, most, "too many chunks")


def _check_gif(content: bytes) -> None:
    most = FEW + len(content) // BYTES_PER_BLOCK
    at, blocks = 13, 0
    if content[10] & 0x80:
        at += 6 << (content[10] & 7)
    while at < len(content):
        kind = content[at : at + 1]
        blocks += 1
        _limit(blocks, most, "too many blocks")
        if kind == b";":
            break
        if kind == b"!":
            at += 2
        elif kind == b",":
            flags = content[at + 9]
            at += 11 + ((6 << (flags & 7)) if flags & 0x80 else 0)
        else:  # Pillow looks for the next block byte by byte
            at += 1
            continue
        while length := content[at]:
            at += 1 + length
            blocks += 1
            _limit(blocks, most, "too many blocks")
        at += 1


def _check_bmp(content: bytes) -> None:
    header, width, height, _, _, packing = struct.unpack_from("<IiiHHI", content, 14)
    if header >= 40 and packing in (1, 2):
        _limit(abs(width * height), MAX_PACKED_PIXELS, "too many pixels in runs")
        _limit(len(content), MAX_PACKED_BYTES, "too many bytes of runs")


def _check_boxes(content: bytes, *, is_avif: bool) -> None:
    for name, start, end in _boxes(content, start=0, end=len(content)):
        if name == b"meta":
            tables = list(_boxes(content, start=start + 4, end=end))
            base = next((first for table, first, _ in tables if table == b"idat"), 0)
            for table, first, last in tables:
                if table in (b"iinf", b"iloc", b"iref"):
                    _limit(last - first, MAX_TABLE_BYTES, "too many items")
                if table == b"iprp":
                    _check_properties(content, start=first, end=last)
                if table == b"iloc" and is_avif:
                    _check_av1(content, at=first, base=base)


def _check_av1(content: bytes, *, at: int, base: int) -> None:
    """Frames and tiles may be far larger, and more, than the file's tables say."""
    pixels = copied = 0
    whole = memoryview(content)
    for extents in _places(content, at=at, base=base):
        data = whole[slice(*extents[0])]
        if len(extents) > 1:
            copied += sum(end - start for start, end in extents)
            _limit(copied, len(content), "too many bytes that are used again")
            data = memoryview(b"".join(whole[start:end] for start, end in extents))
        pixels += count_pixels(data)
        _limit(pixels, MAX_AVIF_PIXELS, "too many pixels in its tiles")


def _places(content: bytes, *, at: int, base: int) -> Iterator[list[tuple[int, int]]]:
    """Where the data of each item begins and ends, in pieces; `base` is where data inside the table's box begins."""
    version = content[at]
    offset_bytes, length_bytes = content[at + 4] >> 4, content[at + 4] & 15
    base_bytes, index_bytes = content[at + 5] >> 4, content[at + 5] & 15 if version else 0
    number_bytes = 4 if version == 2 else 2
    at += 6

    def take(size: int) -> int:
        nonlocal at
        at += size
        if at > len(content):
            raise IndexError
        return int.from_bytes(content[at - size : at])

    for _ in range(take(number_bytes)):
        take(number_bytes)
        is_inside = version > 0 and take(2) & 15 == 1
        take(2)
        start = take(base_bytes) + (base if is_inside else 0)
        extents = []
        for _ in range(take(2)):
            take(index_bytes)
            first = start + take(offset_bytes)
            extents.append((first, first + (take(length_bytes) or len(content))))
        if extents:
            yield extents


def _check_properties(content: bytes, *, start: int, end: int) -> None:
    """Turns are carried out one after the other, each over the whole picture."""
    boxes = list(_boxes(content, start=start, end=end))
    kinds = [kind for name, at, last in boxes if name == b"ipco" for kind, _, _ in _boxes(content, start=at, end=last)]
    turns: Counter[int] = Counter()
    for name, at, last in boxes:
        if name == b"ipma":
            _limit(last - at, MAX_TABLE_BYTES, "too many properties")
            for item, index in _properties(content, at=at):
                turns[item] += 0 < index <= len(kinds) and kinds[index - 1] in (b"clap", b"irot", b"imir")
    _limit(max(turns.values(), default=0), MAX_TURNS, "too many turns")


def _properties(content: bytes, *, at: int) -> Iterator[tuple[int, int]]:
    """The pairs of item and property, counted from 1, of a table of associations."""
    item_bytes = 4 if content[at] else 2
    index_bytes = 2 if content[at + 3] & 1 else 1
    at, entries = at + 8, int.from_bytes(content[at + 4 : at + 8])
    for _ in range(entries):
        item = int.from_bytes(content[at : at + item_bytes])
        count = content[at + item_bytes]
        at += item_bytes + 1
        for place in range(at, at + count * index_bytes, index_bytes):
            essential = 0x80 << 8 * (index_bytes - 1)
            yield item, int.from_bytes(content[place : place + index_bytes]) & ~essential
        at += count * index_bytes


def _boxes(content: bytes, *, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte and end of what is in each box of a box's content."""
    number = 0
    while start + 8 <= end:
        number += 1
        _limit(number, FEW, "too many boxes")
        size, name = struct.unpack_from(">I4s", content, start)
        first = start + 8
        if size == 1:
            size, first = int.from_bytes(content[first : first + 8]), first + 8
        last = end if size == 0 else min(start + size, end)
        if last < first:
            return
        yield name, first, last
        start = last
