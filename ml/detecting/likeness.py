"""How like a photographed face what O-Net took for one is, by its own last features: drawings are told apart by them.

One linear layer on them, which `ml.fit_likeness` fits and writes.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

FILE = Path(__file__).with_name("likeness.safetensors")


@dataclass
class Likeness:
    """Weighs features (N, 256) by `weight` (256,): under 0 is rather a drawing, a shape or a cloud than a face."""

    weight: Tensor
    bias: Tensor

    @classmethod
    def read(cls, *, device: torch.device) -> "Likeness":
        """That of the file, on a device."""
        layer = load_file(FILE)
        return cls(layer["weight"].to(device), layer["bias"].to(device))

    def weigh(self, features: Tensor) -> Tensor:
        """(N,) of features (N, 256)."""
        return features @ self.weight + self.bias
