"""Several photos in one tensor on a device, seen at any size and in crops with few operations, as a GPU wants it."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ml.detecting.canvas import Canvas
from ml.detecting.mosaic import Mosaic
from ml.detecting.views.border import GREY
from ml.detecting.views.fast_photo import SPARE
from ml.detecting.views.protocol import Views
from ml.detecting.views.resampling import resample, weigh_steps, weigh_triangles
from ml.devices import upload

# Crops are taken from a copy that is halved until they are no wider there than so many times their size.
_DETAIL = 4
# Of the parts around crops that are gathered at once; each takes about 15 bytes on the way.
_PIXELS_AT_ONCE = 40_000_000


class FastBatch(Views):
    """Photos searched together, resampled with a triangle filter as `FastPhoto` does it, to within a level or two.

    The pixels and those of the halved copies are rows of one table, (pixels, 3) uint8, so that one look-up takes parts
    of any photo in any size.
    """

    def __init__(self, photos: Sequence[Tensor], canvases: Sequence[Canvas]) -> None:
        """`photos` (H, W, 3) uint8 on the device, each without the border that its canvas has."""
        self._device, self._canvases = photos[0].device, canvases
        self._dtype = torch.float if self._device.type == "cpu" else torch.float16  # bytes are exact in both
        count, height, width = len(photos), max(c.height for c in canvases), max(c.width for c in canvases)
        halvings = max(0, math.ceil(math.log2(max(height, width) / (_DETAIL * 24))))
        sizes = [(height, width)]
        for _ in range(halvings):
            sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
        ends = np.cumsum([0] + [count * h * w for h, w in sizes])
        self._table = photos[0].new_zeros(int(ends[-1]), 3)
        pages = [
            self._table[begin : begin + count * h * w].view(count, h, w, 3)
            for begin, (h, w) in zip(ends.tolist(), sizes, strict=False)
        ]
        self._pixels = pages[0]
        for page, photo, canvas in zip(self._pixels, photos, canvases, strict=True):
            border = canvas.border
            if border:
                page[: canvas.height, : canvas.width] = GREY
            page[border : border + photo.shape[0], border : border + photo.shape[1]] = photo
        smaller = self._pixels.permute(0, 3, 1, 2)
        for page in pages[1:]:
            smaller = functional.avg_pool2d(smaller.to(self._dtype), 2, ceil_mode=True, count_include_pad=False)
            page.copy_(smaller.permute(0, 2, 3, 1).round())
        told = np.array([(begin, h, w) for begin, (h, w) in zip(ends.tolist(), sizes, strict=False)])
        self._copies = upload(told, device=self._device)  # of each: where it begins in the table, height, width

    def levels(self, mosaic: Mosaic) -> Tensor:
        """All levels at their places: (B, 3, height, width) in 0..255, in channels-last memory.

        Right of and below a smaller one its last pixels go on up to where the largest ends.
        """
        count = len(self._canvases)
        laid = torch.zeros(count, mosaic.height, mosaic.width, 3, dtype=self._dtype, device=self._device)
        sides = np.array([(c.height, c.width) for c in self._canvases])
        sources, full = _choose_sources(sides, mosaic)
        down, across = (self._weigh(mosaic, sources, full[..., axis], axis) for axis in (0, 1))
        pixels = self._pixels.transpose(1, 2).contiguous().float()  # half of that would move the proposals
        slots: list[Tensor] = []
        for level, (row, column) in enumerate(mosaic.corners):
            height, width = mosaic.slots[level]
            slots.append(laid[:, row : row + height, column : column + width])
            source = pixels if sources[level] < 0 else slots[sources[level]].transpose(1, 2).float()
            made = resample(source, across[level][..., : source.shape[1]], down[level][..., : source.shape[2]])
            slots[-1].copy_(made)
        return laid.permute(0, 3, 1, 2)

    def crops(self, owners: Tensor, low: Tensor, high: Tensor, *, size: int) -> Tensor:
        """Rectangles low <= (x, y) < high, integers (N, 2) inside photos `owners` (N,): (N, 3, size, size)."""
        at_once = max(1, _PIXELS_AT_ONCE // (_DETAIL * size + 1) ** 2)
        parts = [
            self._crop(*part, size=size)
            for part in zip(owners.split(at_once), low.split(at_once), high.split(at_once), strict=True)
        ]
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def _crop(self, owners: Tensor, low: Tensor, high: Tensor, *, size: int) -> Tensor:
        longest = _DETAIL * size
        halved = ((high - low).max(dim=1).values / longest).log2().ceil().clamp(min=0, max=len(self._copies) - 1)
        first, height, width = self._copies[halved.long()].unbind(1)
        shrink = torch.exp2(halved)[:, None]
        low, high = low / shrink, high / shrink
        begin = low.floor()
        # Pixels that lie in the rectangle only in part are left out at its end: the photo may end there, too.
        full = (high.floor() - begin).clamp_(min=1)
        steps = torch.arange(longest + 1, device=self._device)
        limits = torch.stack([width, height], dim=1) - 1
        columns, rows = (begin[..., None].int() + steps).minimum(limits[..., None]).unbind(1)  # (n, longest + 1)
        rows = (first + owners * height * width)[:, None] + rows * width[:, None]
        at = (rows[:, None] + columns[:, :, None]).int()  # (n, longest + 1, longest + 1), columns first
        pixels = self._table.index_select(0, at.flatten()).to(self._dtype).view(*at.shape, 3)
        start, step = (low - begin).flatten(), (high - low).flatten() / size
        weights = weigh_steps(start, step, full.flatten(), count=size, length=longest + 1).to(self._dtype)
        across, down = weights.view(len(low), 2, size, longest + 1).unbind(1)
        return resample(pixels, across, down).permute(0, 3, 1, 2)

    def _weigh(self, mosaic: Mosaic, sources: list[int], full: np.ndarray, axis: int) -> list[Tensor]:
        """For each level the weights (B, count, length) that bring `full` (L, B) pixels to its size.

        After those the last result goes on. Levels of whole photos are weighed together, and those of other levels.
        """
        made: dict[int, Tensor] = {}
        for of_photos in (True, False):
            levels = [level for level, source in enumerate(sources) if (source < 0) == of_photos]
            if not levels:
                continue
            counts = [mosaic.slots[level][axis] for level in levels]
            result = np.concatenate([np.arange(count) + 0.5 for count in counts])[:, None]
            owner = np.repeat(levels, counts)
            size = mosaic.sizes[:, owner, axis].T  # (results, B)
            step = full[owner] / size
            told = np.stack([np.minimum(result, size - 0.5) * step, np.maximum(step, 1), full[owner]])
            centres, reach, pixels = upload(told.transpose(0, 2, 1).astype(np.float32), device=self._device).unbind(0)
            # A level's room is a pixel more than the level where that is odd.
            weights = weigh_triangles(centres, reach, pixels, length=int(full[levels].max()) + 1)
            made |= zip(levels, weights.split(counts, dim=1), strict=True)
        return [made[level] for level in sorted(made)]


def _choose_sources(sides: np.ndarray, mosaic: Mosaic) -> tuple[list[int], np.ndarray]:
    """Of each level the one it is made of, as `FastPhoto` chooses, or -1 for the photo; and its sizes (L, B, 2)."""
    sources, full = [], []
    for level in range(len(mosaic.corners)):
        is_used = mosaic.cells[:, level].min(axis=1) > 0
        wanted = SPARE * mosaic.sizes[is_used, level]
        source = next((n for n in reversed(range(level)) if (mosaic.sizes[is_used, n] >= wanted).all()), -1)
        sources.append(source)
        full.append(sides if source < 0 else mosaic.sizes[:, source])
    return sources, np.stack(full)
