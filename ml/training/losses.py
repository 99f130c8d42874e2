"""The loss of several attributes at once, some labelled coarsely and some not at all."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from ml.datasets.face_set import UNKNOWN


def mean_loss(
    logits: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    *,
    label_smoothing: float = 0.0,
    covers: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """Cross-entropy with label smoothing over the examples whose label is known, the mean over the attributes.

    `targets` (B,) are positions of classes, -1 where unknown; an attribute that nobody in the batch has is left out.
    `covers` (classes, K) bool says which of the K labels of a head each class covers (`Classes.loss_targets`);
    without it the classes are the head's labels.
    """
    covers, losses, present = covers or {}, [], []
    for name, values in logits.items():
        if name not in targets:
            continue
        known = (targets[name] != UNKNOWN).sum()
        if name in covers:
            loss = coarse_loss(values, targets[name], covers=covers[name], label_smoothing=label_smoothing)
        else:
            loss = functional.cross_entropy(
                values.float(),
                targets[name],
                ignore_index=UNKNOWN,
                label_smoothing=label_smoothing,
                reduction="sum",
            )
            loss = loss / known.clamp_min(1)
        losses.append(loss)
        present.append(known > 0)
    if not losses:
        return torch.stack([values.float().sum() * 0.0 for values in logits.values()]).sum()
    # Multiplied, not asked: an answer would make an accelerator wait for the host at each step.
    weights = torch.stack(present).float()
    return (torch.stack(losses) * weights).sum() / weights.sum().clamp_min(1)


def coarse_loss(logits: Tensor, targets: Tensor, *, covers: Tensor, label_smoothing: float) -> Tensor:
    """The mean over the known examples of -(1 - e) log(sum of p_k over k in S) - e/K (sum of log p_k over all k).

    0 of none. p = softmax(logits) over the K labels, S the labels that the example's class covers, e the smoothing. For
    classes that cover one label each this is torch's cross-entropy with label smoothing.
    """
    known = targets != UNKNOWN
    log_p = functional.log_softmax(logits.float(), dim=1)  # (B, K)
    inside = log_p.masked_fill(~covers[targets.clamp_min(0)], -torch.inf).logsumexp(dim=1)
    each = (1 - label_smoothing) * inside + label_smoothing * log_p.mean(dim=1)
    return -torch.where(known, each, 0.0).sum() / known.sum().clamp_min(1)


def ranked_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean ranked probability score (Epstein 1969) of the known examples, for labels that have an order.

    The sum over the labels of the squared difference of the cumulated probabilities from the cumulated truth: unlike
    cross-entropy it costs more to be wrong by two bins than by one. `logits` (B, K), `targets` (B,) or -1.
    """
    known = targets != UNKNOWN
    said = logits.float().softmax(dim=1).cumsum(dim=1)  # (B, K): probability of this label or one before it
    true = targets[:, None] <= torch.arange(logits.shape[1], device=logits.device)
    scores = ((said - true.float()) ** 2).sum(dim=1)
    return (scores * known).sum() / known.sum().clamp_min(1)


def years_loss(logits: Tensor, years: Tensor, *, centres: Tensor) -> Tensor:
    """How far the expected number is from the exact one, in bins: the mean of |sum of p_k c_k - y| / width; 0 of none.

    `logits` (B, K), `years` (B,) or nan, `centres` (K,) of the bins, whose width is the median distance of them. What
    lies beyond the first and the last centre counts as lying there: nothing else could be expected.
    """
    known = ~years.isnan()
    width = centres.diff().median()
    said = logits.float().softmax(dim=1) @ centres
    true = years.nan_to_num().clamp(centres[0], centres[-1])
    return ((said - true).abs() * known).sum() / width / known.sum().clamp_min(1)


def teaching_loss(logits: Mapping[str, Tensor], taught: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy to the teachers' probabilities (B, K), the mean over the attributes they speak of."""
    return torch.stack(
        [-(taught[name] * functional.log_softmax(logits[name].float(), dim=1)).sum(dim=1).mean() for name in taught]
    ).mean()


def log_shares(targets: Tensor, *, covers: Tensor) -> Tensor:
    """The logarithm of each label's share (K,) in a training set, for shifting its logits.

    `covers` (classes, K); a coarse class counts evenly for the labels it covers. A label without an example is taken
    to have one, so that nothing becomes infinite.
    """
    weights = covers.float() / covers.sum(dim=1, keepdim=True)
    counts = weights[targets[targets != UNKNOWN]].sum(dim=0).clamp_min(1.0)
    return (counts / counts.sum()).log()


def class_probabilities(logits: Tensor, *, covers: Tensor) -> Tensor:
    """Probabilities (B, classes) of the classes of a set from logits (B, K): the sums over what each covers."""
    return functional.softmax(logits.float(), dim=1) @ covers.float().T
