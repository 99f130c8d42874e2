"""What the steps of the cascade look at: one photo by itself, or several on a device (`PhotoSheet`, `PhotoStack`)."""

from typing import Protocol

from torch import Tensor

from ml.detecting.mosaic import Mosaic
from ml.detecting.views.exact_photo import AreaTable
from ml.detecting.views.fast_photo import Pyramid


class Views(Protocol):
    """Photos by their numbers."""

    def levels(self, mosaic: Mosaic) -> Tensor:
        """All levels of their pyramids at their places: (B, 3, height, width) in 0..255."""

    def crops(self, owners: Tensor, low: Tensor, high: Tensor, *, size: int) -> Tensor:
        """Rectangles low <= (x, y) < high, integers (N, 2) inside photos `owners` (N,): (N, 3, size, size)."""


class OnePhoto:
    """A pyramid or a table by itself, as a CPU looks at photos: what it works on stays small."""

    def __init__(self, photo: AreaTable | Pyramid) -> None:
        self._photo = photo

    def levels(self, mosaic: Mosaic) -> Tensor:
        canvas: Tensor | None = None
        for (top, left), (rows, columns), (height, width) in zip(
            mosaic.corners, mosaic.spots, mosaic.sizes[0].tolist(), strict=True
        ):
            level = self._photo.resize(height=height, width=width)
            if canvas is None:
                canvas = level.new_zeros(1, mosaic.height, mosaic.width, 3).permute(0, 3, 1, 2)
            spot = canvas[:, :, top : top + rows, left : left + columns]
            spot[:, :, :height, :width] = level
            # Of an odd level the last pixels go on.
            spot[:, :, height:, :width] = level[:, :, -1:]
            spot[:, :, :, width:] = spot[:, :, :, width - 1 : width]
        if canvas is None:
            raise ValueError("a mosaic without levels")
        return canvas

    def crops(self, owners: Tensor, low: Tensor, high: Tensor, *, size: int) -> Tensor:
        return self._photo.crops(low, high, size=size)
