"""The first step of the cascade: squares that P-Net takes for faces, in all levels of one photo or of many at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ml.detecting import mtcnn
from ml.detecting.boxes import cells_to_boxes, square
from ml.detecting.canvas import Canvas
from ml.detecting.cascade import STRIDE, Cascade
from ml.detecting.mosaic import Mosaic, lay_out_levels
from ml.detecting.views.protocol import Views
from ml.devices import upload


@dataclass(frozen=True)
class Proposer:
    """P-Net on pyramids whose levels shrink by `factor`; what passes `threshold` is a proposal."""

    cascade: Cascade
    factor: float
    threshold: float

    def propose(self, photos: Views, canvases: Sequence[Canvas], *, device: torch.device) -> tuple[Tensor, Tensor]:
        """Boxes (N, 5) with scores, and whose they are (N,): one pass over all levels of as many as it may hold."""
        mosaic = lay_out_levels(canvases, factor=self.factor)
        if mosaic is None:
            return torch.zeros(0, 5, device=device), torch.zeros(0, dtype=torch.long, device=device)
        pixels = photos.levels(mosaic)
        among, cell_map = _map_cells(mosaic, device=device)
        at_once = self.cascade.photos_at_once(height=mosaic.height, width=mosaic.width)
        rows, owners, groups = [], [], []
        for first in range(0, len(canvases), at_once):
            part = slice(first, first + at_once)
            places, scores, shifts = self.cascade.propose(pixels[part], threshold=self.threshold, among=among[part])
            owner = places[:, 0] + first
            level, row, column = cell_map.cells[:, places[:, 1], places[:, 2]].unbind(0)
            scales = cell_map.scales[owner, level]
            rows.append(cells_to_boxes(torch.stack([row, column], dim=1), scores, shifts, scales=scales))
            owners.append(owner)
            groups.append(owner * len(mosaic.corners) + level)
        return _thin_out(torch.cat(rows), torch.cat(owners), torch.cat(groups))


@dataclass(frozen=True)
class _CellMap:
    """On the device: of each cell (3, rows, columns) its level and its row and column there; `scales` (B, L)."""

    cells: Tensor
    scales: Tensor


def _map_cells(mosaic: Mosaic, *, device: torch.device) -> tuple[Tensor, _CellMap]:
    """Which cells are a photo's own (B, rows, columns), and what is known of them."""
    level = mosaic.map_cells()
    corners = np.array([*mosaic.corners, (0, 0)]) // STRIDE  # the last is what -1 finds: none
    row = np.arange(level.shape[0])[:, None] - corners[level, 0]
    column = np.arange(level.shape[1]) - corners[level, 1]
    cells = upload(np.stack([level, row, column]), device=device)
    none = np.zeros_like(mosaic.cells[:, :1])
    counts = upload(np.concatenate([mosaic.cells, none], axis=1), device=device)[:, cells[0]]  # (B, rows, columns, 2)
    among = (cells[1] < counts[..., 0]) & (cells[2] < counts[..., 1])
    return among, _CellMap(cells, upload(mosaic.scales.astype(np.float32), device=device))


def _thin_out(rows: Tensor, owners: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
    """The best of overlapping rows (N, 9) as of `cells_to_boxes`, within each level and each photo, as squares."""
    keep = mtcnn.suppress(rows[:, :4], rows[:, 4], groups, threshold=0.5)
    rows, owners = rows[keep], owners[keep]
    keep = mtcnn.suppress(rows[:, :4], rows[:, 4], owners, threshold=0.7)
    rows, owners = rows[keep], owners[keep]
    sides = (rows[:, 2:4] - rows[:, :2]).repeat(1, 2)
    return square(torch.cat([rows[:, :4] + rows[:, 5:9] * sides, rows[:, 4:5]], dim=1)), owners
