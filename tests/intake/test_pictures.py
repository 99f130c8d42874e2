"""Untrusted bytes become an upright sRGB picture without metadata."""

import io
import struct
import zlib

import pytest
from PIL import Image, ImageCms, ImageDraw

from classifier.intake.pictures import Picture, encode_jpeg, make_thumbnail, read_picture
from ml import photos
from tests import pictures

MAX_PIXELS = 50_000_000
RED, BLUE, WHITE = (254, 0, 0), (0, 0, 254), (255, 255, 255)


def read(content: bytes, *, max_pixels: int = MAX_PIXELS) -> Picture:
    return read_picture(io.BytesIO(content), max_pixels=max_pixels)


def close(pixel: object, wanted: tuple[int, ...], *, by: int = 8) -> bool:
    return isinstance(pixel, tuple) and all(abs(a - b) <= by for a, b in zip(pixel, wanted, strict=True))


def icc_bytes(name: str) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()


def swapped_profile() -> bytes:
    """sRGB with the primaries of red and blue exchanged: who obeys it sees blue where the numbers say red."""
    profile = bytearray(icc_bytes("sRGB"))
    count = struct.unpack(">I", profile[128:132])[0]
    places = {bytes(profile[i : i + 4]): i for i in range(132, 132 + 12 * count, 12)}
    red, blue = places[b"rXYZ"], places[b"bXYZ"]
    profile[red + 4 : red + 12], profile[blue + 4 : blue + 12] = (
        profile[blue + 4 : blue + 12],
        profile[red + 4 : red + 12],
    )
    return bytes(profile).replace(b"s\x00R\x00G\x00B", b"o\x00d\x00d\x00e")  # the name alone would mean sRGB


def join_profile(header: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile of a header of 128 bytes, with its size put in, and tags."""
    table, content, start = b"", b"", 132 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    return struct.pack(">I", start + len(content)) + header[4:128] + struct.pack(">I", len(tags)) + table + content


def split_profile(profile: bytes) -> dict[bytes, bytes]:
    places = [
        struct.unpack_from(">4sII", profile, 132 + 12 * n) for n in range(struct.unpack_from(">I", profile, 128)[0])
    ]
    return {name: profile[start : start + size] for name, start, size in places}


def lightness_table(lightness: int) -> bytes:
    """What makes one grey of all colours (`lut8Type`): `lightness` 0 to 255, as L* of CIELAB."""
    unchanged = bytes(range(256)) * 3
    return struct.pack(">4s4x4B9i", b"mft1", 3, 3, 2, 0, *[65536, 0, 0, 0] * 2, 65536) + (
        unchanged + bytes([lightness, 128, 128]) * 8 + unchanged
    )


def profile_of_tables() -> bytes:
    """A printer's: all colours are black as one perceives them, and white as one measures them on its grey paper."""
    profile = icc_bytes("sRGB")
    tags = {name: value for name, value in split_profile(profile).items() if name in (b"desc", b"cprt")}
    tags[b"desc"] = tags[b"desc"].replace(b"s\x00R\x00G\x00B", b"o\x00d\x00d\x00e")
    paper = struct.pack(">4s4x3i", b"XYZ ", *[int(65536 * value / 4) for value in (0.9642, 1.0, 0.8249)])
    tags |= {b"wtpt": paper, b"A2B0": lightness_table(0), b"A2B1": lightness_table(255), b"A2B2": lightness_table(0)}
    header = profile[:8] + b"\x02\x10\0\0prtrRGB Lab " + profile[24:128]
    return join_profile(header, tags)


def profile_of_pale_blacks() -> bytes:
    """sRGB whose darkest is a tenth of the light of its brightest."""
    profile = icc_bytes("sRGB")
    tags = split_profile(profile)
    curve = struct.pack(">4s4xI2H", b"curv", 2, 6554, 65535)
    tags |= {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    tags[b"desc"] = tags[b"desc"].replace(b"s\x00R\x00G\x00B", b"o\x00d\x00d\x00e")
    return join_profile(profile, tags)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "HEIF", "MPO"])
def test_every_format_of_the_list_is_read(format):
    picture = read(pictures.encode(pictures.picture(64, 48), format))
    assert picture.image.size == (64, 48)
    assert picture.image.mode == "RGB"
    assert picture.note == ""


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK", "PA"], ids=lambda mode: mode.replace(";", "")
)
def test_every_mode_becomes_rgb(mode):
    grey = Image.new("L", (20, 10), 255)
    image = grey.convert("I").point(lambda value: value * 257).convert("I;16") if mode == "I;16" else grey.convert(mode)
    content = pictures.encode(image, {"CMYK": "JPEG", "PA": "WEBP"}.get(mode, "PNG"))
    picture = read(content).image
    assert picture.mode == "RGB"
    assert close(picture.getpixel((5, 5)), WHITE)


def test_sixteen_bits_are_scaled_not_cut_off():
    ramp = Image.new("I;16", (256, 1))
    ramp.putdata([value * 257 for value in range(256)])
    picture = read(pictures.encode(ramp, "PNG")).image
    assert [picture.getpixel((x, 0))[0] for x in (0, 64, 128, 255)] == [0, 64, 128, 255]


def test_the_site_sees_the_pixels_that_the_commands_see():
    deep = Image.new("I;16", (256, 256))
    deep.putdata(range(65_536))
    colours = pictures.picture(64, 48).convert("RGBA")
    colours.putalpha(colours.getchannel("R"))
    for image in (deep, colours, colours.convert("LA"), colours.convert("P")):
        content = pictures.encode(image, "PNG")
        assert read(content).image.tobytes() == photos.read_photo(content).tobytes(), image.mode


def test_sixteen_bit_colour_is_read():
    rows = b"".join(b"\0" + struct.pack(">HHH", 65535, 0, 0) * 4 for _ in range(4))
    content = pictures.png_bytes(4, 4, depth=16, data=zlib.compress(rows))
    assert read(content).image.getpixel((1, 1)) == (255, 0, 0)


def test_transparency_is_laid_on_white():
    image = Image.new("RGBA", (20, 10), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((0, 0, 9, 9), fill=(255, 0, 0, 255))
    for format in ("PNG", "WEBP", "AVIF"):
        picture = read(pictures.encode(image, format)).image
        assert close(picture.getpixel((17, 5)), WHITE), format
        assert close(picture.getpixel((3, 5)), RED), format


def test_half_transparent_pixels_are_mixed_with_white():
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 128))
    assert close(read(pictures.encode(image, "PNG")).image.getpixel((4, 4)), (255, 127, 127), by=2)


def test_a_transparent_palette_colour_and_a_colour_key_become_white():
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    assert read(pictures.encode(palette, "GIF", transparency=1)).image.getpixel((4, 4)) == WHITE
    black = Image.new("RGB", (8, 8), (10, 20, 30))
    assert read(pictures.encode(black, "PNG", transparency=(10, 20, 30))).image.getpixel((4, 4)) == WHITE
    grey = Image.new("L", (8, 8), 7)
    assert read(pictures.encode(grey, "PNG", transparency=7)).image.getpixel((4, 4)) == WHITE


def test_cmyk_without_a_profile_is_read():
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert close(read(pictures.encode(image, "JPEG")).image.getpixel((8, 8)), RED)


def test_a_wide_colour_profile_is_obeyed():
    image = Image.new("RGB", (16, 16), (255, 0, 0))
    for format in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF"):
        picture = read(pictures.encode(image, format, icc_profile=swapped_profile(), quality=95)).image
        assert close(picture.getpixel((8, 8)), (0, 0, 255), by=30), format


def test_colours_are_those_that_were_measured_relative_to_the_paper():
    content = pictures.encode(Image.new("RGB", (16, 16), (200, 100, 50)), "PNG", icc_profile=profile_of_tables())
    assert close(read(content).image.getpixel((8, 8)), (255, 255, 255), by=2)


def test_the_darkest_that_a_profile_knows_becomes_black():
    content = pictures.encode(Image.new("RGB", (16, 16)), "PNG", icc_profile=profile_of_pale_blacks())
    assert close(read(content).image.getpixel((8, 8)), (0, 0, 0), by=2)


def test_a_profile_of_srgb_changes_nothing():
    image = Image.new("RGB", (16, 16), (200, 100, 50))
    content = pictures.encode(image, "PNG", icc_profile=icc_bytes("sRGB"))
    assert read(content).image.getpixel((8, 8)) == (200, 100, 50)


@pytest.mark.parametrize("profile", [b"not a profile", icc_bytes("sRGB")[:200], icc_bytes("LAB")])
def test_a_broken_or_foreign_profile_is_left_aside(profile):
    image = Image.new("RGB", (16, 16), (200, 100, 50))
    content = pictures.encode(image, "PNG", icc_profile=profile)
    assert read(content).image.getpixel((8, 8)) == (200, 100, 50)


def test_a_grey_picture_with_a_colour_profile_stays_grey():
    content = pictures.encode(Image.new("L", (16, 16), 100), "JPEG", icc_profile=swapped_profile())
    assert close(read(content).image.getpixel((8, 8)), (100, 100, 100), by=2)


def test_a_single_pixel_is_a_picture():
    picture = read(pictures.encode(Image.new("RGB", (1, 1), "red"), "PNG"))
    assert picture.image.size == (1, 1)
    assert make_thumbnail(picture.image).size == (1, 1)
    assert read(encode_jpeg(picture.image)).image.size == (1, 1)


# EXIF orientation -> where the mark in the stored picture's upper left corner belongs in the upright one.
CORNERS = {1: "upper left", 2: "upper right", 3: "lower right", 4: "lower left"}
CORNERS |= {5: "upper left", 6: "upper right", 7: "lower right", 8: "lower left"}


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_upright_by_its_exif(format, orientation):
    image = Image.new("RGB", (64, 32), "blue")
    ImageDraw.Draw(image).rectangle((0, 0, 15, 15), fill="red")
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read(pictures.encode(image, format, exif=exif, quality=95)).image
    width, height = picture.size
    assert (width, height) == ((64, 32) if orientation < 5 else (32, 64))
    points = {
        "upper left": (4, 4),
        "upper right": (width - 5, 4),
        "lower right": (width - 5, height - 5),
        "lower left": (4, height - 5),
    }
    for corner, point in points.items():
        wanted = RED if corner == CORNERS[orientation] else BLUE
        assert close(picture.getpixel(point), wanted, by=30), corner


@pytest.mark.parametrize(("orientation", "size"), [(1, (64, 32)), (3, (64, 32)), (6, (32, 64)), (8, (32, 64))])
def test_a_turned_heic_is_turned_once(orientation, size):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = pictures.encode(pictures.picture(64, 32), "HEIF", exif=exif.tobytes())
    assert read(content).image.size == size


@pytest.mark.parametrize("value", [0, 9, 255])
def test_an_orientation_that_does_not_exist_turns_nothing(value):
    exif = Image.Exif()
    exif[0x0112] = value
    assert read(pictures.jpeg(64, 32, exif=exif)).image.size == (64, 32)


def test_exif_that_cannot_be_read_is_no_reason_to_refuse_a_photo():
    content = pictures.jpeg(64, 32, exif=b"Exif\0\0MM\0\x2a\xff\xff\xff\xff garbage")
    assert read(content).image.size == (64, 32)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "AVIF"])
def test_of_an_animation_the_first_frame_is_kept_and_a_note_says_so(format):
    picture = read(pictures.animation(format))
    assert close(picture.image.getpixel((20, 15)), RED, by=20)
    assert picture.note == "Only the first of 3 frames is kept."


def test_further_pictures_in_an_mpo_are_not_looked_at():
    first, second = pictures.picture(40, 30, seed=1), pictures.picture(40, 30, seed=2)
    content = pictures.encode(first, "MPO", save_all=True, append_images=[second])
    assert read(content, max_pixels=40 * 30).note == ""


def marked_photo() -> bytes:
    """A JPEG with everything a camera and an attacker may put beside the pixels."""
    exif = Image.Exif()
    exif[0x010F] = "SecretCameraMaker"
    exif[0x8298] = "SecretOwner"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 29.5)
    content = pictures.jpeg(
        64,
        48,
        exif=exif,
        icc_profile=icc_bytes("sRGB"),
        comment=b"SecretComment",
        xmp=b"<x:xmpmeta>SecretPacket</x:xmpmeta>",
        dpi=(301, 301),
    )
    return content + b"PK\x03\x04<script>SecretTrailer</script>"


def test_nothing_but_pixels_is_kept():
    sent = marked_photo()
    picture = read(sent)
    for stored in (encode_jpeg(picture.image), encode_jpeg(make_thumbnail(picture.image))):
        assert b"Secret" not in stored
        assert b"Exif" not in stored
        assert b"ICC_PROFILE" not in stored
        assert b"ns.adobe.com" not in stored
        assert stored.endswith(b"\xff\xd9")
        with Image.open(io.BytesIO(stored)) as image:
            assert not image.getexif()
            assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
            assert image.info["jfif_density"] == (1, 1)


def test_a_stored_photo_holds_no_application_data_but_jfif():
    stored = encode_jpeg(read(marked_photo()).image)
    place, markers = 2, []
    while stored[place + 1] != 0xDA:
        markers.append(stored[place + 1])
        place += 2 + int.from_bytes(stored[place + 2 : place + 4], "big")
    assert [marker for marker in markers if 0xE0 <= marker <= 0xEF or marker == 0xFE] == [0xE0]


def test_the_stored_photo_looks_like_the_one_that_was_sent():
    sent = pictures.picture(320, 240, seed=3)
    stored = read(encode_jpeg(read(pictures.encode(sent, "PNG")).image)).image
    differences = [abs(a - b) for a, b in zip(sent.tobytes(), stored.tobytes(), strict=True)]
    assert sum(differences) / len(differences) < 2


@pytest.mark.parametrize(
    ("size", "wanted"), [((1920, 1080), (480, 270)), ((600, 1200), (240, 480)), ((480, 100), (480, 100))]
)
def test_the_longest_side_of_a_thumbnail_is_480_pixels(size, wanted):
    assert make_thumbnail(pictures.picture(*size)).size == wanted


def test_a_thumbnail_of_a_thread_is_one_pixel_wide():
    assert make_thumbnail(Image.new("RGB", (2, 10_000))).size == (1, 480)
