"""A photo's pixels at the size of its canvas, without the border."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ml.detecting.canvas import Canvas
from ml.detecting.views.resampling import shrink

# Of a photo with more pixels than the first so many are fitted at a time: as an array it would take up to 400 MB.
_MANY_PIXELS, _BAND_PIXELS = 8_000_000, 2_000_000


def fit_image(image: Image.Image, canvas: Canvas) -> np.ndarray:
    """An RGB photo at the canvas's size without its border: (H, W, 3) uint8 of its own."""
    if canvas.size == canvas.photo:
        return np.array(image)  # a copy, which torch may hold
    if image.width * image.height > _MANY_PIXELS:
        return _fit_bands(image, canvas)
    pixels = np.array(image.reduce(canvas.whole) if canvas.whole > 1 else image)
    return shrink_pixels(pixels, height=canvas.size[1], width=canvas.size[0])


def _fit_bands(image: Image.Image, canvas: Canvas) -> np.ndarray:
    """The same, band by band of its rows."""
    whole = canvas.whole
    width, height = canvas.size if whole == 1 else (-(-image.width // whole), -(-image.height // whole))
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        below = min(top + rows, height)
        if whole == 1:
            box = (0.0, top * image.height / height, float(image.width), below * image.height / height)
            band = image.resize((width, below - top), Image.Resampling.BILINEAR, box=box)
        else:
            band = image.reduce(whole, box=(0, top * whole, image.width, min(below * whole, image.height)))
        pixels[top:below] = np.asarray(band)
    return pixels if whole == 1 else shrink_pixels(pixels, height=canvas.size[1], width=canvas.size[0])


def fit_tensor(photo: Tensor, canvas: Canvas) -> Tensor:
    """The same of a photo (H, W, 3) uint8 on any device; one of the right size is returned as it is."""
    if canvas.size == canvas.photo:
        return photo
    x = photo.permute(2, 0, 1)[None].float()
    if canvas.whole > 1:
        x = functional.avg_pool2d(x, canvas.whole, ceil_mode=True, count_include_pad=False)
    x = functional.interpolate(x, size=canvas.size[::-1], mode="bilinear", antialias=True)
    return x[0].permute(1, 2, 0).round_().clamp_(0, 255).to(torch.uint8)


def shrink_pixels(pixels: np.ndarray, *, height: int, width: int) -> np.ndarray:
    """Pixels (H, W, 3) uint8 as (height, width, 3)."""
    photo = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    return shrink(photo, height=height, width=width)[0].permute(1, 2, 0).contiguous().numpy()
