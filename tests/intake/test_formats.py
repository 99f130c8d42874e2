"""What is refused: everything outside the closed list, too large, or damaged; each for a reason of its own."""

import io
import struct
import subprocess
import sys
import time
import zlib

import pytest
from PIL import Image

from classifier.intake.formats import BadImage, recognise_format
from classifier.intake.pictures import read_picture
from tests import pictures

MAX_PIXELS = 50_000_000


def refusal(content: bytes, *, max_pixels: int = MAX_PIXELS) -> BadImage:
    with pytest.raises(BadImage) as caught:
        read_picture(io.BytesIO(content), max_pixels=max_pixels)
    return caught.value


# Everything outside the list, whatever it is called: some of it Pillow would read if it were let.
CLOSED = {
    "TIFF": pictures.encode(pictures.picture(16, 16), "TIFF"),
    "ICO": pictures.encode(pictures.picture(16, 16), "ICO"),
    "JPEG 2000": pictures.encode(pictures.picture(16, 16), "JPEG2000"),
    "TGA": pictures.encode(pictures.picture(16, 16), "TGA"),
    "PPM": pictures.encode(pictures.picture(16, 16), "PPM"),
    "PCX": pictures.encode(pictures.picture(16, 16), "PCX"),
    "DDS": pictures.encode(pictures.picture(16, 16), "DDS"),
    "EPS": pictures.encode(pictures.picture(16, 16), "EPS"),
    "PDF": pictures.encode(pictures.picture(16, 16), "PDF"),
    "PSD": b"8BPS\0\1" + b"\0" * 6 + struct.pack(">HIIHH", 3, 16, 16, 8, 3) + b"\0" * 64,
    "SVG": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "SVG without a header": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "text": b"Dear diary, today I was called a.jpg.",
    "text that begins like a BMP": b"BMW, Benz and others build cars, and this is no picture of one.",
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "zip": b"PK\x03\x04" + b"\0" * 60,
    "MP4": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + b"\0" * 60,
    "WAV": b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 60,
    "one byte": b"\xff",
}


@pytest.mark.parametrize("kind", CLOSED)
def test_what_is_not_on_the_list_is_unsupported(kind):
    refused = refusal(CLOSED[kind])
    assert refused.code == "unsupported"
    assert "Facet reads JPEG, PNG, WebP, GIF, BMP, AVIF and HEIC; this file is none" in refused.message


@pytest.mark.parametrize(
    ("kind", "told", "advice"),
    [
        ("zip", "an archive (zip)", "Unpack it"),
        ("PDF", "a document (PDF)", "Save the pictures in it"),
        ("MP4", "a video (MP4 or MOV)", "Save frames of it"),
        ("TIFF", "a picture of another kind (TIFF or raw)", "Save the photo as JPEG"),
        ("text", "none of these.", "If it is a photo"),
    ],
)
def test_what_to_do_instead_fits_what_was_sent(kind, told, advice):
    message = refusal(CLOSED[kind]).message
    assert told in message
    assert advice in message


def test_parsers_of_closed_formats_are_not_even_loaded_and_neither_is_django():
    code = (
        "import io, sys; from PIL import Image; from classifier.intake import pictures;"
        "buffer = io.BytesIO(); Image.new('RGB', (9, 9)).save(buffer, 'PNG'); buffer.seek(0);"
        "pictures.read_picture(buffer, max_pixels=100);"
        "closed = {'EpsImagePlugin', 'PdfImagePlugin', 'PsdImagePlugin', 'IcoImagePlugin', 'FliImagePlugin'};"
        "print(sorted(name for name in closed if f'PIL.{name}' in sys.modules), 'django' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "HEIF"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_damaged(format, part):
    content = pictures.encode(Image.effect_noise((200, 160), 80).convert("RGB"), format)
    refused = refusal(content[: int(len(content) * part)])
    assert refused.code == "damaged"
    assert "damaged" in refused.message


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "HEIF"])
def test_a_right_beginning_and_then_rubbish_is_damaged(format):
    content = pictures.encode(pictures.picture(64, 48), format)
    assert refusal(content[:32] + b"\x5a" * 2000).code == "damaged"


def test_a_huge_png_is_refused_at_once():
    content = pictures.png_bytes(30_000, 30_000, data=zlib.compress(b"\0" * 1_000_000))
    started = time.perf_counter()
    refused = refusal(content)
    seconds = time.perf_counter() - started
    assert refused.code == "too_many_pixels"
    assert "50 megapixels" in refused.message
    assert seconds < 0.5


@pytest.mark.parametrize("size", [(7_072, 7_071), (1, 65_501)])
def test_the_limits_on_pixels_and_sides_are_exact(size):
    width, height = size
    assert refusal(pictures.png_bytes(width, height)).code == "too_many_pixels"
    assert (
        refusal(pictures.png_bytes(width, height - 2)).code == "damaged"
    )  # small enough, and then there is no picture in it


def test_sizes_near_the_largest_number_are_refused():
    assert refusal(pictures.png_bytes(2**31 - 1, 2**31 - 1)).code == "too_many_pixels"
    assert refusal(pictures.png_bytes(0, 10)).code in ("damaged", "too_many_pixels")


def test_a_webp_that_claims_a_huge_canvas_is_refused_before_it_is_made():
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + (16_382).to_bytes(3, "little") * 2
    content = b"RIFF" + struct.pack("<I", 4 + len(canvas)) + b"WEBP" + canvas
    assert refusal(content).code == "too_many_pixels"


@pytest.mark.parametrize(
    ("brand", "formats"),
    [(b"avif", ("AVIF",)), (b"heic", ("HEIF",)), (b"mif1", ("AVIF", "HEIF")), (b"msf1", ("AVIF", "HEIF"))],
)
def test_a_brand_that_both_containers_share_leaves_both_open(brand, formats):
    assert recognise_format(b"\0\0\0\x18ftyp" + brand + bytes(16)) == formats
    assert all(format in Image.OPEN for format in formats), "Pillow knows them by these names"


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "AVIF"])
def test_all_frames_of_an_animation_count_towards_the_pixels(format):
    content = pictures.animation(format, frames=3, size=(40, 30))
    assert refusal(content, max_pixels=3 * 40 * 30 - 1).code == "too_many_pixels"
    assert read_picture(io.BytesIO(content), max_pixels=3 * 40 * 30).image.size == (40, 30)
