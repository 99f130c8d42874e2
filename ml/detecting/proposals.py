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
class Hits:
    """What P-Net took for faces: rows (N, 9) as of `cells_to_boxes`, whose they are, and a group a level (N,)."""

    rows: Tensor
    owners: Tensor
    groups: Tensor

    def thin_out(self, *, threshold: float) -> tuple[Tensor, Tensor]:
        """The best of overlapping hits over a threshold: squares (N, 5) with scores, and whose they are (N,)."""
        sure = (self.rows[:, 4] >= threshold).nonzero()[:, 0]
        return _thin_out(self.rows[sure], self.owners[sure], self.groups[sure])

    def of(self, photos: Sequence[int]) -> "Hits":
        """Those in some of the photos."""
        asked = torch.isin(self.owners, torch.tensor(photos, device=self.owners.device)).nonzero()[:, 0]
        return Hits(self.rows[asked], self.owners[asked], self.groups[asked])


@dataclass(frozen=True)
class Proposer:
    """P-Net on pyramids whose levels shrink by `factor`; what passes `threshold` is a hit."""

    cascade: Cascade
    factor: float
    threshold: float

    def find(self, photos: Views, canvases: Sequence[Canvas], *, device: torch.device) -> Hits:
        """All hits, in one pass over all levels of as many photos as it may hold."""
        mosaic = lay_out_levels(canvases, factor=self.factor)
        if mosaic is None:
            none = torch.zeros(0, dtype=torch.long, device=device)
            return Hits(torch.zeros(0, 9, device=device), none, none)
        pixels = photos.levels(mosaic)
        cells = CellMap.of(mosaic, device=device)
        at_once = self.cascade.photos_at_once(height=mosaic.height, width=mosaic.width)
        rows, owners, groups = [], [], []
        for first in range(0, len(canvases), at_once):
            places, scores, shifts = self.cascade.propose(pixels[first : first + at_once], threshold=self.threshold)
            found = cells.find(places[:, 0] + first, places[:, 1:])
            scales = cells.scales[found.owners, found.levels]
            rows.append(cells_to_boxes(found.places, scores[found.hits], shifts[found.hits], scales=scales))
            owners.append(found.owners)
            groups.append(found.owners * len(mosaic.corners) + found.levels)
        return Hits(torch.cat(rows), torch.cat(owners), torch.cat(groups))


@dataclass(frozen=True)
class Found:
    """Of some hits those on a photo's own cells: which, whose and on which level (N,), and where there (N, 2)."""

    hits: Tensor
    owners: Tensor
    levels: Tensor
    places: Tensor


@dataclass(frozen=True)
class CellMap:
    """On the device: of each cell of a mosaic its level (rows, columns), -1 between them; of each of L levels and of
    none at the end the cell of its `corners` (L + 1, 2) and its `counts` (B, L + 1, 2) of cells; `scales` (B, L).
    """

    levels: Tensor
    corners: Tensor
    counts: Tensor
    scales: Tensor

    @classmethod
    def of(cls, mosaic: Mosaic, *, device: torch.device) -> "CellMap":
        corners = np.array([*mosaic.corners, (0, 0)]) // STRIDE
        counts = np.concatenate([mosaic.cells, np.zeros_like(mosaic.cells[:, :1])], axis=1)
        scales = mosaic.scales.astype(np.float32)
        return cls(*(upload(values, device=device) for values in (mosaic.map_cells(), corners, counts, scales)))

    def find(self, owners: Tensor, places: Tensor) -> Found:
        """What is known of hits in mosaics of photos `owners` (N,) at cells (N, 2); those between levels are left out.

        Asked of hits alone: of all cells of a large photo it would take more memory than its pixels.
        """
        levels = self.levels[places.unbind(1)].long()  # -1 finds the last, which has no cells
        places = places - self.corners[levels]
        hits = (places < self.counts[owners, levels]).all(dim=1).nonzero()[:, 0]
        return Found(hits, owners[hits], levels[hits], places[hits])


def _thin_out(rows: Tensor, owners: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
    """The best of overlapping rows (N, 9) as of `cells_to_boxes`, within each level and each photo, as squares."""
    keep = mtcnn.suppress(rows[:, :4], rows[:, 4], groups, threshold=0.5)
    rows, owners = rows[keep], owners[keep]
    keep = mtcnn.suppress(rows[:, :4], rows[:, 4], owners, threshold=0.7)
    rows, owners = rows[keep], owners[keep]
    sides = (rows[:, 2:4] - rows[:, :2]).repeat(1, 2)
    return square(torch.cat([rows[:, :4] + rows[:, 5:9] * sides, rows[:, 4:5]], dim=1)), owners
