"""What saving as JPEG does to pixels, on tensors: as fast as the rest of the augmentation, and on any device."""

import math

import torch
from torch import Tensor
from torch.nn import functional

BLOCK = 8
# Quantisation of luma and chroma at quality 50, from Annex K of ITU-T T.81, by rows of growing vertical frequency.
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
# RGB to luma and the two colour differences (ITU-T T.871); the differences lie around zero.
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def compress(chips: Tensor, *, quality: Tensor) -> Tensor:
    """Chips (B, 3, H, W) in 0..255 as they come back from JPEGs of these qualities (B,), 1..100.

    Colour has half the resolution, as encoders do it by default; bytes are never written, so nothing of the file
    format but its losses is here.
    """
    height, width = chips.shape[2:]
    step = 2 * BLOCK
    x = functional.pad(chips, (0, -width % step, 0, -height % step), mode="replicate")
    ycc = torch.einsum("kc,bchw->bkhw", x.new_tensor(_TO_YCC), x)
    luma = _quantise(ycc[:, :1] - 128.0, table=_LUMA, quality=quality) + 128.0
    small = _quantise(functional.avg_pool2d(ycc[:, 1:], 2), table=_CHROMA, quality=quality)
    colour = functional.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
    rgb = torch.einsum("kc,bchw->bkhw", x.new_tensor(_TO_RGB), torch.cat([luma, colour], dim=1))
    return rgb[:, :, :height, :width].round().clamp(0.0, 255.0)


def _quantise(x: Tensor, *, table: tuple[tuple[int, ...], ...], quality: Tensor) -> Tensor:
    """Channels (B, C, H, W), sides multiples of 8, with every 8 x 8 block's frequencies rounded."""
    scale = torch.where(quality < 50, 5000.0 / quality, 200.0 - 2.0 * quality).view(-1, 1, 1) / 100
    steps = (x.new_tensor(table) * scale).round().clamp(1, 255)  # (B, 8, 8)
    steps = steps.view(-1, 1, 1, BLOCK, 1, BLOCK)
    basis = _cosines().to(x)
    blocks = x.unflatten(3, (-1, BLOCK)).unflatten(2, (-1, BLOCK))  # (B, C, H/8, 8, W/8, 8)
    frequencies = torch.einsum("ui,bcyixj,vj->bcyuxv", basis, blocks, basis)
    frequencies = (frequencies / steps).round() * steps
    return torch.einsum("ui,bcyuxv,vj->bcyixj", basis, frequencies, basis).flatten(4, 5).flatten(2, 3)


def _cosines() -> Tensor:
    """The orthonormal DCT-II of eight values, (8, 8): row u holds frequency u."""
    u, i = torch.arange(BLOCK).view(-1, 1), torch.arange(BLOCK)
    basis = torch.cos((2 * i + 1) * u * math.pi / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    basis[0] /= math.sqrt(2)
    return basis
