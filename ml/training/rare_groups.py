"""Ways to not neglect the few: even sampling, losses that look at hard or rare examples, and at the worst-off group."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ml.datasets.face_set import UNKNOWN

LEAST_DOUBT = 1e-6  # a power of nothing has no finite slope
Adding = Callable[[Tensor], Tensor]  # sums a tensor over all processes


def example_losses(
    logits: Tensor,
    targets: Tensor,
    *,
    covers: Tensor,
    label_smoothing: float = 0.0,
    focus: float = 0.0,
    margins: Tensor | None = None,
) -> Tensor:
    """The loss (B,) of each example, 0 where its label is unknown.

    Cross-entropy as of `losses.coarse_loss`, times (1 - p)^focus with p the probability of what the label covers: the
    focal loss (Lin et al. 2017), in which what is sure already counts little. `margins` (K,) are taken off the logits
    of the labels that are true, which so have to win by them: LDAM (Cao et al. 2019).
    """
    known, logits = targets != UNKNOWN, logits.float()
    true = covers[targets.clamp_min(0)]  # (B, K)
    if margins is not None:
        logits = logits - true * margins
    log_p = functional.log_softmax(logits, dim=1)
    inside = log_p.masked_fill(~true, -torch.inf).logsumexp(dim=1)
    costs = -(1 - label_smoothing) * inside - label_smoothing * log_p.mean(dim=1)
    if focus:
        costs = costs * (1 - inside.exp()).clamp_min(LEAST_DOUBT) ** focus
    return torch.where(known, costs, 0.0)


def ldam_margins(log_shares: Tensor, *, widest: float) -> Tensor:
    """Margins (K,) that grow as the fourth root of a label's rarity (Cao et al. 2019, eq. 13), `widest` the largest.

    In units of the logits: the heads here have no normalised weights, whose cosines the authors scale by 30.
    """
    return widest * torch.exp((log_shares.min() - log_shares) / 4)


class WorstGroups:
    """Group DRO (Sagawa et al. 2020, algorithm 1): groups weigh the more the worse they have been doing.

    A step multiplies the weight of each group of which it has examples by exp(rate x their mean loss).
    """

    def __init__(self, groups: int, *, rate: float) -> None:
        self.rate = rate
        self.weights = torch.full((groups,), 1 / groups)

    def mean(self, costs: Tensor, groups: Tensor, *, add: Adding | None = None, processes: int = 1) -> Tensor:
        """The weighted mean of the groups' losses, of examples' costs (B,) and groups (B,), -1 where unknown.

        With several processes `add` sums over them; the mean of what they answer is then that of the whole batch.
        """
        add = add or (lambda values: values)
        known = groups != UNKNOWN
        member = functional.one_hot(groups.clamp_min(0), len(self.weights)) * known[:, None]  # (B, G)
        counts = add(member.sum(dim=0).float())
        sums = (costs[:, None] * member).sum(dim=0)
        met = counts > 0
        means = add(sums.detach()) / counts.clamp_min(1)
        weights = self.weights.to(costs.device) * torch.where(met, torch.exp(self.rate * means), 1.0)
        self.weights = weights / weights.sum()
        return (self.weights * sums * processes / counts.clamp_min(1)).sum()


def even_chances(targets: np.ndarray) -> np.ndarray:
    """The chance (N,) of each example to be drawn, by which all classes (positions, -1 where unknown) come alike often.

    Those of unknown class keep the share that they have.
    """
    known = targets != UNKNOWN
    counts = np.bincount(targets[known])
    chances = np.full(len(targets), 1 / len(targets))
    if known.any():
        chances[known] = known.mean() / np.count_nonzero(counts) / counts[targets[known]]
    shares: np.ndarray = chances / chances.sum()
    return shares


def mean_over_attributes(costs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Of each example (B,) the mean over the attributes it is labelled for, 0 of none; and whether there are any."""
    known = torch.stack([targets[name] != UNKNOWN for name in costs])
    total = torch.stack(list(costs.values())).sum(dim=0)
    return total / known.sum(dim=0).clamp_min(1), known.any(dim=0)
