"""Small files that would keep a decoder busy are refused before it sees them; what cameras write is not."""

import io
import random
import struct
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from PIL import Image, ImageCms

from classifier.intake import av1, parts
from classifier.intake.formats import BadImage, recognise_format
from classifier.intake.pictures import Picture, read_picture
from ml import colours
from tests import boxes, pictures

MAX_BYTES = 20 * 1024**2
FEW_BYTES = MAX_BYTES - 10_000  # for what is repeated
PROMISED_SECONDS = 2.0  # of CPU time that a file refused for its parts may take; it takes a few hundredths


def read(content: bytes) -> Picture:
    assert len(content) <= MAX_BYTES
    return read_picture(io.BytesIO(content), max_pixels=50_000_000)


def fill(part: bytes) -> bytes:
    return part * (FEW_BYTES // len(part))


def jpeg_with(part: bytes) -> bytes:
    content = pictures.jpeg(64, 48)
    return content[:2] + part + content[2:]


def segment(marker: int, content: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_with(part: bytes) -> bytes:
    content = pictures.encode(pictures.picture(8, 8), "PNG")
    return content[:33] + part + content[33:]  # behind the header


def gif_with(part: bytes, *, frames: int = 1) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + part + gif_frame() * frames + b";"


def gif_frame() -> bytes:
    return b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0"


def webp_with(part: bytes) -> bytes:
    picture = pictures.encode(pictures.picture(8, 8), "WEBP", lossless=True)[12:]
    canvas = b"VP8X" + struct.pack("<II", 10, 0) + (7).to_bytes(3, "little") * 2
    body = b"WEBP" + canvas + part + picture
    return b"RIFF" + struct.pack("<I", len(body)) + body


def packed_bmp(width: int, height: int, runs: bytes) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(runs), 0, 0, 1078) + header + bytes(1024) + runs


def plain_tile(format: str, *, turns: int = 0) -> boxes.Item:
    return boxes.coded_item(Image.new("RGB", (64, 64), "red"), format, turns=turns)


def lying_grid() -> bytes:
    """A grid of 400 tiles that say they have 64 pixels a side and have 1,600: a milliard pixels in 20 kB."""
    tile = boxes.coded_item(Image.new("RGB", (1600, 1600), "red"), "AVIF", says=(64, 64))
    return boxes.container("AVIF", boxes.grid(tile, side=20, tile_side=64))


def repeated_frames(*, pieces: int = 1) -> bytes:
    """An AVIF whose one picture is coded 100 times over, in one piece or in several."""
    once = boxes.coded_item(Image.new("RGB", (1600, 1600), "red"), "AVIF")
    return boxes.container("AVIF", [replace(once, data=once.data * 100)], pieces=pieces)


SLOW: dict[str, Callable[[], bytes]] = {
    "JPEG whose last scan comes 200 times more": lambda: pictures.jpeg_of_many_scans(200),
    "JPEG of small EXIF segments": lambda: jpeg_with(fill(segment(0xE1, b"Exif\0\0x"))),
    "JPEG of comments": lambda: jpeg_with(fill(segment(0xFE, b""))),
    "JPEG with 20 MB between its segments": lambda: jpeg_with(fill(b"\xff")),
    "PNG of small chunks": lambda: png_with(fill(chunk(b"prVt", b""))),
    "PNG of empty data chunks": lambda: png_with(fill(chunk(b"IDAT", b""))),
    "PNG of packed profiles": lambda: png_with(fill(chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(10**6), 9)))),
    "GIF of small frames": lambda: gif_with(b"", frames=FEW_BYTES // len(gif_frame())),
    "GIF of one comment in pieces": lambda: gif_with(b"!\xfe" + fill(b"\1x") + b"\0"),
    "GIF with 20 MB of nothing": lambda: gif_with(fill(b"\0")),
    "WebP of small chunks": lambda: webp_with(fill(b"abcd\0\0\0\0")),
    "BMP of short runs": lambda: packed_bmp(3000, 3000, fill(b"\1\5")),
    "BMP of short rows": lambda: packed_bmp(65_500, 760, b"\1\5\0\0" * 760),
    "AVIF of many items": lambda: boxes.container("AVIF", [plain_tile("AVIF")] * 20_000),
    "AVIF of tiles larger than they say": lying_grid,
    "AVIF of one picture coded 100 times": repeated_frames,
    "AVIF of one picture coded 100 times, in pieces": lambda: repeated_frames(pieces=50),
    "HEIC turned 100 times": lambda: boxes.container("HEIF", [plain_tile("HEIF", turns=100)]),
}


@pytest.mark.parametrize("kind", SLOW)
def test_a_file_of_too_many_parts_is_refused_at_once(kind):
    content = SLOW[kind]()
    started = time.process_time()
    with pytest.raises(BadImage) as caught:
        read(content)
    assert time.process_time() - started < PROMISED_SECONDS
    assert (caught.value.reason, caught.value.code) == ("too_many_parts", "unsupported")
    assert caught.value.message.endswith("Save the photo anew as JPEG and send that.")
    assert len(caught.value.message) < 300


def test_a_profile_of_many_steps_is_left_aside():
    """Each step would be taken for every colour of a table: 20,000 of them in 9 kB for eight seconds."""
    step = b"matf\0\0\0\0" + struct.pack(">HH12f", 3, 3, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0)

    def profile(steps: int) -> bytes:
        places = struct.pack(">II", 16 + 8 * steps, len(step)) * steps
        transform = b"mpet\0\0\0\0" + struct.pack(">HHI", 3, 3, steps) + places + step
        plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        count = int.from_bytes(plain[128:132])
        table = plain[132 : 132 + 12 * count]
        moved = b"".join(
            table[i : i + 4] + struct.pack(">I", int.from_bytes(table[i + 4 : i + 8]) + 12) + table[i + 8 : i + 12]
            for i in range(0, len(table), 12)
        )
        entry = b"D2B1" + struct.pack(">II", len(plain) + 12, len(transform))
        rest = plain[132 + 12 * count :].replace(b"s\0R\0G\0B", b"o\0t\0h\0e")
        whole = plain[4:128] + struct.pack(">I", count + 1) + moved + entry + rest + transform
        return struct.pack(">I", len(whole) + 4) + whole

    assert colours.count_profile_steps(profile(3)) == 3
    started = time.process_time()
    assert read(pictures.encode(pictures.picture(64, 48), "PNG", icc_profile=profile(20_000))).image.size == (64, 48)
    assert time.process_time() - started < PROMISED_SECONDS


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("size", [(64, 64), (1000, 333), (4000, 30)])
def test_the_pixels_of_av1_are_told_by_its_headers(size, frames):
    """One frame has the short header of a still picture, several have the long one."""
    colours = [Image.new("RGB", size, colour) for colour in ("red", "green", "blue")[:frames]]
    content = pictures.encode(colours[0], "AVIF", save_all=True, append_images=colours[1:])
    data = dict(boxes.read_boxes(content))[b"mdat"]
    assert av1.count_pixels(memoryview(data)) == frames * size[0] * size[1]


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_progressive_photos_are_read(mode):
    """libjpeg writes 6, 10 and 18 scans for these, mozjpeg some more."""
    content = pictures.encode(pictures.picture(320, 240).convert(mode), "JPEG", progressive=True)
    assert content.count(b"\xff\xda") == {"L": 6, "RGB": 10, "CMYK": 18}[mode]
    assert read(content).image.size == (320, 240)


def test_the_limit_on_scans_is_exact():
    assert read(pictures.jpeg_of_many_scans(parts.MAX_SCANS - 6, side=64)).image.size == (64, 64)
    with pytest.raises(BadImage, match="32"):
        read(pictures.jpeg_of_many_scans(parts.MAX_SCANS - 5, side=64))


def test_what_only_looks_like_a_scan_is_not_counted():
    hidden = segment(0xE5, b"\xff\xda\0\x08" * 200)
    assert read(jpeg_with(hidden)).image.size == (64, 48)
    assert read(pictures.jpeg(64, 48) + b"\xff\xda\0\x08" * 200).image.size == (64, 48)
    restarts = pictures.encode(Image.effect_noise((640, 480), 80), "JPEG", restart_marker_blocks=1)
    assert restarts.count(b"\xff\xd3") > parts.MAX_SCANS
    assert read(restarts).image.size == (640, 480)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda: jpeg_with(segment(0xE1, b"http://ns.adobe.com/xmp/extension/" + bytes(60_000)) * 300)),
        pytest.param(lambda: png_with(chunk(b"tEXt", b"a\0b") * 500)),
        pytest.param(lambda: pictures.animation("GIF", frames=300)),
        pytest.param(lambda: pictures.animation("WEBP", frames=300)),
        pytest.param(lambda: pictures.animation("PNG", frames=300)),
        pytest.param(lambda: pictures.encode(Image.effect_noise((2000, 2000), 90).convert("P"), "GIF")),
        pytest.param(lambda: pictures.encode(Image.effect_noise((1500, 1500), 90).convert("RGB"), "PNG")),
        pytest.param(lambda: packed_bmp(2000, 1000, (b"\xff\5" * 7 + b"\xd7\5\0\0") * 1000)),
        pytest.param(lambda: boxes.container("HEIF", boxes.grid(plain_tile("HEIF"), side=15, tile_side=64))),
        pytest.param(lambda: boxes.container("AVIF", boxes.grid(plain_tile("AVIF"), side=15, tile_side=64))),
        pytest.param(lambda: boxes.container("HEIF", [plain_tile("HEIF", turns=1)])),
    ],
    ids=["depth map", "texts", "gif", "webp", "apng", "noise", "large png", "bmp", "heic grid", "avif grid", "turned"],
)
def test_files_of_many_parts_that_are_honest_are_read(content):
    assert read(content()).image.width >= 8


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "HEIF"])
def test_garbage_is_counted_quickly_and_without_an_error_of_its_own(format):
    chance = random.Random(5)
    whole = pictures.encode(Image.effect_noise((90, 70), 80).convert("RGB"), format)
    started = time.process_time()
    for number in range(300):
        content = bytearray(whole[: chance.randrange(20, len(whole))] if number % 3 else whole)
        for _ in range(chance.randrange(1, 30)):
            content[chance.randrange(16, len(content))] = chance.choice((0, 1, 255, chance.randrange(256)))
        with suppress(BadImage):
            parts.check_parts(bytes(content), recognise_format(bytes(content[:32])))
    assert time.process_time() - started < PROMISED_SECONDS
