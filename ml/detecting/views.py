"""What the later steps of the cascade look at: crops of one photo, or of several on a device."""

from typing import Protocol

from torch import Tensor

from ml.detecting.areas import AreaTable
from ml.detecting.pyramid import Pyramid


class Views(Protocol):
    """Photos by their numbers."""

    def crops(self, owners: Tensor, low: Tensor, high: Tensor, *, size: int) -> Tensor:
        """Rectangles low <= (x, y) < high, integers (N, 2) inside photos `owners` (N,): (N, 3, size, size)."""


class OnePhoto:
    """A pyramid or a table by itself, as a CPU looks at photos."""

    def __init__(self, photo: AreaTable | Pyramid) -> None:
        self._photo = photo

    def crops(self, owners: Tensor, low: Tensor, high: Tensor, *, size: int) -> Tensor:
        return self._photo.crops(low, high, size=size)
