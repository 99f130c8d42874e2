"""Where exactly the limits on a file's parts lie, in each container, and what is not counted towards them."""

import struct

import pytest
from PIL import Image

from classifier.intake import parts
from classifier.intake.formats import BadImage
from ml import colours
from tests import boxes
from tests.intake.test_parts import chunk, segment

SIZE = 50_000  # bytes of a file: what a chunk or a block may be small by depends on it


def refusal(content: bytes, format: str) -> str:
    """What there is too much of; nothing where the file is read."""
    try:
        parts.check_parts(content, (format,))
    except BadImage as refused:
        return str(refused.values["what"])
    return ""


def is_refused(content: bytes, format: str) -> bool:
    return bool(refusal(content, format))


def jpeg(part: bytes) -> bytes:
    return b"\xff\xd8" + part + b"\xff\xd9"


def png(part: bytes) -> bytes:
    return (b"\x89PNG\r\n\x1a\n" + part + chunk(b"IEND", b"")).ljust(SIZE, b"\0")


def webp(count: int, *, first: bytes = b"") -> bytes:
    """So many chunks, of which all but the last are empty."""
    start = b"RIFF\0\0\0\0WEBP" + first + b"abcd\0\0\0\0" * (count - 1)
    return start + b"last" + struct.pack("<I", SIZE - len(start) - 8) + bytes(SIZE - len(start) - 8)


def gif(part: bytes, *, palette: bytes = b"") -> bytes:
    """`palette` has two colours: 6 bytes."""
    head = b"GIF89a" + bytes(4) + bytes([0x80 if palette else 0]) + bytes(2)
    return (head + palette + part + b";").ljust(SIZE, b"!")


def comment(pieces: int) -> bytes:
    return b"!\xfe" + b"\1;" * pieces + b"\0"


def bmp(width: int, height: int, *, packing: int = 1, header: int = 40, length: int = 100) -> bytes:
    return (b"BM" + bytes(12) + struct.pack("<IiiHHI", header, width, height, 1, 8, packing)).ljust(length, b"\0")


def heif(*tables: bytes) -> bytes:
    return boxes.box(b"ftyp", b"heic\0\0\0\0") + boxes.full_box(b"meta", *tables)


@pytest.mark.parametrize(
    ("format", "build", "most", "told"),
    [
        ("JPEG", lambda n: jpeg(segment(0xFE, b"") * n), parts.MAX_SEGMENTS, "too many segments"),
        ("JPEG", lambda n: jpeg(segment(0xFE, b"") * (n - 1) + b"\xff\x01"), parts.MAX_SEGMENTS, "too many segments"),
        (
            "JPEG",
            lambda n: jpeg(bytes(n) + segment(0xFE, b"")),
            parts.MAX_GAP_BYTES,
            "too many bytes between the segments",
        ),
        (
            "JPEG",
            lambda n: jpeg((b"\0" + segment(0xFE, b"")) * 1000 + bytes(n - 1000) + segment(0xFE, b"")),
            parts.MAX_GAP_BYTES,
            "too many bytes between the segments",
        ),
        ("JPEG", lambda n: jpeg(segment(0xDA, b"") * n), parts.MAX_SCANS, "too many scans"),
        ("PNG", lambda n: png(chunk(b"prVt", b"") * n), 2000 + SIZE // 500, "too many chunks"),
        (
            "PNG",
            lambda n: png(chunk(b"prVt", b"IEND") * (n - 1) + chunk(b"prVt", b"")),
            2000 + SIZE // 500,
            "too many chunks",
        ),
        ("PNG", lambda n: png(chunk(b"iCCP", b"") * n), 1, "too many colour profiles"),
        ("WEBP", webp, 2000 + SIZE // 100, "too many chunks"),
        (
            "WEBP",
            lambda n: webp(n - 1, first=b"abcd\3\0\0\0abc\0"),  # an odd one is filled up
            2000 + SIZE // 100,
            "too many chunks",
        ),
        ("GIF", lambda n: gif(comment(n - 2)), 2000 + SIZE // 100, "too many blocks"),
        ("GIF", lambda n: gif(comment(n - 2), palette=b";;;;;;"), 2000 + SIZE // 100, "too many blocks"),
        (
            "GIF",
            lambda n: gif(b"," + bytes(9) + b"\2" + b"\1;" * (n - 2) + b"\0"),
            2000 + SIZE // 100,
            "too many blocks",
        ),
        (
            "GIF",
            lambda n: gif(b"," + bytes(8) + b"\x80;;;;;;\2" + b"\1;" * (n - 2) + b"\0"),
            2000 + SIZE // 100,
            "too many blocks",
        ),
        ("GIF", lambda n: gif(bytes(n - 1)), 2000 + SIZE // 100, "too many blocks"),
        ("BMP", lambda n: bmp(1, n), parts.MAX_PACKED_PIXELS, "too many pixels in runs"),
        ("BMP", lambda n: bmp(n, -1, packing=2), parts.MAX_PACKED_PIXELS, "too many pixels in runs"),
        ("BMP", lambda n: bmp(9, 9, length=n), parts.MAX_PACKED_BYTES, "too many bytes of runs"),
        ("HEIF", lambda n: heif(boxes.box(b"iinf", bytes(n))), parts.MAX_TABLE_BYTES, "too many items"),
        ("HEIF", lambda n: heif(boxes.box(b"iloc", bytes(n))), parts.MAX_TABLE_BYTES, "too many items"),
        ("HEIF", lambda n: heif(boxes.box(b"iref", bytes(n))), parts.MAX_TABLE_BYTES, "too many items"),
        (
            "HEIF",
            lambda n: heif(boxes.box(b"iprp", boxes.box(b"ipma", bytes(n)))),
            parts.MAX_TABLE_BYTES,
            "too many properties",
        ),
        ("HEIF", lambda n: boxes.box(b"free") * n, 2000, "too many boxes"),
        ("HEIF", lambda n: heif(boxes.box(b"free") * n), 2000, "too many boxes"),
    ],
)
def test_so_many_are_read_and_not_one_more(format, build, most, told):
    assert not is_refused(build(most), format)
    assert refusal(build(most + 1), format) == told


@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("JPEG", jpeg(segment(0xDA, b"") + bytes(parts.MAX_GAP_BYTES + 1))),  # the data of a scan
        ("JPEG", jpeg(b"") + segment(0xFE, b"") * (parts.MAX_SEGMENTS + 1)),  # behind the end
        ("PNG", png(b"") + chunk(b"prVt", b"") * 3000),
        ("GIF", gif(b"") + b"!" * 3000),
        ("BMP", bmp(1, parts.MAX_PACKED_PIXELS + 1, packing=0)),
        ("BMP", bmp(1, parts.MAX_PACKED_PIXELS + 1, header=12)),
        ("HEIF", heif(boxes.box(b"free", bytes(parts.MAX_TABLE_BYTES + 1)))),
        ("HEIF", boxes.box(b"iinf", bytes(parts.MAX_TABLE_BYTES + 1))),  # not in the table of contents
    ],
)
def test_what_costs_a_decoder_nothing_is_not_counted(format, content):
    assert not is_refused(content, format)


@pytest.mark.parametrize("size", ["long", "to the end"])
def test_a_box_may_tell_its_size_in_three_ways(size):
    table = boxes.box(b"iinf", bytes(parts.MAX_TABLE_BYTES + 1))
    if size == "long":
        whole = struct.pack(">I4sQ", 1, b"meta", 20 + len(table)) + bytes(4) + table
    else:
        whole = struct.pack(">I4s", 0, b"meta") + bytes(4) + table
    assert is_refused(boxes.box(b"ftyp", b"heic\0\0\0\0") + whole, "HEIF")


@pytest.mark.parametrize("turn", [b"irot", b"imir", b"clap"])
@pytest.mark.parametrize(("version", "flags"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_turns_are_counted_for_each_picture_by_itself(turn, version, flags):
    """Pictures have 16 or 32 bits for their number, properties 7 or 15, and a bit that says how essential they are."""

    properties = [boxes.box(b"ispe"), boxes.box(turn)]
    number, other = (1, 2) if flags else (2, 1)
    if flags:
        properties.reverse()

    def content(*turns: int) -> bytes:
        pairs = [
            struct.pack(">I" if version else ">H", item) + bytes([1 + count]) + one(other) + one(number) * count
            for item, count in enumerate(turns, start=1)
        ]
        table = boxes.full_box(b"ipma", struct.pack(">I", len(pairs)), *pairs, version=version, flags=flags)
        return heif(boxes.box(b"iprp", boxes.box(b"ipco", *properties), table))

    def one(index: int) -> bytes:
        return struct.pack(">H", 0x8000 | index) if flags else bytes([0x80 | index])

    assert not is_refused(content(3, 3), "HEIF")
    assert refusal(content(0, 4), "HEIF") == "too many turns"
    assert is_refused(content(4, 0), "HEIF")


@pytest.mark.parametrize(
    ("version", "table"),
    [
        # 0: a number of 16 bits each, a base, and pieces by offset and length.
        (0, struct.pack(">BBH", 0x44, 0x40, 1) + struct.pack(">HHIHIIII", 7, 0, 100, 2, 5, 3, 10, 2)),
        # 1: as before, with where the data lies and an index of each piece.
        (1, struct.pack(">BBH", 0x44, 0x44, 1) + struct.pack(">HHHIHIIIIII", 7, 0, 0, 100, 2, 1, 5, 3, 2, 10, 2)),
        # 2: numbers of 32 bits.
        (2, struct.pack(">BBI", 0x44, 0x00, 1) + struct.pack(">IHHHIIII", 7, 0, 0, 2, 105, 3, 110, 2)),
        # Data inside of the table itself.
        (1, struct.pack(">BBH", 0x44, 0x40, 1) + struct.pack(">HHHIHIIII", 7, 1, 0, 4, 2, 0, 3, 5, 2)),
    ],
)
def test_the_data_of_a_picture_is_found_wherever_its_table_says(monkeypatch, version, table):
    seen = []
    monkeypatch.setattr(parts, "count_pixels", lambda data: seen.append(bytes(data)) or 0)
    inside = boxes.box(b"idat", b"....HER--YZ-")
    tables = boxes.full_box(b"iloc", table, version=version) + inside
    head = boxes.full_box(b"meta", tables) + boxes.box(b"free", b"av1C")
    content = head.ljust(105, b"-") + b"HER--YZ---"
    parts.check_parts(content, ("AVIF",))
    assert seen == [b"HERYZ"]


def test_the_pixels_of_an_avif_are_limited_exactly(monkeypatch):
    content = boxes.container("AVIF", [boxes.coded_item(Image.new("RGB", (64, 64)), "AVIF")] * 2)
    monkeypatch.setattr(parts, "MAX_AVIF_PIXELS", 2 * 64 * 64)
    assert not is_refused(content, "AVIF")
    monkeypatch.setattr(parts, "MAX_AVIF_PIXELS", 2 * 64 * 64 - 1)
    assert refusal(content, "AVIF") == "too many pixels in its tiles"


def test_the_steps_of_a_profile_are_those_of_its_longest_transform():
    def profile(*transforms: bytes) -> bytes:
        start = 132 + 12 * len(transforms)
        table = b"".join(struct.pack(">4sII", b"D2B0", start + 16 * n, 16) for n in range(len(transforms)))
        return bytes(128) + struct.pack(">I", len(transforms)) + table + b"".join(transforms)

    few, many = (struct.pack(">4s4xHHI", b"mpet", 3, 3, count) for count in (2, 0x01020304))
    other = struct.pack(">4s4xHHI", b"curv", 3, 3, 0xFFFFFFFF)
    assert colours.count_profile_steps(profile(few, many, other, few)) == 0x01020304
    assert colours.count_profile_steps(profile(few)) == 2
    assert colours.count_profile_steps(profile(other)) == 0
    assert colours.count_profile_steps(profile(few, many)[:-16]) == 2
    assert colours.count_profile_steps(bytes(128) + b"\xff" * 4) == 0
    assert colours.count_profile_steps(b"") == 0
