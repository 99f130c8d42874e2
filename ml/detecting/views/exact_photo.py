"""A summed-area table: means over rectangles of a photo in constant time, however large they are."""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ml.detecting.views.border import add_border
from ml.detecting.views.one_photo import OnePhoto


class ExactPhoto(OnePhoto):
    """Area resampling of one photo (H, W, 3) uint8, whole or in crops, exactly as adaptive average pooling does it.

    Sums run in 32-bit integers that may wrap around: differences stay right as long as one rectangle's sum fits,
    which is the case up to 8 million pixels a rectangle.
    """

    def __init__(self, pixels: np.ndarray, *, border: int = 0) -> None:
        pixels = add_border(pixels, border)
        self.height, self.width = pixels.shape[:2]
        self._sums = _sum_areas(pixels)

    def resize(self, *, height: int, width: int) -> Tensor:
        """The whole photo as (1, 3, height, width) float32 in 0..255, in channels-last memory."""
        top, bottom = _bins(torch.tensor([0]), torch.tensor([self.height]), height)
        left, right = _bins(torch.tensor([0]), torch.tensor([self.width]), width)
        bands = self._sums.index_select(0, bottom[0]) - self._sums.index_select(0, top[0])  # (height, W + 1, 3)
        sums = bands.index_select(1, right[0]) - bands.index_select(1, left[0])  # (height, width, 3)
        areas = (bottom - top)[0, :, None] * (right - left)[0, None, :]
        return (sums.float() / areas[:, :, None])[None].permute(0, 3, 1, 2)

    def crops(self, owners: Tensor, low: Tensor, high: Tensor, *, size: int) -> Tensor:
        left, right = _bins(low[:, 0], high[:, 0], size)
        top, bottom = _bins(low[:, 1], high[:, 1], size)
        flat, stride = self._sums.view(-1, 3), self.width + 1

        def corner(y: Tensor, x: Tensor) -> Tensor:
            at = (y[:, :, None] * stride + x[:, None, :]).flatten()
            return flat.index_select(0, at).view(len(low), size, size, 3)

        sums = corner(bottom, right) - corner(top, right) - corner(bottom, left) + corner(top, left)
        areas = (bottom - top)[:, :, None] * (right - left)[:, None, :]
        return (sums.float() / areas[..., None]).permute(0, 3, 1, 2)


def find_bins(start: Tensor, stop: Tensor, *, counts: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Where each of `counts` (N,) bins of [start, stop) begins and ends, (N, most); after them the last goes on.

    Neighbours share a pixel when it does not divide.
    """
    counts = counts[:, None]
    steps = torch.minimum(torch.arange(most, device=start.device), counts - 1)
    length = (stop - start)[:, None]
    first = steps * length // counts
    last = -((-(steps + 1) * length) // counts)
    return start[:, None] + first, start[:, None] + last


def _sum_areas(pixels: np.ndarray) -> Tensor:
    """The sums (H + 1, W + 1, 3) int32 of all pixels above and to the left."""
    height, width = pixels.shape[:2]
    table = np.zeros((height + 1, width + 1, 3), dtype=np.int32)
    np.cumsum(pixels, axis=1, dtype=np.int32, out=table[1:, 1:])
    for above, row in pairwise(table):  # row by row: several times faster than a cumulated sum down the columns
        row += above
    return torch.from_numpy(table)


def _bins(start: Tensor, stop: Tensor, count: int) -> tuple[Tensor, Tensor]:
    return find_bins(start, stop, counts=torch.full_like(start, count), most=count)
