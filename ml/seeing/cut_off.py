"""Faces of which so much is missing that guesses about them err: cut off by the photo's edge, or by a bar in it."""

import numpy as np
import torch
from torch import Tensor

from ml.preprocess import FAIRFACE_MARGIN, Chip, Preset

Box = tuple[float, float, float, float]

# The detector goes on with a face over the photo's edge, so its box tells how much of it lies outside.
MOST_OUTSIDE = 0.2
# How far down a chip with FairFace's margin, as shares of its side, the brows lie and the mouth.
BROWS, MOUTH = 0.21, 0.64
# A bar is made of rows whose middle third differs by so much at most, in levels of 255: a JPEG's bar is not quite even.
# What is left of the face differs by more than so much: a photo may be as dark as a bar.
_MOST_UNEVEN, _LEAST_CONTRAST = 6, 40
_MIDDLE = (0.35, 0.65)
_BLURRED = 0.04  # so far from a bar's edge its rows are even, whatever JPEG and resampling made of them


def lies_outside(box: Box, chip: Chip, *, width: int, height: int) -> bool:
    """Whether more than a fifth of a face's box, or its brows or its mouth, lie outside a photo of this size."""
    x1, y1, x2, y2 = box
    across, down = min(x2, width) - max(x1, 0.0), min(y2, height) - max(y1, 0.0)
    inside = max(across, 0.0) * max(down, 0.0)
    if inside < (1 - MOST_OUTSIDE) * (x2 - x1) * (y2 - y1):
        return True
    angle = np.radians(chip.angle)
    reach = chip.side * (np.array([BROWS, MOUTH]) - 0.5)
    x, y = chip.cx - reach * np.sin(angle), chip.cy + reach * np.cos(angle)
    return bool(((x < 0) | (y < 0) | (x > width) | (y > height)).any())


@torch.inference_mode()
def have_bars(chips: Tensor, *, preset: Preset) -> Tensor:
    """(N,) which chips (N, S, S, 3) uint8 are of one colour from an edge on to the brows or the mouth.

    On any device; rows of a face are never so even, nor are those of what lies above it as far down as its brows.
    """
    size = chips.shape[1]
    share = (1 + 2 * FAIRFACE_MARGIN) / (1 + 2 * preset.margin)
    brows, mouth = (round(size * (0.5 + (place - 0.5) * share)) for place in (BROWS - _BLURRED, MOUTH + _BLURRED))
    middle = chips[:, :, round(_MIDDLE[0] * size) : round(_MIDDLE[1] * size)].int()
    above, face, below = (_spread(part) for part in (middle[:, :brows], middle[:, brows:mouth], middle[:, mouth:]))
    return (torch.minimum(above, below) <= _MOST_UNEVEN) & (face > _LEAST_CONTRAST)


def _spread(part: Tensor) -> Tensor:
    """(N,) by how much pixels (N, h, w, 3) differ at most, in the channel in which they differ most."""
    flat = part.flatten(1, 2)
    return (flat.amax(dim=1) - flat.amin(dim=1)).amax(dim=1)
