"""JPEGs decoded by torchvision's library in one call without Python's lock, so that threads decode side by side.

Pillow gives and takes the lock for each band of a photo: sixteen threads then need five times as long as one. Its
answer is the one that counts. It reads each header here, and what it would not show the same way is left to it.
"""

import io
from contextlib import nullcontext
from pathlib import Path

import torch
from PIL import ExifTags, Image
from torch import Tensor

from ml import colours
from ml.light_imports import load_operators
from ml.photos import MAX_PIXELS, naming

# A photo (H, W, 3) as it lies in the file is turned upright by transposing it (or not), then flipping these axes.
_UPRIGHT: dict[int, tuple[bool, tuple[int, ...]]] = {
    1: (False, ()),
    2: (False, (1,)),
    3: (False, (0, 1)),
    4: (False, (0,)),
    5: (True, ()),
    6: (True, (1,)),
    7: (True, (0, 1)),
    8: (True, (0,)),
}
_LIBRARIES = ("image_stable", "image")  # torchvision's name for it from 0.27 on, and before
_RGB = 3  # torchvision's ImageReadMode.RGB


def read_pixels(source: Path | bytes) -> Tensor | None:
    """An upright photo (H, W, 3) uint8; None where it is no JPEG in plain sRGB, or damaged: Pillow's to read."""
    if not _can_decode:
        return None
    try:
        data = source if isinstance(source, bytes) else source.read_bytes()
        named = nullcontext() if isinstance(source, bytes) else naming(source)
        with named, Image.open(io.BytesIO(data), formats=("JPEG",)) as opened:
            orientation = opened.getexif().get(ExifTags.Base.Orientation, 1)
            size, mode = opened.size, opened.mode
            is_wide = colours.find_profile(opened.info.get("icc_profile") or b"", mode=mode) is not None
        if is_wide or mode != "RGB" or size[0] * size[1] > MAX_PIXELS or orientation not in _UPRIGHT:
            return None
        pixels = _decode(data)
    except Exception:  # noqa: BLE001 # decoders raise what they like, and Pillow will name the reason
        return None
    if pixels.shape != (3, size[1], size[0]):
        return None
    transposed, flipped = _UPRIGHT[orientation]
    upright = pixels.permute(2, 1, 0) if transposed else pixels.permute(1, 2, 0)
    return upright.flip(flipped) if flipped else upright


def _decode(data: bytes) -> Tensor:
    """(3, H, W) uint8, over the memory of (H, W, 3). Raises RuntimeError."""
    pixels: torch.Tensor = torch.ops.image.decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), _RGB)
    return pixels


# False where torchvision came without it.
_can_decode = load_operators(*_LIBRARIES) and hasattr(torch.ops.image, "decode_jpeg")
