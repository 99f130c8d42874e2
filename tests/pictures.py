"""Images for tests, made on the spot."""

import io
from typing import Any

import numpy as np
from PIL import Image


def picture(width: int, height: int, *, seed: int = 0) -> Image.Image:
    """A smooth random picture without anybody on it; another seed, another picture."""
    coarse = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def jpeg(width: int = 320, height: int = 240, *, seed: int = 0, **options: Any) -> bytes:
    return encode(picture(width, height, seed=seed), "JPEG", **options)


def astronaut() -> Image.Image:
    """A real photo with one face, from scikit-image."""
    from skimage import data

    return Image.fromarray(data.astronaut())
