"""Random changes to a batch of chips, on tensors and with a generator of its own, so that a run can be repeated."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from ml.training import jpeg


@dataclass(frozen=True)
class Augmentation:
    """How strongly to change: degrees, shares of the side or of the value, and probabilities per image.

    `shrink` is the share of a batch brought to a side in the range `shrink_to`, in pixels, and back: the small faces
    of real photos. `jpeg` is the share saved at a quality in the range and opened again.
    """

    flip: float = 0.5
    rotation: float = 12.0
    scale: float = 0.12
    shift: float = 0.04
    brightness: float = 0.25
    contrast: float = 0.25
    saturation: float = 0.25
    grey: float = 0.1
    erase: float = 0.25
    shrink: float = 0.0
    shrink_to: tuple[int, int] = (32, 90)
    jpeg: float = 0.0
    jpeg_quality: tuple[int, int] = (30, 80)


_LUMA = (0.299, 0.587, 0.114)


def augment(chips: Tensor, *, how: Augmentation, generator: Generator) -> Tensor:
    """Change uint8 chips (B, 3, H, W) into float ones in 0..255, each in its own way."""
    with torch.autocast(chips.device.type, enabled=False):
        chips = _colour(_move(chips.float(), how=how, generator=generator), how=how, generator=generator)
        chips = _shrink(chips.clamp_(0.0, 255.0), how=how, generator=generator)
        chips = _compress(chips, how=how, generator=generator)
        return _erase(chips, how=how, generator=generator)


def _signed(count: int, *, like: Tensor, generator: Generator) -> Tensor:
    return torch.rand(count, generator=generator, device=like.device) * 2 - 1


def _move(x: Tensor, *, how: Augmentation, generator: Generator) -> Tensor:
    count = len(x)
    angle = _signed(count, like=x, generator=generator) * math.radians(how.rotation)
    scale = torch.exp(_signed(count, like=x, generator=generator) * math.log1p(how.scale))
    shift = torch.stack([_signed(count, like=x, generator=generator) for _ in range(2)], dim=1) * how.shift * 2
    mirror = 1 - 2 * (torch.rand(count, generator=generator, device=x.device) < how.flip).float()
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack(
        [torch.stack([cos * mirror, -sin, shift[:, 0]], 1), torch.stack([sin * mirror, cos, shift[:, 1]], 1)], dim=1
    )
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def _colour(x: Tensor, *, how: Augmentation, generator: Generator) -> Tensor:
    def factor(strength: float) -> Tensor:
        return (1 + _signed(len(x), like=x, generator=generator) * strength).view(-1, 1, 1, 1)

    luma = (x * x.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    grey = (torch.rand(len(x), generator=generator, device=x.device) < how.grey).view(-1, 1, 1, 1)
    saturation = torch.where(grey, torch.zeros_like(factor(0.0)), factor(how.saturation))
    x = luma + (x - luma) * saturation
    level = luma.mean(dim=(2, 3), keepdim=True)
    return (level + (x - level) * factor(how.contrast)) * factor(how.brightness)


def _shrink(x: Tensor, *, how: Augmentation, generator: Generator) -> Tensor:
    """Bring some chips to a small side and back; one side for all of them in a batch, or each batch would take long."""
    chosen = _choose(x, share=how.shrink, generator=generator)
    low, high = how.shrink_to
    side = int(torch.randint(low, high + 1, (1,), generator=generator, device=generator.device))
    if side < x.shape[2] and len(chosen):
        small = functional.interpolate(x[chosen], size=(side, side), mode="bilinear", antialias=True)
        x[chosen] = functional.interpolate(small, size=list(x.shape[2:]), mode="bilinear", align_corners=False)
    return x


def _compress(x: Tensor, *, how: Augmentation, generator: Generator) -> Tensor:
    chosen = _choose(x, share=how.jpeg, generator=generator)
    if len(chosen):
        low, high = how.jpeg_quality
        quality = torch.randint(low, high + 1, (len(chosen),), generator=generator, device=x.device).float()
        x[chosen] = jpeg.compress(x[chosen], quality=quality)
    return x


def _erase(x: Tensor, *, how: Augmentation, generator: Generator) -> Tensor:
    """Cover a rectangle of 5 to 20 % of some chips with their mean colour."""
    chosen = _choose(x, share=how.erase, generator=generator)
    if not len(chosen):
        return x
    area, stretch, across, down = torch.rand(4, len(chosen), 1, generator=generator, device=x.device)
    area, ratio = 0.05 + 0.15 * area, torch.exp((stretch - 0.5) * 1.4)
    inside = []
    for side, share, place in ((x.shape[2], area * ratio, down), (x.shape[3], area / ratio, across)):
        length = (side * share.sqrt()).round()
        begin = (place * (side - length)).floor()
        spot = torch.arange(side, device=x.device)
        inside.append((spot >= begin) & (spot < begin + length))
    covered = (inside[0][:, :, None] & inside[1][:, None]).unsqueeze(1)  # (M, 1, H, W)
    faces = x[chosen]
    x[chosen] = torch.where(covered, faces.mean(dim=(2, 3), keepdim=True), faces)
    return x


def _choose(x: Tensor, *, share: float, generator: Generator) -> Tensor:
    """The places (M,) of a random part of a batch, each chip with the same chance."""
    if share <= 0:
        return torch.zeros(0, dtype=torch.long, device=x.device)
    return torch.nonzero(torch.rand(len(x), generator=generator, device=x.device) < share).flatten()
