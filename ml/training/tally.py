"""Counting right and wrong answers batch by batch, on the device, over all processes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ml import labels
from ml.datasets.face_set import UNKNOWN
from ml.training.feeding import EXACT
from ml.training.losses import class_probabilities

SAID_FROM = 0.5  # the probability from which `accuracy_multi` takes an output to be said


class Tally:
    """Confusions per attribute, and per group the right answers, of one pass over a set.

    `covers` (classes, K) bool per attribute: which labels of the head each class of the set covers. Where classes
    overlap, as in sets joined from several taxonomies, an example's own class stands against the finest classes that
    share no label with it: among all of them "Asian" would always be likelier than "East Asian".
    """

    def __init__(self, covers: Mapping[str, Tensor]) -> None:
        self.covers = dict(covers)
        self._rivals = {name: _find_rivals(matrix) for name, matrix in covers.items()}
        self._loss = torch.zeros(2)  # sum over examples, examples
        self._losses: dict[str, Tensor] = {}  # (2,): the same of each attribute
        self._outputs = torch.zeros(2)  # right, all
        self.confusions: dict[str, Tensor] = {}  # (classes, classes): rows are labels, columns predictions
        self.years_off = torch.zeros(0, 2)  # of each bin of age: sum of the errors in years, examples of exact age
        self.by_group: dict[str, Tensor] = {}  # (groups, 2): right, all; groups are the classes of `labels.BY`

    def clear(self, device: torch.device) -> None:
        """Begin a new pass."""
        self.covers = {name: matrix.to(device) for name, matrix in self.covers.items()}
        self._rivals = {name: matrix.to(device) for name, matrix in self._rivals.items()}
        self._loss = torch.zeros(2, device=device)
        self._losses = {name: torch.zeros(2, device=device) for name in self.covers}
        self._outputs = torch.zeros(2, device=device)
        self.confusions = {
            name: torch.zeros(len(matrix), len(matrix), dtype=torch.long, device=device)
            for name, matrix in self.covers.items()
        }
        bins = len(labels.ATTRIBUTES[labels.IN_YEARS]) if labels.IN_YEARS in self.covers else 0
        self.years_off = torch.zeros(bins, 2, device=device)
        groups = len(self.covers[labels.BY]) if labels.BY in self.covers else 0
        self.by_group = {
            name: torch.zeros(groups, 2, dtype=torch.long, device=device) for name in self.covers if groups
        }

    @torch.no_grad()
    def add(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], *, loss: Tensor) -> None:
        """Count a batch: logits (B, K) and class positions (B,), -1 where unknown."""
        count = len(next(iter(logits.values())))
        self._loss += torch.stack([loss.float() * count, torch.full_like(loss, count, dtype=torch.float)])
        if EXACT in targets and len(self.years_off):
            self._add_years(logits[labels.IN_YEARS], targets[EXACT])
        group = targets.get(labels.BY)
        for name, counts in self.confusions.items():
            if name not in targets:
                continue
            known, actual = targets[name] != UNKNOWN, targets[name].clamp_min(0)
            likely = class_probabilities(logits[name], covers=self.covers[name])
            rivals = self._rivals[name][actual]
            predicted = likely.masked_fill(~rivals, -1.0).argmax(dim=1)
            self._add_outputs(name, likely, actual=actual, asked=rivals & known[:, None])
            # Unknown examples add nothing; picking the others out would make an accelerator wait for the host.
            counts.view(-1).index_add_(0, actual * len(counts) + predicted, known.long())
            if name in self.by_group and group is not None:
                placed = known & (group != UNKNOWN)
                right = (predicted == actual) & placed
                pairs = torch.stack([right, placed], dim=1).long()
                self.by_group[name].index_add_(0, group.clamp_min(0), pairs)

    def _add_outputs(self, name: str, likely: Tensor, *, actual: Tensor, asked: Tensor) -> None:
        """Count what is said of each class (B, classes), where it is asked for at all."""
        true = torch.zeros_like(asked).scatter_(1, actual[:, None], True)
        right = ((likely > SAID_FROM) == true) & asked
        self._outputs += torch.stack([right.sum(), asked.sum()])
        known = asked.any(dim=1)
        # The smallest probability that float32 tells from nothing: a mean must not become infinite by one face.
        costs = -likely.gather(1, actual[:, None])[:, 0].clamp_min(torch.finfo(torch.float32).tiny).log()
        self._losses[name] += torch.stack([(costs * known).sum(), known.sum()])

    def _add_years(self, logits: Tensor, years: Tensor) -> None:
        """Count how far the expected age is from the exact one (B,), bin by bin of the exact one."""
        scale = labels.scale_of(labels.IN_YEARS)
        if logits.shape[1] != len(scale.centres):
            return  # classes of somebody's own
        known = ~years.isnan()
        said = logits.float().softmax(dim=1) @ logits.new_tensor(scale.centres, dtype=torch.float)
        edges = torch.tensor(scale.edges[1:-1], device=years.device)
        off = torch.stack([(said - years).nan_to_num().abs(), torch.ones_like(years)], dim=1)
        self.years_off.index_add_(0, torch.bucketize(years.nan_to_num(), edges, right=True), off * known[:, None])

    def sum_over(self, strategy: Any) -> None:
        """Add up what Lightning's processes have counted."""
        parts = (self._losses, self.confusions, self.by_group)
        for counts in (self._loss, self._outputs, self.years_off, *(one for part in parts for one in part.values())):
            counts.copy_(strategy.reduce(counts.clone(), reduce_op="sum"))

    def loss(self) -> float:
        """The mean over the examples, each counted with its batch's loss; nan before the first."""
        total, count = self._loss.tolist()
        return total / count if count else float("nan")

    def loss_of(self, name: str) -> float:
        """The plain cross-entropy of one attribute, the mean over the examples that have it; nan of nothing.

        Without smoothing, weights or shifts, so that both sets, and runs by other losses, can be held together.
        """
        total, count = self._losses[name].tolist()
        return total / count if count else float("nan")

    def accuracy_multi(self) -> float:
        """The share right of all outputs, each taken as a question of its own: is it over SAID_FROM where it is true?

        What multi-label trainers report. Of 18 outputs 15 are false for every face: a network that says nothing at all
        is right in 83 %.
        """
        right, count = self._outputs.tolist()
        return right / count if count else float("nan")

    def years_error(self) -> tuple[float, list[float]]:
        """How many years the expected age is off in the mean, and in the mean of each bin; nan of nothing.

        As the network says it, before any calibration.
        """
        total, count = self.years_off.sum(dim=0).tolist()
        of_bins = [off / images if images else float("nan") for off, images in self.years_off.tolist()]
        return (total / count if count else float("nan")), of_bins

    def accuracy(self, name: str) -> float:
        """The share right of one attribute; nan of nothing."""
        counts = self.confusions[name]
        total = int(counts.sum())
        return int(counts.diagonal().sum()) / total if total else float("nan")

    def group_accuracies(self, name: str) -> list[float]:
        """The share right in each group, or, in sets that do not label them, of each class of the attribute."""
        if name in self.by_group:
            pairs = self.by_group[name].tolist()
        else:
            counts = self.confusions[name]
            pairs = torch.stack([counts.diagonal(), counts.sum(dim=1)], dim=1).tolist()
        return [right / total if total else float("nan") for right, total in pairs]


def _find_rivals(covers: Tensor) -> Tensor:
    """(classes, classes) bool: what may be said of an example of each class, given the labels they cover."""
    is_inside = (covers[:, None] <= covers[None]).all(dim=2)
    is_finest = is_inside.sum(dim=0) == 1  # only the class itself lies in it
    apart = (covers.float() @ covers.float().T) == 0
    return (apart & is_finest) | torch.eye(len(covers), dtype=torch.bool)
