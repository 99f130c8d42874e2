"""JPEGs decoded by torchvision's library in one call without Python's lock, so that threads decode side by side.

Pillow gives and takes the lock for each band of a photo: sixteen threads then need five times as long as one. Its
answer is the one that counts. It reads each header here, and what it would not show the same way is left to it.
"""

import importlib.machinery
import importlib.util
import io
from contextlib import suppress
from pathlib import Path

import torch
from PIL import ExifTags, Image
from torch import Tensor

from ml.photos import MAX_PIXELS

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
    """An upright photo (H, W, 3) uint8; None where it is no JPEG in plain colour, or damaged: Pillow's to read."""
    if not _can_decode:
        return None
    try:
        data = source if isinstance(source, bytes) else source.read_bytes()
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as opened:
            orientation = opened.getexif().get(ExifTags.Base.Orientation, 1)
            size, mode = opened.size, opened.mode
        if mode != "RGB" or size[0] * size[1] > MAX_PIXELS or orientation not in _UPRIGHT:
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
    return torch.ops.image.decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), _RGB)


def _load_decoder() -> bool:
    """Make `torch.ops.image.decode_jpeg` known; False where torchvision came without it."""
    found = importlib.util.find_spec("torchvision")
    for folder in (found.submodule_search_locations or []) if found else []:
        loaders = (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES)
        finder = importlib.machinery.FileFinder(folder, loaders)
        for name in _LIBRARIES:
            library = finder.find_spec(name)
            if library is not None and library.origin is not None:
                with suppress(OSError, RuntimeError):
                    torch.ops.load_library(library.origin)
                    return hasattr(torch.ops.image, "decode_jpeg")
    return False


_can_decode = _load_decoder()
