"""The grey around small photos, since a head that fills the frame is missed."""

import numpy as np

GREY = 127  # the middle of 0..255, which the networks see as nothing


def add_border(pixels: np.ndarray, border: int) -> np.ndarray:
    """Pixels (H, W, 3) uint8 with so many grey ones on each side."""
    if not border:
        return pixels
    return np.pad(pixels, ((border, border), (border, border), (0, 0)), constant_values=GREY)
