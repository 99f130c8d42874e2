"""Mixed examples: two faces in one picture, and two answers that are both partly right."""

import torch
from torch import Tensor

from ml.training.chance import Chance


def mix_chips(chips: Tensor, *, mixup: float, cutmix: float, chance: Chance) -> tuple[Tensor, Tensor, float]:
    """Each chip (B, 3, H, W) with part of another: the mixture, the others' places (B,), and the first one's share.

    `mixup` and `cutmix` are the parameters of Beta distributions, 0 for never: a whole batch is blended (Zhang et al.
    2018) or has one rectangle pasted over (Yun et al. 2019), by equal chance where both are wanted. The share is at
    least half; it is 1 where nothing was mixed.
    """
    others, rng = chance.order(len(chips)), chance.host
    is_cut = cutmix > 0 and (mixup <= 0 or rng.random() < 0.5)
    strength = cutmix if is_cut else mixup
    if strength <= 0:
        return chips, others, 1.0
    share = float(rng.beta(strength, strength))
    share = max(share, 1.0 - share)
    if not is_cut:
        return torch.lerp(chips[others], chips, share), others, share
    height, width = chips.shape[2:]
    h, w = (round(side * (1.0 - share) ** 0.5) for side in (height, width))
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    mixed = chips.clone()
    mixed[:, :, top : top + h, left : left + w] = chips[others, :, top : top + h, left : left + w]
    return mixed, others, 1.0 - h * w / (height * width)
