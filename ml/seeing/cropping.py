"""Chips cut on a device: what `preprocess.cut_chip` does with Pillow, for all faces of a batch together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ml.detecting.views.resampling import resample, weigh_steps
from ml.devices import upload
from ml.preprocess import Chip, is_straight, plan_turn

# Parts of photos held at once, in padded pixels, each of which takes about 20 bytes on the way; and chips: 192 of
# 150 pixels take 600 MB.
_PIXELS_AT_ONCE = 16_000_000
_CHIPS_AT_ONCE = 192
# Pillow's bicubic filter: the weights of four neighbours (columns) as polynomials of the distance d from the second of
# them (rows: 1, d, d * d, d * d * d).
_BICUBIC = np.array(
    [[0.0, 1.0, 0.0, 0.0], [-1.0, 0.0, 1.0, 0.0], [2.0, -2.0, 1.0, -1.0], [-1.0, 1.0, -1.0, 1.0]], dtype=np.float32
)


@dataclass(frozen=True)
class _Cut:
    """A chip's way from photo `owner`: the part (x0, y0, x1, y1), resampled from `start` in steps (x, y), then turned.

    `small` (width, height) is the size between the two; `matrix` as `preprocess.Turn` has it.
    """

    owner: int
    part: tuple[int, int, int, int]
    start: tuple[float, float]
    step: tuple[float, float]
    small: tuple[int, int]
    matrix: tuple[float, ...]

    @property
    def width(self) -> int:
        return self.part[2] - self.part[0]

    @property
    def height(self) -> int:
        return self.part[3] - self.part[1]


@torch.inference_mode()
def cut_chips(photos: Sequence[Tensor], chips: Sequence[Chip], *, owners: Sequence[int], size: int) -> Tensor:
    """Chips (N, size, size, 3) uint8, the n-th out of photo `owners[n]`; black outside the photo.

    Photos are (H, W, 3) uint8, all on the device where the chips are made.
    """
    if not chips:
        return torch.zeros(0, size, size, 3, dtype=torch.uint8)
    cut = photos[0].new_zeros(len(chips), size, size, 3)
    plans = {
        number: plan
        for number, (chip, owner) in enumerate(zip(chips, owners, strict=True))
        if (plan := _plan(chip, size=size, owner=owner, photo=photos[owner])) is not None
    }
    for numbers in _split(plans):
        used = sorted({plans[number].owner for number in numbers})
        parts = [replace(plans[number], owner=used.index(plans[number].owner)) for number in numbers]
        made = _cut_parts([photos[owner] for owner in used], parts, size=size)
        cut[upload(np.array(numbers), device=cut.device)] = made
    return cut


def _plan(chip: Chip, *, size: int, owner: int, photo: Tensor) -> _Cut | None:
    height, width = photo.shape[:2]
    if not is_straight(chip, width=width, height=height):
        turn = plan_turn(chip, size=size, width=width, height=height)
        if turn is None:
            return None
        x0, y0, x1, y1 = turn.part
        step = ((x1 - x0) / turn.small[0], (y1 - y0) / turn.small[1])
        return _Cut(owner, turn.part, (0.0, 0.0), step, turn.small, turn.matrix)
    fine = chip.side / size
    left, top = chip.cx - chip.side / 2, chip.cy - chip.side / 2
    reach = max(1.0, fine)  # the filter sees pixels outside the chip, too
    x0, y0 = max(0, math.floor(left - reach)), max(0, math.floor(top - reach))
    x1, y1 = min(width, math.ceil(left + chip.side + reach)), min(height, math.ceil(top + chip.side + reach))
    return _Cut(owner, (x0, y0, x1, y1), (left - x0, top - y0), (fine, fine), (size, size), (1.0, 0, 0, 0, 1.0, 0))


def _split(plans: dict[int, _Cut]) -> list[list[int]]:
    """Numbers of chips whose parts are of similar size, and together not over the limits."""
    groups: list[list[int]] = []
    width = height = 0
    for number in sorted(plans, key=lambda n: plans[n].width * plans[n].height):
        plan = plans[number]
        width, height = max(width, plan.width), max(height, plan.height)
        count = len(groups[-1]) + 1 if groups else 0
        if not groups or count > _CHIPS_AT_ONCE or count * width * height > _PIXELS_AT_ONCE:
            groups.append([])
            width, height = plan.width, plan.height
        groups[-1].append(number)
    return groups


def _cut_parts(photos: Sequence[Tensor], plans: Sequence[_Cut], *, size: int) -> Tensor:
    """Chips (n, size, size, 3) uint8 by two matrix products, which shrink, and a bicubic look-up, which turns."""
    device = photos[0].device
    dtype = torch.float if device.type == "cpu" else torch.float16  # bytes are exact in both
    height, width = max(plan.height for plan in plans), max(plan.width for plan in plans)
    first = np.cumsum([0] + [photo.shape[0] * photo.shape[1] for photo in photos])
    numbers = [
        (*plan.start, *plan.step, *plan.small, plan.width, plan.height, *plan.matrix, *plan.part[:2]) for plan in plans
    ]
    start, step, small, full, matrix, corner = upload(np.array(numbers, dtype=np.float32), device=device).split(
        [2, 2, 2, 2, 6, 2], dim=1
    )
    owners = np.array([(first[plan.owner], photos[plan.owner].shape[1]) for plan in plans])
    begin, stride = upload(owners, device=device).unbind(1)
    # All pixels of all photos in one row, so that one look-up takes every part.
    pixels = torch.cat([photo.reshape(-1, 3) for photo in photos])
    columns = torch.arange(width, device=device).minimum(full[:, :1].long() - 1) + corner[:, :1].long()
    rows = torch.arange(height, device=device).minimum(full[:, 1:].long() - 1) + corner[:, 1:].long()
    at = (begin[:, None] + rows * stride[:, None])[:, None] + columns[:, :, None]  # (n, width, height)
    parts = pixels.index_select(0, at.flatten()).view(*at.shape, 3).to(dtype)
    small_w, small_h = (max(plan.small[axis] for plan in plans) for axis in (0, 1))
    across = weigh_steps(start[:, 0], step[:, 0], full[:, 0], count=small_w, length=width).to(dtype)
    down = weigh_steps(start[:, 1], step[:, 1], full[:, 1], count=small_h, length=height).to(dtype)
    return _turn(resample(parts, across, down).float(), small, matrix, size=size)


def _turn(shrunk: Tensor, small: Tensor, matrix: Tensor, *, size: int) -> Tensor:
    """Chips (n, size, size, 3) uint8 out of (n, h, w, 3), of which `small` (n, 2) as width, height is filled."""
    n, height, width, _ = shrunk.shape
    centres = torch.arange(size, device=shrunk.device) + 0.5
    a, b, c, d, e, f = (column[:, None, None] for column in matrix.unbind(1))
    u, v = centres[None, None, :], centres[None, :, None]
    x, y = a * u + b * v + c, d * u + e * v + f  # (n, size, size)
    limit_x, limit_y = small[:, 0, None, None], small[:, 1, None, None]
    inside = (x >= 0) & (y >= 0) & (x < limit_x) & (y < limit_y)
    left, top = (x - 0.5).floor(), (y - 0.5).floor()
    near = torch.arange(-1, 3, device=shrunk.device)
    columns = (left[..., None] + near).clamp_(min=0).minimum(limit_x[..., None] - 1).long()  # (n, size, size, 4)
    first = torch.arange(n, device=shrunk.device)[:, None, None] * height
    weights_x, weights_y = _bicubic(x - 0.5 - left)[..., None], _bicubic(y - 0.5 - top)[..., None]
    flat = shrunk.view(-1, 3)
    chips = torch.zeros(n, size, size, 3, device=shrunk.device)
    for k in (-1, 0, 1, 2):
        rows = ((top + k).clamp_(min=0).minimum(limit_y - 1).long() + first) * width
        found = flat.index_select(0, (rows[..., None] + columns).flatten()).view(n, size, size, 4, 3)
        chips.addcmul_(found.mul_(weights_x).sum(dim=3), weights_y[..., k + 1, :])
    # Pillow rounds down; what float32 makes of a whole number may lie a little under it.
    return (chips.add_(1e-3).clamp_(0, 255) * inside[..., None]).to(torch.uint8)


def _bicubic(d: Tensor) -> Tensor:
    """Weights (..., 4) of the neighbours at distances `d` (...)."""
    square = d * d
    return torch.stack([torch.ones_like(d), d, square, square * d], dim=-1) @ upload(_BICUBIC, device=d.device)
