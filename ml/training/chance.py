"""Random numbers of a run that can be repeated: some decided on the host, most drawn where the chips are."""

import numpy as np
import torch
from torch import Tensor


class Chance:
    """Two generators from one seed.

    What shapes the work (how many chips, which side) comes from the host's, since asking an accelerator for a number
    makes it wait; what differs from chip to chip is drawn on the device.
    """

    def __init__(self, seed: int, *, device: torch.device | str) -> None:
        self.host = np.random.default_rng(seed)
        self.device = torch.Generator(device).manual_seed(seed)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers in 0..1 on the device."""
        return torch.rand(shape, generator=self.device, device=self.device.device)

    def whole(self, low: int, high: int, *, count: int) -> Tensor:
        """Whole numbers from low to high, both included, (count,) on the device."""
        return torch.randint(low, high + 1, (count,), generator=self.device, device=self.device.device)

    def order(self, count: int) -> Tensor:
        """The places 0..count-1 in a random order (count,), on the device."""
        return torch.randperm(count, generator=self.device, device=self.device.device)

    def choose(self, count: int, *, share: float) -> Tensor:
        """Random places (M,) of 0..count-1 on the device; M is the share of them, rounded up or down by chance."""
        if share <= 0:
            return torch.zeros(0, dtype=torch.long, device=self.device.device)
        return self.order(count)[: int(share * count + self.host.random())]
