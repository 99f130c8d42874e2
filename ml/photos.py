"""The one reader of photo files: files, bytes and arrays as upright pictures, under limits.

The site's decoding child reads with it as the commands do, so Pillow is all that it loads; arrays bring numpy.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias

# Importing a plugin registers its format; Pillow would otherwise load every parser it has to find one of these.
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,  # noqa: F401
    ExifTags,
    GifImagePlugin,  # noqa: F401
    Image,
    JpegImagePlugin,  # noqa: F401
    MpoImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

from ml import colours, file_names, heic, photo_formats, unended_jpeg
from ml.photo_formats import SUFFIXES, UnreadablePhoto

__all__ = [
    "DECODER_ERRORS", "MAX_PIXELS", "SUFFIXES", "Decoded", "PhotoSource", "UnreadablePhoto",
    "being_read", "decode_in_one_thread", "decode_photo", "naming", "read_photo",
]  # fmt: skip

MAX_PIXELS = 50_000_000  # 150 MB once decoded; refused by the header alone
FIRST_PHOTO_YEAR = 1826  # what is said to be older is a clock that was never set
ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")  # what may move; further pictures in a MPO or HEIF are never looked at

# What decoders raise on a file that is not what it says.
DECODER_ERRORS = (
    OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, AttributeError,
    ArithmeticError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip

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

if TYPE_CHECKING:
    import numpy as np

PhotoSource: TypeAlias = "Path | bytes | Image.Image | np.ndarray"

if heic.IS_READ:
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


@dataclass(frozen=True)
class Decoded:
    """A picture upright and opaque: RGB, L or CMYK in the colours of an ICC profile, or sRGB where that is empty.

    `frames` is 1 unless all frames were asked for; `captured_on` is the day by the camera's clock, if it tells one.
    """

    image: Image.Image
    profile: bytes
    frames: int
    captured_on: date | None = None


_named: ContextVar[str] = ContextVar("named", default="")


@contextmanager
def naming(name: str | Path) -> Iterator[None]:
    """Say which file is being read, so that a decoder's warning can tell it; decoders know no names."""
    token = _named.set(file_names.to_line(name))
    try:
        yield
    finally:
        _named.reset(token)


def being_read() -> str:
    """The file that this thread is reading, as `naming` was told it; empty of none."""
    return _named.get()


def read_photo(source: PhotoSource) -> Image.Image:
    """An upright RGB image: EXIF orientation obeyed, transparency laid on white, the first frame of an animation.

    Files in the colours of an ICC profile are brought to sRGB; images and arrays are taken as they are. Arrays are
    uint8, (H, W), (H, W, 1), (H, W, 3) or (H, W, 4). Raises UnreadablePhoto.
    """
    if isinstance(source, Image.Image):
        return _to_rgb(_turn(_flatten(source.copy()), _read_turn(source)))
    if not isinstance(source, Path | str | bytes):
        return _to_rgb(_flatten(_from_array(source)))
    named = nullcontext() if isinstance(source, bytes) else naming(source)
    with named, _open_source(source) as file:
        decoded = decode_photo(file)
        return colours.convert_to_srgb(decoded.image, profile=decoded.profile)


def decode_photo(
    file: IO[bytes], *, max_pixels: int | None = None, max_side: int | None = None, all_frames: bool = False
) -> Decoded:
    """Decode an untrusted file that is open at its beginning; `max_pixels` None is MAX_PIXELS.

    With `all_frames` the pixels of all frames of an animation count towards the limit. Limits are checked before
    anything is decoded; only a header was read then. Raises UnreadablePhoto.
    """
    formats = photo_formats.recognise_format(file.read(photo_formats.SIGNATURE_BYTES))
    file.seek(0)
    with _told_reason(file, formats=formats):
        image: Image.Image = Image.open(file, formats=formats)
        most = MAX_PIXELS if max_pixels is None else max_pixels
        frames = _count_frames(image, max_pixels=most, max_side=max_side, all_frames=all_frames)
        image = _load(image, file=file)
        profile, turn = image.info.get("icc_profile") or b"", _read_turn(image)
        if turn is None:
            turn = _read_hidden_turn(image, file=file)
        captured_on = _read_capture_date(image)
        image = _flatten(image)  # bound anew each time, so that no more than two copies are held
        image = _turn(image, turn)
    return Decoded(image, profile, frames, captured_on)


def decode_in_one_thread() -> None:
    """For a process whose memory is limited, and that is one of several at work."""
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    if heic.IS_READ:
        pillow_heif.register_heif_opener(decode_threads=1)


def _open_source(source: Path | str | bytes) -> IO[bytes]:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    try:
        return Path(source).open("rb")
    except FileNotFoundError as error:
        raise UnreadablePhoto("missing") from error
    except OSError as error:
        raise UnreadablePhoto("access", error.strerror or "") from error


@contextmanager
def _told_reason(file: IO[bytes], *, formats: tuple[str, ...]) -> Iterator[None]:
    """Whatever decoders raise over hostile bytes, as UnreadablePhoto."""
    try:
        yield
    except UnreadablePhoto:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadablePhoto("too_large", str(error)) from error
    except MemoryError as error:
        raise UnreadablePhoto("memory") from error
    except Exception as error:  # of any kind: Pillow, its plugins and their libraries agree on none
        if isinstance(error, OSError) and error.errno is not None:  # the disk's word, not a decoder's
            raise UnreadablePhoto("access", error.strerror or "") from error
        file.seek(0)
        reason = "truncated" if photo_formats.breaks_off(file.read(), formats) else "damaged"
        raise UnreadablePhoto(reason, str(error)) from error


def _count_frames(image: Image.Image, *, max_pixels: int, max_side: int | None, all_frames: bool) -> int:
    """How many frames are to be counted, once it is sure that all of them together are not too large."""
    width, height = image.size
    if width < 1 or height < 1:
        raise UnreadablePhoto("damaged", "an image without pixels")
    frames = 1
    if width * height <= max_pixels and (max_side is None or max(width, height) <= max_side):
        frames = getattr(image, "n_frames", 1) if all_frames and image.format in ANIMATED else 1
        if width * height * frames <= max_pixels:
            return frames
    each = f" in each of {frames} frames" if frames > 1 else ""
    raise UnreadablePhoto("too_large", f"{width} x {height} pixels{each}; the limit is {max_pixels}")


def _load(image: Image.Image, *, file: IO[bytes]) -> Image.Image:
    try:
        image.load()
    except OSError:
        if image.format not in ("JPEG", "MPO"):
            raise
        file.seek(0)
        whole = unended_jpeg.read_unended(file.read())
        if whole is None:
            raise
        return whole
    return image


def _read_turn(image: Image.Image) -> Image.Transpose | None:
    """What turns the picture upright, by its EXIF or XMP; metadata that cannot be read turns nothing."""
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except DECODER_ERRORS:
        return None


def _read_hidden_turn(image: Image.Image, *, file: IO[bytes]) -> Image.Transpose | None:
    """What turns a HEIC whose EXIF alone tells how it lies, which pillow-heif leaves to the boxes of the file."""
    turn = TURNS.get(image.info.get("original_orientation") or 1)
    if turn is None or image.format != "HEIF":
        return None
    file.seek(0)
    return None if photo_formats.lies_as_its_boxes_say(file.read()) else turn


def _read_capture_date(image: Image.Image) -> date | None:
    """The day of EXIF's DateTimeOriginal; None where it is absent or no day. Nothing else of the metadata is read."""
    try:
        told = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal, "")
        day = datetime.strptime(str(told)[:10], "%Y:%m:%d").date()
    except DECODER_ERRORS:
        return None
    return day if day.year >= FIRST_PHOTO_YEAR else None


def _turn(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    """Upright, and without what said that it was not."""
    if turn is None:
        return image
    turned = image.transpose(turn)
    turned.info = {}
    return turned


def _from_array(array: "np.ndarray") -> Image.Image:
    import numpy as np  # whoever has an array has loaded it

    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    is_grey, is_colour = array.ndim == 2, array.ndim == 3 and array.shape[2] in (3, 4)
    if array.dtype != np.uint8 or not (is_grey or is_colour) or 0 in array.shape:
        raise UnreadablePhoto("array", f"{array.dtype}, {array.shape}")
    return Image.fromarray(np.ascontiguousarray(array))


def _flatten(image: Image.Image) -> Image.Image:
    """Opaque RGB, L or CMYK."""
    image = _lay_on_white(_to_eight_bits(image))
    return image if image.mode in ("RGB", "L", "CMYK") else image.convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Palettes, single bits and 16 bits a channel as 8 bits a channel, with alpha where something is transparent."""
    transparent = image.has_transparency_data
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if transparent else "RGB")
    if image.mode.startswith("I"):
        # Pillow cuts values over 255 off, so they are scaled first, and rounded: 65535 / 257 = 255.
        return image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    if image.mode == "1":
        image = image.convert("L")
    if transparent and image.mode in ("L", "RGB"):
        return image.convert("LA" if image.mode == "L" else "RGBA")
    return image


def _lay_on_white(image: Image.Image) -> Image.Image:
    """What is transparent in 8 bits a channel becomes white; an image without alpha is returned as it is."""
    if image.mode in ("La", "RGBa"):
        image = image.convert(image.mode.upper())
    if image.mode not in ("LA", "RGBA"):
        return image
    mode = image.mode[:-1]
    flat = Image.new(mode, image.size, "white")
    flat.paste(image.convert(mode), mask=image.getchannel("A"))
    return flat


def _to_rgb(image: Image.Image) -> Image.Image:
    """RGB from any mode; an RGB image is returned as it is."""
    return image if image.mode == "RGB" else image.convert("RGB")
