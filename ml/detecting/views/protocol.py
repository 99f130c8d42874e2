"""What the cascade asks of the photos that it searches, whatever lies behind it."""

from typing import Protocol

from torch import Tensor

from ml.detecting.mosaic import Mosaic


class Views(Protocol):
    """Photos by their numbers, at any size and in crops: `FastPhoto` and `ExactPhoto` of one, the batches of many."""

    def levels(self, mosaic: Mosaic) -> Tensor:
        """All levels of their pyramids at their places: (B, 3, height, width) in 0..255."""

    def crops(self, owners: Tensor, low: Tensor, high: Tensor, *, size: int) -> Tensor:
        """Rectangles low <= (x, y) < high, integers (N, 2) inside photos `owners` (N,): (N, 3, size, size)."""
