import io

import numpy as np
import pytest
from PIL import Image

from ml import photos
from tests import pictures


def test_a_photo_is_turned_upright():
    image = Image.new("RGB", (40, 20), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    found = photos.read_photo(pictures.encode(image, "JPEG", exif=exif))
    assert found.size == (20, 40)
    assert not found.getexif()


@pytest.mark.parametrize("format", ["JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "AVIF", "HEIF"])
def test_every_format_of_the_site_is_read(format):
    assert photos.read_photo(pictures.encode(pictures.picture(48, 32), format)).size == (48, 32)


@pytest.mark.parametrize("format", ["TIFF", "PPM", "ICO"])
def test_other_formats_are_unreadable(format):
    with pytest.raises(photos.UnreadablePhoto, match="cannot identify"):
        photos.read_photo(pictures.encode(pictures.picture(48, 32), format))


def test_transparency_is_laid_on_white():
    found = photos.read_photo(pictures.encode(Image.new("RGBA", (4, 4), (255, 0, 0, 0)), "PNG"))
    assert (found.mode, found.getpixel((1, 1))) == ("RGB", (255, 255, 255))


def test_sixteen_bits_become_eight():
    deep = Image.fromarray(np.full((4, 4), 0x8080, dtype=np.uint16))
    assert photos.read_photo(pictures.encode(deep, "PNG")).getpixel((0, 0)) == (128, 128, 128)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1", "LA", "RGB"])
def test_every_mode_becomes_rgb(mode):
    assert photos.read_photo(pictures.picture(30, 20).convert(mode)).mode == "RGB"


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 1), (5, 6, 3), (5, 6, 4)])
def test_arrays_become_photos(shape):
    assert photos.read_photo(np.zeros(shape, dtype=np.uint8)).size == (6, 5)


@pytest.mark.parametrize(
    "array", [np.zeros((5, 6), dtype=float), np.zeros((0, 6, 3), np.uint8), np.zeros((5, 6, 2), np.uint8)]
)
def test_other_arrays_are_refused(array):
    with pytest.raises(photos.UnreadablePhoto):
        photos.read_photo(array)


def bomb() -> bytes:
    """A small file that says it has 900 million pixels."""
    content = bytearray(pictures.encode(Image.new("1", (8, 8)), "PNG"))
    content[16:24] = (30_000).to_bytes(4, "big") * 2
    import zlib

    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a photo",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        pictures.jpeg()[:700],
        pictures.encode(Image.new("RGB", (9, 9)), "TIFF"),
        bomb(),
    ],
    ids=["empty", "text", "svg", "truncated", "tiff", "bomb"],
)
def test_what_is_no_photo_of_ours_is_refused(content):
    with pytest.raises(photos.UnreadablePhoto):
        photos.read_photo(content)


def test_an_image_just_over_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(photos, "MAX_PIXELS", 99)
    with pytest.raises(photos.UnreadablePhoto, match="limit"):
        photos.read_photo(io.BytesIO(pictures.jpeg(10, 10)).getvalue())
