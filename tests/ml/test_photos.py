import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml import photo_formats, photos
from tests import boxes, pictures

ROOT = Path(__file__).resolve().parents[2]


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


def test_each_of_sixteen_bits_is_rounded():
    deep = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    found = np.asarray(photos.read_photo(pictures.encode(Image.fromarray(deep), "PNG")))
    assert np.array_equal(found[..., 1], (deep / 257.0).round())


def test_reading_photos_loads_neither_numpy_nor_torch(tmp_path):
    photo = tmp_path / "deep.png"
    photo.write_bytes(pictures.encode(Image.fromarray(np.full((4, 4), 0x8080, dtype=np.uint16)), "PNG"))
    code = (
        "import sys; from pathlib import Path; from ml import photos; photos.read_photo(Path(sys.argv[1]));"
        "print({'numpy', 'torch', 'ml.preprocess'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, photo], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.strip() == "set()"


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1", "LA", "RGB"])
def test_every_mode_becomes_rgb(mode):
    assert photos.read_photo(pictures.picture(30, 20).convert(mode)).mode == "RGB"


def test_grey_that_was_multiplied_by_its_alpha_is_read():
    grey = Image.new("LA", (4, 4), (100, 128)).convert("La")
    assert photos.read_photo(grey).getpixel((0, 0)) == (177, 177, 177)


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


def damaged_png() -> bytes:
    content = bytearray(pictures.encode(pictures.picture(40, 30), "PNG"))
    content[60] ^= 0xFF
    return bytes(content)


REFUSED = {
    "empty": b"",
    "format": b"not a photo",
    "too_large": bomb(),
    "damaged": damaged_png(),
    "array": np.zeros((5, 6), dtype=float),
}
NOISE = Image.effect_noise((90, 70), 80).convert("RGB")
REFUSED |= {
    f"truncated {format}": pictures.encode(NOISE, format)[:-40]
    for format in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "HEIF")
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_reason_tells_programs_why_a_photo_cannot_be_read(kind):
    with pytest.raises(photos.UnreadablePhoto) as caught:
        photos.read_photo(REFUSED[kind])
    assert caught.value.reason == kind.partition(" ")[0]


def test_a_file_that_is_not_there_or_not_to_be_opened_has_a_reason_too(tmp_path):
    for path, reason in ((tmp_path / "none.jpg", "missing"), (tmp_path, "access")):
        with pytest.raises(photos.UnreadablePhoto) as caught:
            photos.read_photo(path)
        assert caught.value.reason == reason


def test_memory_that_runs_out_is_a_reason_of_its_own(monkeypatch):
    def run_out(*_):
        raise MemoryError

    monkeypatch.setattr(Image.Image, "transpose", run_out)
    exif = Image.Exif()
    exif[0x0112] = 6
    with pytest.raises(photos.UnreadablePhoto) as caught:
        photos.read_photo(pictures.jpeg(exif=exif))
    assert caught.value.reason == "memory"


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_exif_that_cannot_be_read_is_no_reason_to_refuse_a_photo():
    content = pictures.jpeg(64, 32, exif=b"Exif\0\0MM\0\x2a\xff\xff\xff\xff garbage")
    assert photos.read_photo(content).size == (64, 32)


def test_an_image_just_over_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(photos, "MAX_PIXELS", 99)
    with pytest.raises(photos.UnreadablePhoto, match="limit"):
        photos.read_photo(io.BytesIO(pictures.jpeg(10, 10)).getvalue())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_heic_of_which_exif_alone_tells_how_it_lies_is_turned(orientation):
    """As some phones write it, without a box that turns the picture."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    lying = pictures.picture(64, 48, seed=5)
    content = pictures.encode(lying, "HEIF", exif=exif, quality=95)
    assert not photo_formats.lies_as_its_boxes_say(content)
    upright = photos.read_photo(pictures.encode(lying, "PNG", exif=exif))
    read = photos.read_photo(content)
    assert read.size == upright.size
    assert np.abs(np.asarray(read, dtype=int) - np.asarray(upright, dtype=int)).mean() < 6


def test_a_heic_whose_boxes_turn_it_is_not_turned_again():
    lying = [boxes.coded_item(pictures.picture(64, 64), "HEIF", turns=turns) for turns in (0, 1)]
    told = [photo_formats.lies_as_its_boxes_say(boxes.container("HEIF", [item])) for item in lying]
    assert told == [False, True]
