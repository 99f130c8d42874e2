"""What the detector looks at: one photo, or a stack of photos on a device, at any size and in crops."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ml.areas import AreaTable, find_bins
from ml.canvas import Canvas
from ml.pyramid import Pyramid

_GREY = 127
# Each corner of a bin is fetched for itself: four times 28 kB for a crop of 48 pixels.
_CROPS_AT_ONCE = 2_048


class Views(Protocol):
    """Photos by their numbers."""

    def levels(self, members: Sequence[int], sizes: Sequence[tuple[int, int]]) -> Tensor:
        """Photos as a whole at sizes (height, width): (B, 3, h, w) in 0..255, as large as the largest.

        Right of and below a smaller one its last pixels go on.
        """

    def crops(self, owners: Tensor, low: Tensor, high: Tensor, *, size: int) -> Tensor:
        """Rectangles low <= (x, y) < high, integers (N, 2) inside photos `owners` (N,): (N, 3, size, size)."""


class OnePhoto:
    """A pyramid or a table by itself, as a CPU looks at photos."""

    def __init__(self, photo: AreaTable | Pyramid) -> None:
        self._photo = photo

    def levels(self, members: Sequence[int], sizes: Sequence[tuple[int, int]]) -> Tensor:
        ((height, width),) = sizes
        return self._photo.resize(height=height, width=width)

    def crops(self, owners: Tensor, low: Tensor, high: Tensor, *, size: int) -> Tensor:
        return self._photo.crops(low, high, size=size)


class PhotoStack:
    """Summed-area tables of several photos on one device, which are looked at together, as a GPU wants it.

    Resampling averages over areas as `AreaTable` does, in 32-bit integers that may wrap around.
    """

    def __init__(self, photos: Sequence[Tensor], canvases: Sequence[Canvas]) -> None:
        """`photos` (H, W, 3) uint8 on the device, each without the border that its canvas has."""
        self._canvases = canvases
        height, width = max(canvas.height for canvas in canvases), max(canvas.width for canvas in canvases)
        # The first row and column stay empty: sums begin with nothing.
        sheet = photos[0].new_zeros(len(photos), 3, height + 1, width + 1)
        for page, photo, canvas in zip(sheet, photos, canvases, strict=True):
            border = canvas.border
            if border:
                page[:, 1 : canvas.height + 1, 1 : canvas.width + 1] = _GREY
            below, right = 1 + border + photo.shape[0], 1 + border + photo.shape[1]
            page[:, 1 + border : below, 1 + border : right] = photo.permute(2, 0, 1)
        self._sums = sheet.cumsum(3, dtype=torch.int32).cumsum(2, dtype=torch.int32)  # (B, 3, H + 1, W + 1)

    def levels(self, members: Sequence[int], sizes: Sequence[tuple[int, int]]) -> Tensor:
        told = [
            (number, self._canvases[number].height, self._canvases[number].width, *size)
            for number, size in zip(members, sizes, strict=True)
        ]
        owners, full_h, full_w, h, w = torch.tensor(told, device=self._sums.device).unbind(1)
        nothing = torch.zeros_like(owners)
        y = find_bins(nothing, full_h, counts=h, most=max(size[0] for size in sizes))
        x = find_bins(nothing, full_w, counts=w, most=max(size[1] for size in sizes))
        return self._means(owners, x, y)

    def crops(self, owners: Tensor, low: Tensor, high: Tensor, *, size: int) -> Tensor:
        parts = []
        for start in range(0, max(len(owners), 1), _CROPS_AT_ONCE):
            part = slice(start, start + _CROPS_AT_ONCE)
            counts = torch.full_like(owners[part], size)
            x = find_bins(low[part, 0], high[part, 0], counts=counts, most=size)
            y = find_bins(low[part, 1], high[part, 1], counts=counts, most=size)
            parts.append(self._means(owners[part], x, y))
        return torch.cat(parts)

    def _means(self, owners: Tensor, x: tuple[Tensor, Tensor], y: tuple[Tensor, Tensor]) -> Tensor:
        """Means over bins of each photo, from `left` to `right` (N, w) and `top` to `bottom` (N, h): (N, 3, h, w)."""
        (left, right), (top, bottom) = x, y
        photo = owners[:, None, None]

        def corner(rows: Tensor, columns: Tensor) -> Tensor:
            return self._sums[photo, :, rows[:, :, None], columns[:, None, :]]  # (N, h, w, 3)

        sums = corner(bottom, right) - corner(top, right) - corner(bottom, left) + corner(top, left)
        areas = (bottom - top)[:, :, None] * (right - left)[:, None, :]
        return (sums.float() / areas[..., None]).permute(0, 3, 1, 2)
