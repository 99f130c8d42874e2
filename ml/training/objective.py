"""What a step makes smaller: the recipe's loss of every attribute, and the terms beside it."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ml import labels
from ml.datasets.face_set import UNKNOWN
from ml.training import losses, rare_groups
from ml.training.feeding import EXACT
from ml.training.recipe import Recipe


class Objective:
    """The loss of a batch by a recipe, of logits (B, K) and class positions (B,) by attribute.

    `covers` and `prior` are as of `ml.training.module.AttributeModule`.
    """

    def __init__(self, recipe: Recipe, *, covers: Mapping[str, Tensor], prior: Mapping[str, Tensor]) -> None:
        self.recipe, self._covers, self._prior = recipe, dict(covers), dict(prior)
        self._coarse = {name for name, matrix in covers.items() if not _is_identity(matrix)}
        groups = len(covers[labels.BY]) if labels.BY in covers else 0
        self.worst = rare_groups.WorstGroups(groups, rate=recipe.robust) if recipe.robust and groups else None

    def loss(
        self,
        logits: Mapping[str, Tensor],
        targets: Mapping[str, Tensor],
        *,
        add: rare_groups.Adding | None = None,
        processes: int = 1,
    ) -> Tensor:
        """The mean over the batch; `add` sums a tensor over the processes that share it."""
        recipe = self.recipe
        logits = self.shift(logits)
        loss = self._of_labels(logits, targets, add=add, processes=processes)
        if recipe.ordinal:
            for name in set(labels.ORDERED).intersection(logits, targets).difference(self._coarse):
                loss = loss + recipe.ordinal * losses.ranked_loss(logits[name], targets[name])
        if recipe.years and EXACT in targets:
            values = logits[labels.IN_YEARS]
            centres = torch.tensor(labels.scale_of(labels.IN_YEARS).centres, device=values.device)
            loss = loss + recipe.years * losses.years_loss(values, targets[EXACT], centres=centres)
        return loss

    def shift(self, logits: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The logits as losses see them: with `adjust`, by the logarithms of the labels' shares."""
        adjust = self.recipe.adjust
        if not adjust:
            return logits
        return {
            name: values + adjust * self._prior[name].to(values) if name in self._prior else values
            for name, values in logits.items()
        }

    def _of_labels(
        self,
        logits: Mapping[str, Tensor],
        targets: Mapping[str, Tensor],
        *,
        add: rare_groups.Adding | None,
        processes: int,
    ) -> Tensor:
        device = next(iter(logits.values())).device
        if self.recipe.loss == "cross_entropy" and self.worst is None:
            covers = {name: self._covers[name].to(device) for name in self._coarse}
            return losses.mean_loss(logits, targets, label_smoothing=self.recipe.label_smoothing, covers=covers)
        costs = {
            name: rare_groups.example_losses(
                values,
                targets[name],
                covers=self._covers[name].to(device),
                label_smoothing=self.recipe.label_smoothing,
                focus=self.recipe.focus if self.recipe.loss == "focal" else 0.0,
                margins=self._margins(name, device=device) if self.recipe.loss == "ldam" else None,
            )
            for name, values in logits.items()
            if name in targets
        }
        if self.worst is None:
            known = {name: (targets[name] != UNKNOWN).sum() for name in costs}
            means = torch.stack([costs[name].sum() / known[name].clamp_min(1) for name in costs])
            present = torch.stack([known[name] > 0 for name in costs])
            return (means * present).sum() / present.sum().clamp_min(1)
        each, is_known = rare_groups.mean_over_attributes(costs, targets)
        groups = torch.where(is_known, targets[labels.BY], UNKNOWN)
        return self.worst.mean(each, groups, add=add, processes=processes)

    def _margins(self, name: str, *, device: torch.device) -> Tensor:
        return rare_groups.ldam_margins(self._prior[name].to(device), widest=self.recipe.widest_margin)


def _is_identity(matrix: Tensor) -> bool:
    return matrix.shape[0] == matrix.shape[1] and bool(torch.equal(matrix, torch.eye(len(matrix), dtype=torch.bool)))
