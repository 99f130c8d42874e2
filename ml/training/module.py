"""The network under training, as a Lightning module: steps, optimiser and schedule; everything else is callbacks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor, distributed
from torch.optim.lr_scheduler import ReduceLROnPlateau

from ml.model import checkpoint, network
from ml.model.card import ModelCard
from ml.preprocess import Preset
from ml.training import losses
from ml.training.augment import augment
from ml.training.chance import Chance
from ml.training.depthwise import DepthwiseInFloat32
from ml.training.feeding import Batch, as_input
from ml.training.mixing import mix_chips
from ml.training.objective import Objective
from ml.training.recipe import Recipe
from ml.training.tally import Tally

MAX_GRADIENT_NORM = 5.0
# Of a few heads; who knows nothing has about 5, and who is surely wrong of every face some dozens.
EXPLODED_LOSS = 1000.0
STEPS_BETWEEN_CHECKS = 16  # of the loss: to look at it makes an accelerator wait for the host


@dataclass(frozen=True)
class Teacher:
    """A network whose calibrated word a run learns from; it sees the same chips, at its own size."""

    net: network.FaceNet
    card: ModelCard

    @classmethod
    def load(cls, folder: Path) -> "Teacher":
        """Of a checkpoint, with whatever labels. Raises what `checkpoint.load` raises."""
        net, card = checkpoint.load(folder, own_labels=True)
        return cls(network.fold_norms(net), card)  # the same answers in about half the time

    def ask(self, chips: Tensor) -> dict[str, Tensor]:
        """Probabilities (B, K) by attribute of chips (B, 3, S, S) that hold 0 to 255.

        Joined networks see them as they do in the product, each its own view: seen alike they know less. Any other sees
        the chips as they are, which are mirrored by chance.
        """
        x = as_input(chips, preset=self.card.preset, size=self.card.preset.size)
        logits = self.net.look(x) if self.card.members else self.net(x)
        return {name: torch.softmax(v.float() / self.card.temperatures.get(name, 1.0), 1) for name, v in logits.items()}


class DivergedLoss(Exception):
    """The loss exploded or is no number any more; what was saved before it stays, and nothing of it is published."""


class AttributeModule(lightning.LightningModule):
    """Trains an AttributeNet by a recipe.

    `covers` says for every attribute which of the head's labels each class of the training set covers, `prior` the
    logarithms of the labels' shares in it; both as of `ml.datasets.face_set` and `ml.training.losses`. `val_covers` are
    those of the validation set. `steps` is the number of optimiser steps in the whole run.
    """

    def __init__(
        self,
        net: network.AttributeNet,
        *,
        recipe: Recipe,
        preset: Preset,
        steps: int,
        covers: Mapping[str, Tensor],
        val_covers: Mapping[str, Tensor],
        prior: Mapping[str, Tensor],
        teachers: Sequence[Teacher] = (),
    ) -> None:
        super().__init__()
        self.net = net
        self.recipe, self.preset, self.steps = recipe, preset, steps
        self.tally, self.val_tally = Tally(covers), Tally(val_covers)
        self.objective = Objective(recipe, covers=covers, prior=prior)
        self._teachers = list(teachers)  # in a plain list: neither trained, averaged nor saved
        self._chance = Chance(0, device="cpu")

    def on_fit_start(self) -> None:
        for teacher in self._teachers:
            teacher.net.to(self.device).to(memory_format=torch.channels_last)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        if batch_idx:
            return
        # The same epoch again after a resume; not at its start, since making the loader's iterator draws a number.
        seed = self.recipe.seed * 1000 + self.current_epoch + self.global_rank * 100_003
        torch.manual_seed(seed)
        self._chance = Chance(seed, device=self.device)

    def on_train_epoch_start(self) -> None:
        frozen = self.current_epoch < self.recipe.frozen_epochs
        self.net.trunk.requires_grad_(not frozen)
        self.net.trunk.train(not frozen)  # frozen normalisations keep the statistics they came with
        self.tally.clear(self.device)
        plateau = self.lr_schedulers()
        if isinstance(plateau, ReduceLROnPlateau) and self.current_epoch == self.recipe.small_epochs:
            # The whole size begins: a loss at the small one, of other chips, may never be reached again.
            plateau.best, plateau.num_bad_epochs = plateau.mode_worse, 0

    def on_validation_epoch_start(self) -> None:
        self._check_loss("its last step")
        self.val_tally.clear(self.device)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        recipe = self.recipe
        chips, targets = batch
        chips = augment(chips, how=recipe.augmentation, chance=self._chance)
        chips, other, share = mix_chips(chips, mixup=recipe.mixup, cutmix=recipe.cutmix, chance=self._chance)
        with DepthwiseInFloat32():
            logits = self.net(self._input(chips))
        loss = share * self._loss(logits, targets)
        if share < 1.0:
            loss = loss + (1 - share) * self._loss(logits, {name: values[other] for name, values in targets.items()})
        if self._teachers and recipe.distill > 0:
            # Teachers know how frequent labels are: of logits as they are, they would undo what the shift does.
            taught = losses.teaching_loss(self.objective.shift(logits), self._ask_teachers(chips))
            loss = (1 - recipe.distill) * loss + recipe.distill * taught
        self.tally.add(logits, targets, loss=loss.detach())
        if batch_index % STEPS_BETWEEN_CHECKS == 0:
            self._check_loss(f"step {batch_index + 1}")
        return loss

    def _check_loss(self, when: str) -> None:
        """Raise DivergedLoss where the epoch's loss exploded or is no number any more; waits for the accelerator."""
        self._refuse_diverged(self.tally.loss(), when=f"by {when}")

    def _refuse_diverged(self, loss: float, *, when: str) -> None:
        if not loss < EXPLODED_LOSS:  # nan is not less either
            raise DivergedLoss(
                f"the loss became {loss:g} in epoch {self.current_epoch + 1} {when}; "
                "try a lower learning rate or another precision"
            )

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        chips, targets = batch
        logits = self.net(self._input(chips))
        loss = losses.mean_loss(logits, targets, covers=self.val_tally.covers)
        self.val_tally.add(logits, targets, loss=loss)

    def on_validation_epoch_end(self) -> None:
        self.val_tally.sum_over(self.trainer.strategy)
        self._refuse_diverged(self.val_tally.loss(), when="on the validation set")
        self.log("val_loss", self.val_tally.loss())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.objective.worst is not None:
            checkpoint["group_weights"] = self.objective.worst.weights.cpu()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.objective.worst is not None:
            self.objective.worst.weights = checkpoint["group_weights"]
        # A run may be made longer: its schedule is the one of all its steps, not the one that was saved.
        for state in checkpoint.get("lr_schedulers", ()):
            for name in ("total_steps", "_schedule_phases"):
                state.pop(name, None)

    def configure_gradient_clipping(self, optimizer: torch.optim.Optimizer, *_: Any, **__: Any) -> None:
        self.clip_gradients(optimizer, gradient_clip_val=MAX_GRADIENT_NORM, gradient_clip_algorithm="norm")

    def configure_optimizers(self) -> Any:
        recipe = self.recipe
        groups = parameter_groups(self.net, recipe=recipe)
        rate = recipe.learning_rate
        if recipe.optimizer == "sgd":
            optimizer: torch.optim.Optimizer = torch.optim.SGD(
                groups, lr=rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0
            )
        else:
            kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
            optimizer = kind(groups, lr=rate)
        schedule = _schedule(optimizer, recipe=recipe, steps=self.steps)
        if schedule is None:
            return optimizer
        if recipe.schedule == "plateau":
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "val_loss"}}
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _input(self, chips: Tensor) -> Tensor:
        # In validation too: the normalisations know this size only.
        is_small = self.current_epoch < self.recipe.small_epochs
        return as_input(chips, preset=self.preset, size=self.recipe.small_size if is_small else self.preset.size)

    def _loss(self, logits: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        processes = distributed.get_world_size() if distributed.is_initialized() else 1
        return self.objective.loss(logits, targets, add=self._add if processes > 1 else None, processes=processes)

    def _add(self, values: Tensor) -> Tensor:
        total: Tensor = self.trainer.strategy.reduce(values.clone(), reduce_op="sum")
        return total

    @torch.no_grad()
    def _ask_teachers(self, chips: Tensor) -> dict[str, Tensor]:
        """The mean of the teachers' probabilities (B, K) of each attribute that all of them know."""
        said = [teacher.ask(chips) for teacher in self._teachers]
        names = set(self.net.heads).intersection(*said)
        return {name: torch.stack([one[name] for one in said]).mean(dim=0) for name in sorted(names)}


def parameter_groups(net: network.AttributeNet, *, recipe: Recipe) -> list[dict[str, Any]]:
    """What the optimiser is given: weights that decay, then normalisations and biases, which do not.

    With `layer_decay` these of the heads, then of each layer of the trunk by timm's order, at a rate of its own.
    """
    own = net.heads if recipe.layer_decay < 1 else net
    groups = [
        {"params": [p for p in own.parameters() if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in own.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.layer_decay < 1:
        from timm.optim import param_groups_layer_decay  # type: ignore[attr-defined] # its __init__ merely imports it

        trunk = net.trunk.get_submodule("net")
        for of in param_groups_layer_decay(trunk, recipe.weight_decay, layer_decay=recipe.layer_decay):
            rate = recipe.learning_rate * of.pop("lr_scale")
            groups.append({**of, "lr": rate})
    return groups


def _schedule(optimizer: torch.optim.Optimizer, *, recipe: Recipe, steps: int) -> Any:
    """The learning rate over all the steps: with a warm-up of their first share, except under plateau and constant."""
    schedulers = torch.optim.lr_scheduler
    if recipe.schedule == "constant":
        return None
    if recipe.schedule == "plateau":
        allowed = recipe.plateau_patience - 1  # epochs that torch lets pass before the one in which it acts
        return schedulers.ReduceLROnPlateau(optimizer, factor=0.1, patience=allowed)
    if recipe.schedule == "one_cycle":
        total = max(2, steps) + 1  # one more is asked for after the last step
        rising_share = min(max(recipe.warmup, 1e-3), 1.0)
        if math.isclose(rising_share * total, 1.0):  # torch would divide by the no step that rises
            rising_share = 0.99 / total
        return schedulers.OneCycleLR(
            optimizer,
            max_lr=[group["lr"] for group in optimizer.param_groups],
            total_steps=total,
            pct_start=rising_share,
            cycle_momentum=False,
        )
    rising = round(recipe.warmup * steps)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1, steps - rising))))

    return schedulers.LambdaLR(optimizer, factor)


def moving_average(decay: float) -> Any:
    """An exponential average for AveragedModel that follows closely at first, so that the start is soon forgotten."""

    @torch.no_grad()
    def update(averages: Any, values: Any, count: Any) -> None:
        # They come by their type.
        if not averages[0].is_floating_point():
            torch._foreach_copy_(averages, values)
            return
        # All at once and never asking for the count: one by one it would take an accelerator longer than the step.
        forget = 1 - ((1 + count) / (10 + count)).clamp_max(decay)
        changes = torch._foreach_sub(values, averages)
        torch._foreach_mul_(changes, forget.to(averages[0].dtype))
        torch._foreach_add_(averages, changes)

    return update
