"""A photo's pixels at the size of its canvas, without the border."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ml.detecting.canvas import Canvas
from ml.detecting.views.resampling import shrink


def fit_image(image: Image.Image, canvas: Canvas) -> np.ndarray:
    """An RGB photo at the canvas's size without its border: (H, W, 3) uint8 of its own."""
    if canvas.whole > 1:
        image = image.reduce(canvas.whole)
    pixels = np.array(image)  # a copy, which torch may hold
    return pixels if canvas.size == canvas.photo else shrink_pixels(pixels, height=canvas.size[1], width=canvas.size[0])


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
