"""All levels of a photo's pyramid side by side in one picture, for a single pass of P-Net; of several photos alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ml.detecting.canvas import Canvas
from ml.detecting.cascade import CELL, STRIDE, count_cells

# A mosaic has a multiple of so many rows and columns: libraries prepare their convolutions for each size they meet,
# which takes a CPU a sixth of the time of a photo whose size is new.
_ROWS, _COLUMNS = 8, 32


@dataclass(frozen=True)
class Mosaic:
    """Where the levels of B photos lie, each photo's in a picture of (height, width), and which cells are theirs.

    Of L levels: `corners` as (row, column) and `slots`, the room for each, as (height, width); `sizes` (B, L, 2)
    likewise; `scales` (B, L) how much smaller than its photo a level is; `cells` (B, L, 2) how many rows and columns
    of cells, none of a level that is too small.
    """

    height: int
    width: int
    corners: tuple[tuple[int, int], ...]
    slots: tuple[tuple[int, int], ...]
    sizes: np.ndarray
    scales: np.ndarray
    cells: np.ndarray

    def map_cells(self) -> np.ndarray:
        """Of each row and column of cells (rows, columns): whose level it is, as a number, and -1 between them."""
        owners = np.full((count_cells(self.height), count_cells(self.width)), -1, dtype=np.int16)
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
    slots = tuple((int(h), int(w)) for h, w in largest)
    corners, height, width = _pack(slots)
    return Mosaic(height, width, corners, slots, sizes, scales, cells)


@lru_cache(maxsize=64)
def _pack(sizes: tuple[tuple[int, int], ...]) -> tuple[tuple[tuple[int, int], ...], int, int]:
    """Corners (row, column) of rectangles (height, width) side by side, and the picture they take: 15 % is lost."""
    widths = [width for _, width in sizes]
    offers = sorted({_round_up(widths[0] + more, _COLUMNS) for more in (0, *widths[1:5], sum(widths[1:3]))})
    return min((_pack_within(sizes, width=width) for width in offers), key=lambda packed: packed[1] * packed[2])


def _pack_within(sizes: tuple[tuple[int, int], ...], *, width: int) -> tuple[tuple[tuple[int, int], ...], int, int]:
    """Rectangles in a picture so wide, each as high up as it goes under those before it (a skyline, upside down)."""
    line = [(0, 0)]  # (column, depth) where each flat part of what is taken begins
    corners, deepest = [], 0
    for h, w in sizes:
        top, left = min((max(d for c, d in line if x <= c < x + w), x) for x, _ in line if x + w <= width)
        corners.append((top, left))
        deepest = max(deepest, top + h)
        right, beside = left + w, [d for c, d in line if c <= left + w][-1]
        before, after = [part for part in line if part[0] < left], [part for part in line if part[0] > right]
        line = [*before, (left, top + h), *([(right, beside)] if right < width else []), *after]
    return tuple(corners), _round_up(deepest, _ROWS), width


def _round_up(pixels: int, multiple: int) -> int:
    return -(-pixels // multiple) * multiple
