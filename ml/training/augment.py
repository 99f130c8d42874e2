"""Random changes to a batch of chips, as tensors on their device."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ml.training import jpeg_artifacts
from ml.training.chance import Chance


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


# Field of Augmentation -> lowest and highest value that means something.
LIMITS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(
        ("flip", "grey", "erase", "shrink", "jpeg", "shift", "brightness", "contrast", "saturation"), (0, 1)
    ),
    "rotation": (0, 180),
    "scale": (0, 10),
}
_LUMA = (0.299, 0.587, 0.114)


def augment(chips: Tensor, *, how: Augmentation, chance: Chance) -> Tensor:
    """Change uint8 chips (B, 3, H, W) into float ones in 0..255, each in its own way."""
    with torch.autocast(chips.device.type, enabled=False):
        chips = _colour(_move(chips.float(), how=how, chance=chance), how=how, chance=chance)
        chips = _shrink(chips.clamp_(0.0, 255.0), how=how, chance=chance)
        chips = _compress(chips, how=how, chance=chance)
        return _erase(chips, how=how, chance=chance)


def _signed(count: int, *, chance: Chance) -> Tensor:
    return chance.uniform(count) * 2 - 1


def _move(x: Tensor, *, how: Augmentation, chance: Chance) -> Tensor:
    count = len(x)
    angle = _signed(count, chance=chance) * math.radians(how.rotation)
    scale = torch.exp(_signed(count, chance=chance) * math.log1p(how.scale))
    shift = torch.stack([_signed(count, chance=chance) for _ in range(2)], dim=1) * how.shift * 2
    mirror = 1 - 2 * (chance.uniform(count) < how.flip).float()
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack(
        [torch.stack([cos * mirror, -sin, shift[:, 0]], 1), torch.stack([sin * mirror, cos, shift[:, 1]], 1)], dim=1
    )
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def _colour(x: Tensor, *, how: Augmentation, chance: Chance) -> Tensor:
    def factor(strength: float) -> Tensor:
        return (1 + _signed(len(x), chance=chance) * strength).view(-1, 1, 1, 1)

    luma = (x * x.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    grey = (chance.uniform(len(x)) < how.grey).view(-1, 1, 1, 1)
    saturation = torch.where(grey, torch.zeros_like(factor(0.0)), factor(how.saturation))
    x = luma + (x - luma) * saturation
    level = luma.mean(dim=(2, 3), keepdim=True)
    return (level + (x - level) * factor(how.contrast)) * factor(how.brightness)


def _shrink(x: Tensor, *, how: Augmentation, chance: Chance) -> Tensor:
    """Bring some chips to a small side and back; one side for all of them in a batch, or each batch would take long."""
    chosen = chance.choose(len(x), share=how.shrink)
    low, high = how.shrink_to
    side = int(chance.host.integers(low, high + 1))
    if side < x.shape[2] and len(chosen):
        small = functional.interpolate(x[chosen], size=(side, side), mode="bilinear", antialias=True)
        x[chosen] = functional.interpolate(small, size=list(x.shape[2:]), mode="bilinear", align_corners=False)
    return x


def _compress(x: Tensor, *, how: Augmentation, chance: Chance) -> Tensor:
    chosen = chance.choose(len(x), share=how.jpeg)
    if len(chosen):
        low, high = how.jpeg_quality
        quality = chance.whole(low, high, count=len(chosen)).float()
        x[chosen] = jpeg_artifacts.compress(x[chosen], quality=quality)
    return x


def _erase(x: Tensor, *, how: Augmentation, chance: Chance) -> Tensor:
    """Cover a rectangle of 5 to 20 % of some chips with their mean colour."""
    chosen = chance.choose(len(x), share=how.erase)
    if not len(chosen):
        return x
    area, stretch, across, down = chance.uniform(4, len(chosen), 1)
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
