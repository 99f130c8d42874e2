import io

import numpy as np
import pytest
from PIL import Image

from ml import photos
from ml.seeing import fast_jpeg
from tests import pictures

pytestmark = pytest.mark.skipif(not fast_jpeg._can_decode, reason="torchvision came without its decoder")


def saved(image: Image.Image, **how) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **how)
    return file.getvalue()


def assert_pillow_agrees(data: bytes) -> None:
    """Where the fast decoder answers at all, it answers as Pillow does."""
    pixels = fast_jpeg.read_pixels(data)
    if pixels is not None:
        expected = np.asarray(photos.read_photo(data)).astype(int)
        assert pixels.shape == expected.shape
        assert np.abs(pixels.numpy() - expected).max() <= 1


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"quality": 30, "progressive": True},
        {"quality": 95, "subsampling": 0},
        {"keep_rgb": True},
        {"icc_profile": b"colours"},
        {"restart_marker_rows": 1},
    ],
    ids=str,
)
def test_plain_jpegs_have_the_pixels_that_pillow_sees(how, tmp_path):
    data = saved(pictures.astronaut().crop((100, 20, 351, 200)), **how)
    assert fast_jpeg.read_pixels(data) is not None
    assert_pillow_agrees(data)
    (tmp_path / "photo.jpg").write_bytes(data)
    assert fast_jpeg.read_pixels(tmp_path / "photo.jpg").equal(fast_jpeg.read_pixels(data))


@pytest.mark.parametrize("orientation", range(10))
def test_turned_jpegs_come_upright(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(pictures.picture(61, 40), exif=exif)
    assert (fast_jpeg.read_pixels(data) is not None) == (1 <= orientation <= 8)
    assert_pillow_agrees(data)


def test_what_is_no_jpeg_in_plain_colour_is_left_to_pillow(tmp_path, monkeypatch):
    photo = pictures.picture(40, 30)
    assert fast_jpeg.read_pixels(saved(photo.convert("L"))) is None
    assert fast_jpeg.read_pixels(saved(photo.convert("CMYK"))) is None
    assert fast_jpeg.read_pixels(b"no photo") is None
    assert fast_jpeg.read_pixels(tmp_path / "missing.jpg") is None
    photo.save(tmp_path / "photo.png")
    assert fast_jpeg.read_pixels(tmp_path / "photo.png") is None
    monkeypatch.setattr(fast_jpeg, "MAX_PIXELS", 100)
    assert fast_jpeg.read_pixels(saved(photo)) is None


def test_damaged_jpegs_are_refused_or_shown_as_pillow_shows_them():
    data = saved(pictures.astronaut().crop((100, 20, 300, 200)))
    rng = np.random.default_rng(0)
    answered = 0
    for number in range(300):
        damaged = bytearray(data)
        if number % 3:
            damaged[int(rng.integers(len(data)))] = int(rng.integers(256))
        else:
            damaged = damaged[: int(rng.integers(len(data)))]
        answered += fast_jpeg.read_pixels(bytes(damaged)) is not None
        assert_pillow_agrees(bytes(damaged))
    assert answered
