"""Random changes to a batch of chips, on tensors and with a generator of its own, so that a run can be repeated."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """How strongly to change: degrees, shares of the side or of the value, and probabilities per image."""

    flip: float = 0.5
    rotation: float = 12.0
    scale: float = 0.12
    shift: float = 0.04
    brightness: float = 0.25
    contrast: float = 0.25
    saturation: float = 0.25
    grey: float = 0.1
    erase: float = 0.25


_LUMA = (0.299, 0.587, 0.114)


def augment(chips: Tensor, *, how: Augmentation, generator: Generator) -> Tensor:
    """Change uint8 chips (B, 3, H, W) into float ones in 0..255, each in its own way."""
    chips = _colour(_move(chips.float(), how=how, generator=generator), how=how, generator=generator)
    return _erase(chips.clamp_(0.0, 255.0), how=how, generator=generator)


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


def _erase(x: Tensor, *, how: Augmentation, generator: Generator) -> Tensor:
    """Cover a rectangle of 5 to 20 % of some chips with their mean colour."""
    height, width = x.shape[2:]
    for index in torch.nonzero(torch.rand(len(x), generator=generator, device=x.device) < how.erase).flatten().tolist():
        area, stretch, across, down = torch.rand(4, generator=generator, device=x.device).tolist()
        area, ratio = 0.05 + 0.15 * area, math.exp((stretch - 0.5) * 1.4)
        h, w = round(height * math.sqrt(area * ratio)), round(width * math.sqrt(area / ratio))
        top, left = int(down * (height - h)), int(across * (width - w))
        x[index, :, top : top + h, left : left + w] = x[index].mean(dim=(1, 2), keepdim=True)
    return x
