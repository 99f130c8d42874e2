"""Arithmetic on the cascade's boxes: x1, y1, x2, y2, then what else a row holds."""

import numpy as np
import torch
from torch import Tensor

from ml.detecting.cascade import CELL, STRIDE


def cells_to_boxes(places: Tensor, scores: Tensor, shifts: Tensor, *, scales: Tensor) -> Tensor:
    """P-Net's cells (N, 2) as row, column in rows (N, 9): x1, y1, x2, y2, score, four shifts.

    `scales` (N,) is how much smaller than its photo each cell's level is.
    """
    corner = places.flip(1).float() * STRIDE
    low, high = ((corner + 1) / scales[:, None]).floor(), ((corner + CELL) / scales[:, None]).floor()
    return torch.cat([low, high, scores[:, None], shifts], dim=1)


def shift(boxes: Tensor, shifts: Tensor) -> Tensor:
    """Move the four corners (N, 4+) by fractions (N, 4) of the sides."""
    sides = (boxes[:, 2:4] - boxes[:, :2] + 1).repeat(1, 2)
    return torch.cat([boxes[:, :4] + shifts * sides, boxes[:, 4:]], dim=1)


def square(boxes: Tensor) -> Tensor:
    """Widen boxes to squares around the same centre."""
    sides = boxes[:, 2:4] - boxes[:, :2]
    longest = sides.max(dim=1, keepdim=True).values
    low = boxes[:, :2] + sides * 0.5 - longest * 0.5
    return torch.cat([low, low + longest, boxes[:, 4:]], dim=1)


def suppress_nested(rows: np.ndarray, owners: np.ndarray, *, threshold: float) -> np.ndarray:
    """The positions of rows (N, 5) of box and score to keep, best first, photo by photo.

    None covers more than `threshold` of a better one, or is covered by it, measured on the smaller of the two.
    """
    sides = rows[:, 2:4] - rows[:, :2] + 1
    areas = sides[:, 0] * sides[:, 1]
    left = np.lexsort((-rows[:, 4], owners))
    kept: list[np.ndarray] = []
    while len(left):
        # The best of every photo at once: as many rounds as one photo has faces.
        begins = np.diff(owners[left], prepend=-1) != 0
        best = begins.nonzero()[0]
        kept.append(left[best])
        better = left[best[begins.cumsum() - 1]]
        low, high = np.maximum(rows[left, :2], rows[better, :2]), np.minimum(rows[left, 2:4], rows[better, 2:4])
        sides = np.maximum(0.0, high - low + 1)
        stays = sides[:, 0] * sides[:, 1] <= threshold * np.minimum(areas[left], areas[better])
        stays[best] = False
        left = left[stays]
    return np.concatenate(kept) if kept else np.zeros(0, dtype=int)
