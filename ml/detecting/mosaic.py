"""All levels of the pyramids of several photos side by side on one canvas each, for a single pass of P-Net."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ml.detecting.canvas import Canvas
from ml.detecting.cascade import CELL, STRIDE, count_cells


@dataclass(frozen=True)
class Mosaic:
    """Where the levels of B photos lie on canvases of one size (height, width), and which cells are theirs.

    Of L levels: `corners` as (row, column) and `spots`, the room for each, as (height, width); `sizes` (B, L, 2)
    likewise; `scales` (B, L) how much smaller than its photo a level is; `cells` (B, L, 2) how many rows and columns
    of cells, none of a level that is too small.
    """

    height: int
    width: int
    corners: tuple[tuple[int, int], ...]
    spots: tuple[tuple[int, int], ...]
    sizes: np.ndarray
    scales: np.ndarray
    cells: np.ndarray

    def map_cells(self) -> np.ndarray:
        """Of each row and column of cells (rows, columns): whose level it is, as a number, and -1 between them."""
        owners = np.full((count_cells(self.height), count_cells(self.width)), -1)
        for level, (row, column) in enumerate(self.corners):
            rows, columns = self.cells[:, level].max(axis=0)
            owners[row // STRIDE : row // STRIDE + rows, column // STRIDE : column // STRIDE + columns] = level
        return owners


def lay_out_levels(canvases: Sequence[Canvas], *, factor: float) -> Mosaic | None:
    """The mosaic of photos whose levels shrink by `factor`; None where all are too small for a face."""
    sides = np.array([(canvas.height, canvas.width) for canvas in canvases])
    first = CELL / np.array([canvas.min_face for canvas in canvases])
    steps = [first]
    while (sides.min(axis=1) * steps[-1] >= CELL).any():
        steps.append(steps[-1] * factor)
    scales = np.stack(steps[:-1], axis=1) if len(steps) > 1 else np.zeros((len(canvases), 0))
    if not scales.shape[1]:
        return None
    sizes = (sides[:, None] * scales[..., None] + 1).astype(int)  # (B, L, 2)
    fits = sides.min(axis=1)[:, None] * scales >= CELL
    cells = np.where(fits[..., None], (sizes - CELL + 1) // STRIDE + 1, 0)
    # Even sides, so that cells lie on one grid; an odd level's last cells see its last pixels once more.
    largest = (sizes.max(axis=0) + 1) // STRIDE * STRIDE
    spots = tuple((int(h), int(w)) for h, w in largest)
    corners, height, width = _pack(spots)
    return Mosaic(height, width, corners, spots, sizes, scales, cells)


@lru_cache(maxsize=64)
def _pack(sizes: tuple[tuple[int, int], ...]) -> tuple[tuple[tuple[int, int], ...], int, int]:
    """Corners (row, column) of rectangles (height, width) side by side, and what they take: little, not the least."""
    placed: list[tuple[int, int, int, int]] = []
    height = width = 0
    for h, w in sizes:
        places = [(0, 0)] + [place for t, le, b, r in placed for place in ((b, le), (t, r), (b, 0), (0, r))]
        free = [
            (max(height, top + h) * max(width, left + w), top, left)
            for top, left in places
            if all(top >= b or left >= r or top + h <= t or left + w <= le for t, le, b, r in placed)
        ]
        _, top, left = min(free)
        placed.append((top, left, top + h, left + w))
        height, width = max(height, top + h), max(width, left + w)
    return tuple((top, left) for top, left, _, _ in placed), height, width
