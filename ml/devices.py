"""Arrays on their way to the device that computes."""

import numpy as np
import torch
from torch import Tensor


def upload(values: np.ndarray, *, device: torch.device) -> Tensor:
    """A small array on the device, which a GPU fetches while the program goes on."""
    there = torch.from_numpy(values)
    return there.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else there.to(device)
