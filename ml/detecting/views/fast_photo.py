"""A photo at any size and in crops, by torch's fast antialiased resampling of bytes."""

import numpy as np
import torch
from torch import Tensor

from ml.detecting.mosaic import Mosaic
from ml.detecting.views.border import add_border
from ml.detecting.views.one_photo import OnePhoto
from ml.detecting.views.resampling import shrink

# A smaller copy may stand for the photo as long as it has so many times the pixels that are asked for, side by side.
SPARE = 2.5


class FastPhoto(OnePhoto):
    """One photo (H, W, 3) uint8 on the CPU, and the smaller copies of it that were asked for so far.

    Resampling is bilinear over as many pixels as fall together (a triangle filter), in whole numbers, uint8: a little
    softer than averaging over areas, and several times faster.
    """

    def __init__(self, pixels: np.ndarray, *, border: int = 0) -> None:
        pixels = add_border(pixels, border)
        self.height, self.width = pixels.shape[:2]
        # Largest first; (1, 3, h, w) in channels-last memory, which is that of the pixels.
        self._copies = [torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy()).permute(2, 0, 1)[None]]

    def resize(self, *, height: int, width: int) -> Tensor:
        source = next(
            (
                copy
                for copy in reversed(self._copies)
                if copy.shape[2] >= SPARE * height and copy.shape[3] >= SPARE * width
            ),
            self._copies[0],
        )
        small = shrink(source, height=height, width=width)
        if height < self._copies[-1].shape[2]:
            self._copies.append(small)
        return small

    def levels(self, mosaic: Mosaic) -> Tensor:
        laid = super().levels(mosaic)
        del self._copies[1:]  # crops are cut from the photo itself
        return laid

    def crops(self, owners: Tensor, low: Tensor, high: Tensor, *, size: int) -> Tensor:
        if not len(low):
            return torch.zeros(0, 3, size, size, dtype=torch.uint8)
        photo = self._copies[0]
        return torch.cat(
            [
                shrink(photo[:, :, y1:y2, x1:x2], height=size, width=size)
                for (x1, y1), (x2, y2) in zip(low.tolist(), high.tolist(), strict=True)
            ]
        )
