"""Untrusted bytes -> an upright sRGB picture without metadata. Runs in a child process; knows nothing of Django."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import IO

# Importing a plugin registers its format; Pillow would otherwise load every parser it has to find one of these.
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,  # noqa: F401
    ExifTags,
    GifImagePlugin,  # noqa: F401
    Image,
    ImageCms,
    JpegImagePlugin,  # noqa: F401
    MpoImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

from classifier.intake.formats import SIGNATURE_BYTES, BadImage, recognise_format
from classifier.intake.parts import MAX_PROFILE_STEPS, check_parts, count_profile_steps
from ml import heic, photos

JPEG_QUALITY = 92
MAX_SIDE = 65_500  # pixels; libjpeg writes no more
THUMBNAIL_SIDE = 480  # longest side, pixels

ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")  # what may move; further pictures in a MPO or HEIF are never looked at
# What decoders raise on a file that is not what it says.
DECODER_ERRORS = (
    OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, AttributeError,
    ArithmeticError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip

FIRST_PHOTO_YEAR = 1826  # what is said to be older is a clock that was never set

# EXIF orientation -> what turns the picture upright.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Image mode -> the colour space that a profile must have to be meant for it.
PROFILE_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
SRGB = ImageCms.createProfile("sRGB")

# One thread a child: the pool decides how many work at once, and memory is limited per process.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
if heic.IS_READ:
    import pillow_heif

    pillow_heif.register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False, aux_images=False)


@dataclass(frozen=True)
class Picture:
    image: Image.Image  # RGB, upright, nothing in `info`
    note: str  # what a person should know of the conversion; mostly empty
    captured_on: date | None = None  # the day on which its camera took it, by the camera's clock


def read_picture(file: IO[bytes], *, max_pixels: int) -> Picture:
    """Decode an untrusted file that is open at its beginning.

    `max_pixels` bounds width x height x frames, checked before anything is decoded. Raises BadImage.
    """
    content = file.read()
    formats = recognise_format(content[:SIGNATURE_BYTES])
    check_parts(content, formats)
    del content
    file.seek(0)
    with _pixel_limit(max_pixels):
        try:
            image: Image.Image = Image.open(file, formats=formats)
            frames = _count_frames(image, max_pixels=max_pixels)
            image.load()
            turn, captured_on = _read_turn(image), _read_capture_date(image)
            image = _convert_to_srgb(image)
            image = image if turn is None else image.transpose(turn)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise BadImage("too_many_pixels", megapixels=max_pixels / 1e6) from error
        except MemoryError as error:
            raise BadImage("too_much_memory") from error
        except DECODER_ERRORS as error:
            raise BadImage("damaged") from error
    return Picture(image, f"Only the first of {frames} frames is kept." if frames > 1 else "", captured_on)


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


def _count_frames(image: Image.Image, *, max_pixels: int) -> int:
    """How many frames an animation has, once it is sure that all of them together are not too large."""
    width, height = image.size
    if width < 1 or height < 1:
        raise ValueError("an image without pixels")
    frames = 1
    if width * height <= max_pixels and max(width, height) <= MAX_SIDE:
        frames = getattr(image, "n_frames", 1) if image.format in ANIMATED else 1
        if width * height * frames <= max_pixels:
            return frames
    raise Image.DecompressionBombError(f"{width} x {height} x {frames} pixels")


def _read_turn(image: Image.Image) -> Image.Transpose | None:
    """What turns the picture upright, by its EXIF or XMP; metadata that cannot be read turns nothing."""
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except DECODER_ERRORS:
        return None


def _read_capture_date(image: Image.Image) -> date | None:
    """The day of EXIF's DateTimeOriginal; None where it is absent or no day. Nothing else of the metadata is kept."""
    try:
        told = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal, "")
        day = datetime.strptime(str(told)[:10], "%Y:%m:%d").date()
    except DECODER_ERRORS:
        return None
    return day if day.year >= FIRST_PHOTO_YEAR else None


def _convert_to_srgb(image: Image.Image) -> Image.Image:
    """Eight bits a channel, RGB, sRGB, transparent parts white; nothing but pixels."""
    profile = image.info.get("icc_profile")
    image = photos.lay_on_white(photos.to_eight_bits(image))
    if image.mode not in PROFILE_SPACES:
        image = image.convert("RGB")
    if profile:
        image = _apply_profile(image, profile=profile)
    return image.convert("RGB")


def _apply_profile(image: Image.Image, *, profile: bytes) -> Image.Image:
    """Convert from the colours of an ICC profile; one that is broken or meant for something else is left aside."""
    if count_profile_steps(profile) > MAX_PROFILE_STEPS:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != PROFILE_SPACES[image.mode]:
            return image
        if "sRGB" in ImageCms.getProfileDescription(source):  # most photos: there is nothing to convert
            return image
        converted = ImageCms.profileToProfile(
            image,
            source,
            SRGB,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, *DECODER_ERRORS):
        return image
    return converted or image
