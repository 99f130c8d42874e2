"""Untrusted bytes -> an upright sRGB picture without metadata. Runs in a child process; knows nothing of Django."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import IO

from PIL import Image

from classifier.intake.formats import SIGNATURE_BYTES, explain_refusal, recognise_format
from classifier.intake.parts import check_parts
from ml import colours, photos

JPEG_QUALITY = 92
MAX_SIDE = 65_500  # pixels; libjpeg writes no more
THUMBNAIL_SIDE = 480  # longest side, pixels

# Degrees -> what turns a picture by them.
CLOCKWISE = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}

photos.decode_in_one_thread()  # the pool decides how many children work at once


@dataclass(frozen=True)
class Picture:
    image: Image.Image  # RGB, upright, nothing in `info`
    note: str  # what a person should know of the conversion; mostly empty
    captured_on: date | None = None  # the day on which its camera took it, by the camera's clock


def read_picture(file: IO[bytes], *, max_pixels: int, turned: int = 0) -> Picture:
    """Decode an untrusted file that is open at its beginning, and turn it clockwise by so many degrees.

    `max_pixels` bounds width x height x frames, checked before anything is decoded. Raises BadImage.
    """
    content = file.read()
    check_parts(content, recognise_format(content[:SIGNATURE_BYTES]))
    del content
    file.seek(0)
    try:
        with _pixel_limit(max_pixels):
            decoded = photos.decode_photo(file, max_pixels=max_pixels, max_side=MAX_SIDE, all_frames=True)
    except photos.UnreadablePhoto as error:
        raise explain_refusal(error, megapixels=max_pixels / 1e6) from error
    note = f"Only the first of {decoded.frames} frames is kept." if decoded.frames > 1 else ""
    image = colours.convert_to_srgb(decoded.image, profile=decoded.profile)
    return Picture(image.transpose(CLOCKWISE[turned]) if turned else image, note, decoded.captured_on)


def encode_jpeg(image: Image.Image) -> bytes:
    """A JPEG of the pixels and nothing else."""
    image.info = {}
    buffer = io.BytesIO()
    # 4:2:0 is what nearly all photos arrive with; finer colour would only cost bytes.
    image.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling="4:2:0")
    return buffer.getvalue()


def make_thumbnail(image: Image.Image) -> Image.Image:
    """The picture with its longest side at `THUMBNAIL_SIDE`; itself when it is no larger."""
    scale = THUMBNAIL_SIDE / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    # Half a level from bicubic in the mean, in half the time, which is a fifth of what an upload costs.
    return image.resize((width, height), Image.Resampling.HAMMING, reducing_gap=2.0)


@contextmanager
def _pixel_limit(max_pixels: int) -> Iterator[None]:
    """Have Pillow keep to the limit as well, with an error where it only warns, and be as before afterwards."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before
