"""One photo by itself, as a CPU looks at photos: what it works on stays small."""

from abc import abstractmethod

from torch import Tensor

from ml.detecting.mosaic import Mosaic
from ml.detecting.views.protocol import Views


class OnePhoto(Views):
    """A photo that can be shown at any size; its number is 0."""

    @abstractmethod
    def resize(self, *, height: int, width: int) -> Tensor:
        """The whole photo as (1, 3, height, width) in 0..255."""

    def levels(self, mosaic: Mosaic) -> Tensor:
        laid: Tensor | None = None
        for (top, left), (rows, columns), (height, width) in zip(
            mosaic.corners, mosaic.slots, mosaic.sizes[0].tolist(), strict=True
        ):
            level = self.resize(height=height, width=width)
            if laid is None:
                laid = level.new_zeros(1, mosaic.height, mosaic.width, 3).permute(0, 3, 1, 2)
            slot = laid[:, :, top : top + rows, left : left + columns]
            slot[:, :, :height, :width] = level
            # Of an odd level the last pixels go on.
            slot[:, :, height:, :width] = level[:, :, -1:]
            slot[:, :, :, width:] = slot[:, :, :, width - 1 : width]
        if laid is None:
            raise ValueError("a mosaic without levels")
        return laid
