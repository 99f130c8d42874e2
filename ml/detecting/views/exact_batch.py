"""Photos searched together at exact settings: averages over areas, to the last digit as facenet-pytorch's."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ml.detecting.canvas import Canvas
from ml.detecting.mosaic import Mosaic
from ml.detecting.views.border import GREY
from ml.detecting.views.exact_photo import find_bins
from ml.detecting.views.protocol import Views
from ml.devices import upload

# Each corner of a bin is fetched for itself: four times 28 kB for a crop of 48 pixels.
_CROPS_AT_ONCE = 2_048


class ExactBatch(Views):
    """Summed-area tables of several photos on one device, which are looked at together, as a GPU wants it.

    Resampling averages over areas as `ExactPhoto` does, in 32-bit integers that may wrap around.
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
                page[:, 1 : canvas.height + 1, 1 : canvas.width + 1] = GREY
            below, right = 1 + border + photo.shape[0], 1 + border + photo.shape[1]
            page[:, 1 + border : below, 1 + border : right] = photo.permute(2, 0, 1)
        self._sums = sheet.cumsum(3, dtype=torch.int32).cumsum(2, dtype=torch.int32)  # (B, 3, H + 1, W + 1)

    def levels(self, mosaic: Mosaic) -> Tensor:
        """All levels at their places: (B, 3, height, width) in 0..255.

        Right of and below a smaller one its last pixels go on up to where the largest ends.
        """
        laid = torch.zeros(len(self._canvases), 3, mosaic.height, mosaic.width, device=self._sums.device)
        laid = laid.contiguous(memory_format=torch.channels_last)
        owners = torch.arange(len(self._canvases), device=self._sums.device)
        full = upload(np.array([(c.height, c.width) for c in self._canvases]), device=self._sums.device)
        sizes = upload(mosaic.sizes, device=self._sums.device)
        for level, (top, left) in enumerate(mosaic.corners):
            y, x = (
                find_bins(torch.zeros_like(owners), full[:, axis], counts=sizes[:, level, axis], most=most)
                for axis, most in enumerate(mosaic.slots[level])
            )
            means = self._means(owners, x, y)
            laid[:, :, top : top + means.shape[2], left : left + means.shape[3]] = means
        return laid

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
