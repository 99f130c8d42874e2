"""Photos from files, bytes and arrays as upright RGB, under limits. Pillow is all that it loads; arrays bring numpy."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from PIL import Image, ImageOps

from ml import heic

# JPEG takes MPO with it: Pillow has no other door.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", *(("HEIF",) if heic.IS_READ else ()))
SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp", ".mpo", ".gif", ".bmp", ".avif"}) | heic.SUFFIXES
MAX_PIXELS = 50_000_000  # 150 MB once decoded; refused by the header alone

if TYPE_CHECKING:
    import numpy as np

PhotoSource: TypeAlias = "Path | bytes | Image.Image | np.ndarray"

if heic.IS_READ:
    import pillow_heif

    pillow_heif.register_heif_opener()


class UnreadablePhoto(Exception):
    """The source is not a photo that Facet reads: another format, damaged, truncated, or with too many pixels."""


def read_photo(source: PhotoSource) -> Image.Image:
    """An upright RGB image: EXIF orientation obeyed, transparency laid on white, the first frame of an animation.

    Arrays are uint8, (H, W), (H, W, 1), (H, W, 3) or (H, W, 4). Raises UnreadablePhoto.
    """
    if isinstance(source, Image.Image):
        return _flatten(ImageOps.exif_transpose(source))
    if not isinstance(source, Path | str | bytes):
        return _flatten(_from_array(source))
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise UnreadablePhoto(f"{opened.width} x {opened.height} pixels are over the limit of {MAX_PIXELS}")
            ImageOps.exif_transpose(opened, in_place=True)  # no second copy of what may be 200 MB
            opened.load()
            return _flatten(opened)
    except UnreadablePhoto:
        raise
    except Exception as error:  # decoders raise whatever they like over hostile bytes
        raise UnreadablePhoto(str(error)) from error


def _from_array(array: "np.ndarray") -> Image.Image:
    import numpy as np  # whoever has an array has loaded it

    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or 0 in array.shape:
        raise UnreadablePhoto(f"not an image: {array.dtype} array of shape {array.shape}")
    if array.ndim == 3 and array.shape[2] not in (3, 4):
        raise UnreadablePhoto(f"not an image: {array.shape[2]} channels")
    return Image.fromarray(np.ascontiguousarray(array))


def to_eight_bits(image: Image.Image) -> Image.Image:
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


def lay_on_white(image: Image.Image) -> Image.Image:
    """What is transparent in 8 bits a channel becomes white; an image without alpha is returned as it is."""
    if image.mode in ("La", "RGBa"):
        image = image.convert(image.mode.upper())
    if image.mode not in ("LA", "RGBA"):
        return image
    mode = image.mode[:-1]
    flat = Image.new(mode, image.size, "white")
    flat.paste(image.convert(mode), mask=image.getchannel("A"))
    return flat


def _flatten(image: Image.Image) -> Image.Image:
    """RGB from any mode; an RGB image is returned as it is."""
    image = lay_on_white(to_eight_bits(image))
    return image.convert("RGB") if image.mode != "RGB" else image
