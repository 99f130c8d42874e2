"""How good a face's crop is: sharpness and brightness of a chip."""

import numpy as np
import torch
from torch import Tensor

# An aligned chip is 1.16 times as wide as MTCNN's box of the same face (median of 50 faces; nine in ten: 1.08 to 1.25).
CHIP_PER_BOX = 1.16

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def measure_sharpness(chip: np.ndarray) -> float:
    """Variance of the 4-neighbour Laplacian on the luma (0..255) of a chip (S, S, 3) uint8; low means blurred."""
    luma = chip.astype(np.float32) @ _LUMA
    inner = luma[1:-1, 1:-1]
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner
    return float(laplacian.var())


def measure_brightness(chip: np.ndarray) -> float:
    """Mean luma of a chip (S, S, 3) uint8, in 0..1."""
    return float((chip.astype(np.float32) @ _LUMA).mean() / 255.0)


@torch.inference_mode()
def measure_together(chips: Tensor) -> np.ndarray:
    """Sharpness and brightness (N, 2) of chips (N, S, S, 3) uint8 on any device, measured there."""
    if not len(chips):
        return np.zeros((0, 2))
    luma = (chips.float() * torch.from_numpy(_LUMA).to(chips.device)).sum(3)  # (N, S, S)
    inner = luma[:, 1:-1, 1:-1]
    laplacian = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1] + luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:] - 4 * inner
    sharpness = laplacian.flatten(1).var(dim=1, correction=0)
    return torch.stack([sharpness, luma.mean(dim=(1, 2)) / 255], dim=1).cpu().numpy()
