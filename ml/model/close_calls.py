"""Which answers a small error of the logits could turn into others: another likeliest label, or sure into unsure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ml import labels
from ml.calibration import least_probabilities
from ml.model.card import ModelCard


@dataclass(frozen=True)
class Grouping:
    """One taxonomy of an attribute: `members` (K, G) are 1 where a label is in a group, and `odds` (G,) the log odds
    of the probability from which a group is sure: not finite where it always or never is.
    """

    members: Tensor
    odds: Tensor


def list_groupings(card: ModelCard) -> dict[str, list[Grouping]]:
    """Every way in which each attribute of a checkpoint can be told, the finest first."""
    return {name: [_describe(card, name, taxonomy) for taxonomy in _taxonomies(card, name)] for name in card.labels}


def find_close(
    logits: Mapping[str, Tensor],
    *,
    card: ModelCard,
    groupings: Mapping[str, list[Grouping]],
    tied: float,
    turning: float,
) -> Tensor:
    """(N,) bool, of logits (N, K) per attribute: whether any label that is told of a face stands close to another one.

    In log odds of calibrated probabilities, in each taxonomy: the two likeliest groups are less than `tied` apart, or
    the likeliest is less than `turning` from where it begins to be sure.
    """
    found = [
        _is_close(torch.log_softmax(values / card.temperatures.get(name, 1.0), dim=1), of, tied=tied, turning=turning)
        for name, values in logits.items()
        for of in groupings[name]
    ]
    return torch.stack(found).any(dim=0)


def _is_close(logs: Tensor, grouping: Grouping, *, tied: float, turning: float) -> Tensor:
    if grouping.members.shape[1] < 2:
        return torch.zeros(len(logs), dtype=torch.bool)
    shares = logs.exp() @ grouping.members
    (first, second), which = shares.topk(2, dim=1).values.T, shares.argmax(dim=1)
    rest = shares.sum(dim=1) - first
    # Both are differences of logarithms; a group that has everything is close to nothing.
    apart = (first / second.clamp_min(1e-12)).log()
    from_sure = ((first / rest.clamp_min(1e-12)).log() - grouping.odds[which]).abs()
    return torch.logical_or(apart < tied, from_sure < turning)


def _describe(card: ModelCard, attribute: str, taxonomy: str) -> Grouping:
    own = card.labels[attribute]
    names = own
    groups: tuple[tuple[int, ...], ...] = tuple((position,) for position in range(len(own)))
    if labels.is_told_in_taxonomies(attribute, own):
        names = labels.groups_of(attribute, taxonomy=taxonomy)
        if names != own:
            groups = labels.group_indices(taxonomy)
    members = torch.zeros(len(own), len(names))
    for column, of in enumerate(groups):
        members[list(of), column] = 1
    least = least_probabilities(card.thresholds, attribute, taxonomy=taxonomy, names=names)
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = np.where((least > 0) & (least < 1), np.log(least / (1 - least)), np.inf)
    return Grouping(members, torch.from_numpy(odds).float())


def _taxonomies(card: ModelCard, attribute: str) -> tuple[str, ...]:
    if labels.is_told_in_taxonomies(attribute, card.labels[attribute]):
        return labels.taxonomies_of(attribute)
    return (attribute,)
