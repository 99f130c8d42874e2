"""Photos in the wide colours of cameras and phones mean the same on the command line as on the site."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from classifier.intake.pictures import read_picture
from ml import photos
from ml.seeing.together import read_tensor
from tests import pictures

# Primaries as XYZ under D50, of red, green and blue.
WIDE = {
    "AdobeRGB": ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
    "Display P3": ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
    "ProPhoto": ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)),
}
SKIN = (190, 130, 100)


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def wide_profile(name: str) -> bytes:
    """sRGB's with other primaries."""
    profile = bytearray(srgb())
    count = struct.unpack(">I", profile[128:132])[0]
    places = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    for tag, primary in zip((b"rXYZ", b"gXYZ", b"bXYZ"), WIDE[name], strict=True):
        at = struct.unpack(">I", profile[places[tag] + 4 : places[tag] + 8])[0]
        profile[at + 8 : at + 20] = struct.pack(">iii", *(round(value * 65536) for value in primary))
    return bytes(profile).replace(b"s\x00R\x00G\x00B", b"w\x00i\x00d\x00e")  # the name alone would mean sRGB


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_wide_colours_are_brought_to_srgb_as_on_the_site(name, format):
    content = pictures.encode(Image.new("RGB", (32, 24), SKIN), format, icc_profile=wide_profile(name), quality=95)
    read = photos.read_photo(content)
    red, green, blue = read.getpixel((9, 9))
    assert red - SKIN[0] > 4 + abs(green - SKIN[1])
    assert blue < SKIN[2] + 4
    site = read_picture(io.BytesIO(content), max_pixels=10_000).image
    assert read.tobytes() == site.tobytes()
    assert np.array_equal(read_tensor(content, pinned=False).numpy(), np.asarray(read))
    assert photos.read_photo(read).tobytes() == read.tobytes()  # not converted once more


def test_other_photos_are_read_byte_for_byte_as_they_were():
    photo = pictures.astronaut().crop((100, 0, 300, 200))
    plain = pictures.encode(photo, "JPEG", quality=90)
    expected = Image.open(io.BytesIO(plain)).convert("RGB").tobytes()
    assert photos.read_photo(plain).tobytes() == expected
    for profile in (srgb(), b"not a profile", wide_profile("AdobeRGB")[:200]):
        content = pictures.encode(photo, "JPEG", quality=90, icc_profile=profile)
        assert photos.read_photo(content).tobytes() == expected
