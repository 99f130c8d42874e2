"""A JPEG without its end marker is read when nothing else lacks, and refused when anything does."""

import io

import pytest

from classifier.intake.pictures import read_picture
from ml import photos
from tests import pictures

WAYS = {
    "baseline": {"subsampling": 2},
    "finer colour": {"subsampling": 0, "quality": 95},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 5},
}
PHOTO = pictures.astronaut().crop((190, 60, 287, 125))  # neither side is a multiple of what is coded together


def outcome(content: bytes) -> bytes | str:
    """The pixels of a photo, or why it cannot be read."""
    try:
        return photos.read_photo(content).tobytes()
    except photos.UnreadablePhoto as error:
        return error.reason


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("grey", [False, True])
def test_it_is_read_when_all_its_pixels_are_there(way, grey):
    whole = pictures.encode(PHOTO.convert("L") if grey else PHOTO, "JPEG", **WAYS[way])
    pixels = photos.read_photo(whole).tobytes()
    for unended in (whole[:-2], whole[:-1], whole[:-2] + bytes(4096)):
        assert photos.read_photo(unended).tobytes() == pixels
        assert read_picture(io.BytesIO(unended), max_pixels=10_000).image.tobytes() == pixels


@pytest.mark.parametrize("way", WAYS)
def test_it_is_refused_when_any_pixel_is_missing(way):
    whole = pictures.encode(PHOTO, "JPEG", **WAYS[way])
    pixels = photos.read_photo(whole).tobytes()
    # Of the last byte some bits may be what a decoder fills in anyway.
    assert outcome(whole[:-3]) in ("truncated", pixels)
    for cut in (*range(4, 30), len(whole) // 4, len(whole) // 2, len(whole) - 630):
        assert outcome(whole[:-cut]) == "truncated", cut


def test_zeros_are_not_taken_for_the_rest_of_a_progressive_one():
    whole = pictures.encode(PHOTO, "JPEG", progressive=True)
    for cut in range(4, 60):
        assert outcome(whole[:-cut] + bytes(4096)) == "truncated", cut


def test_a_progressive_one_that_lacks_whole_scans_is_refused():
    whole = pictures.encode(PHOTO, "JPEG", progressive=True)
    last_scan = whole.rindex(b"\xff\xda")
    assert outcome(whole[:last_scan]) == "truncated"
    tables = whole.rindex(b"\xff\xc4", 0, last_scan)
    assert outcome(whole[:tables]) == "truncated"


def test_one_that_is_cut_where_a_restart_is_due_is_refused():
    whole = pictures.encode(PHOTO, "JPEG", restart_marker_blocks=5)
    last_restart = max(whole.rfind(bytes((0xFF, 0xD0 + number))) for number in range(8))
    assert last_restart > len(whole) // 2
    assert outcome(whole[:last_restart]) == "truncated"


def test_another_end_inside_it_is_not_taken_for_its_own():
    exif = b"Exif\0\0" + pictures.jpeg(40, 30)
    whole = pictures.encode(PHOTO, "JPEG", exif=exif)
    assert photos.read_photo(whole[:-2]).tobytes() == photos.read_photo(whole).tobytes()
