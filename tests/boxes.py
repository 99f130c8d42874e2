"""AVIF and HEIC files put together by hand, from one coded picture and whatever a test has them say of it."""

import io
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from PIL import Image

from tests import pictures

BRANDS = {"HEIF": b"heic", "AVIF": b"avif"}
CODED = {"HEIF": (b"hvc1", b"hvcC"), "AVIF": (b"av01", b"av1C")}
COLOURS = b"\3\x08\x08\x08"  # three channels of eight bits
QUARTER_TURN = b"\1"


def box(name: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I", len(body) + 8) + name + body


def full_box(name: bytes, *content: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(name, bytes([version]) + flags.to_bytes(3), *content)


def read_boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    stream = io.BytesIO(content)
    while head := stream.read(8):
        size, name = struct.unpack(">I4s", head)
        yield name, stream.read(size - 8)


@dataclass(frozen=True)
class Item:
    """A picture in a file: its kind, its bytes, its properties as boxes, and the items that it is made from."""

    kind: bytes
    data: bytes
    properties: tuple[bytes, ...]
    made_from: tuple[int, ...] = field(default=())


def coded_item(image: Image.Image, format: str, *, says: tuple[int, int] | None = None, turns: int = 0) -> Item:
    """`image` as a coded picture that says it has the size `says`, and is to be turned by 90 degrees so many times."""
    file = dict(read_boxes(pictures.encode(image, format)))
    kind, name = CODED[format]
    properties = dict(read_boxes(dict(read_boxes(dict(read_boxes(file[b"meta"][4:]))[b"iprp"]))[b"ipco"]))
    told = (size_box(*(says or image.size)), box(name, properties[name]), full_box(b"pixi", COLOURS))
    return Item(kind, file[b"mdat"], (*told, *[box(b"irot", QUARTER_TURN)] * turns))


def size_box(width: int, height: int) -> bytes:
    return full_box(b"ispe", struct.pack(">II", width, height))


def grid(tile: Item, *, side: int, tile_side: int) -> list[Item]:
    """`side` x `side` copies of a tile as one picture, which comes first."""
    pixels = side * tile_side
    data = struct.pack(">4B2I", 0, 1, side - 1, side - 1, pixels, pixels)
    properties = (size_box(pixels, pixels), full_box(b"pixi", COLOURS))
    return [Item(b"grid", data, properties, tuple(range(2, 2 + side**2))), *[tile] * side**2]


def container(format: str, items: Iterable[Item], *, pieces: int = 1) -> bytes:
    """A file of items counted from 1, the first of which is the picture.

    Equal data is in it once; the table tells where it lies in so many `pieces`.
    """
    numbered = dict(enumerate(items, start=1))
    properties = list(dict.fromkeys(one for item in numbered.values() for one in item.properties))
    place = {content: number for number, content in enumerate(properties, start=1)}
    blob, starts = b"", {}
    for item in numbered.values():
        if item.data not in starts:
            starts[item.data] = len(blob)
            blob += item.data
    infos = [full_box(b"infe", struct.pack(">HH4sx", n, 0, item.kind), version=2) for n, item in numbered.items()]
    associations = b"".join(
        struct.pack(">IB", n, len(item.properties))
        + b"".join(struct.pack(">H", 0x8000 * (one[4:8] != b"ispe") + place[one]) for one in item.properties)
        for n, item in numbered.items()
    )
    references = b"".join(
        box(b"dimg", struct.pack(f">IH{len(item.made_from)}I", n, len(item.made_from), *item.made_from))
        for n, item in numbered.items()
        if item.made_from
    )
    count = struct.pack(">I", len(numbered))

    def cut(start: int, size: int) -> bytes:
        edges = [size * number // pieces for number in range(pieces + 1)]
        return b"".join(struct.pack(">II", start + a, b - a) for a, b in pairwise(edges))

    def describe(base: int) -> bytes:
        places = b"".join(
            struct.pack(">IHHHII", n, 0, 0, 1, base + starts[item.data], len(item.data)) for n, item in numbered.items()
        )
        return full_box(
            b"meta",
            full_box(b"hdlr", b"\0" * 4 + b"pict" + b"\0" * 13),
            full_box(b"pitm", struct.pack(">I", 1), version=1),
            full_box(b"iloc", b"\x44\0", count, places, version=2),
            full_box(b"iinf", count, *infos, version=1),
            full_box(b"iref", references, version=1) if references else b"",
            box(b"iprp", box(b"ipco", *properties), full_box(b"ipma", count, associations, version=1, flags=1)),
        )

    brand = BRANDS[format]
    start = box(b"ftyp", brand, b"\0" * 4, b"mif1", brand)
    return start + describe(len(start) + len(describe(0)) + 8) + box(b"mdat", blob)
