"""Train a network: python -m ml.train --data FOLDER --start WEIGHTS --out FOLDER [--config TOML] [--resume]"""

import argparse
import csv
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from ml import checkpoint, data, labels, metrics, network
from ml.augment import augment
from ml.card import ModelCard
from ml.datasets import fairface
from ml.preprocess import Preset, to_input
from ml.recipe import DEFAULT, Recipe, read_recipe

Tensors = tuple[Tensor, ...] | list[Tensor]

STATE_FILE, LOG_FILE = "state.pt", "log.csv"
CALIBRATION_IMAGES = 384  # enough for the batch normalisations' first means and variances
EVALUATION_BATCH = 250


class Run:
    """One training run: the network, its average, optimiser and schedule, and the place it has reached."""

    def __init__(
        self, recipe: Recipe, *, net: network.AttributeNet, steps_per_epoch: int, device: torch.device
    ) -> None:
        self.recipe, self.device, self.epoch = recipe, device, 0
        self.net = net.to(device).to(memory_format=torch.channels_last)
        self.average = AveragedModel(self.net, multi_avg_fn=moving_average(recipe.average), use_buffers=True)
        matrices = [p for p in self.net.parameters() if p.ndim > 1]
        vectors = [p for p in self.net.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.SGD(
            [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            nesterov=True,
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            max_lr=recipe.learning_rate,
            total_steps=max(1, steps_per_epoch * recipe.epochs),
            cycle_momentum=False,
        )

    _PARTS = ("net", "average", "optimizer", "schedule")

    def save(self, path: Path) -> None:
        """Write everything needed to go on, beside the old file and then over it."""
        state = {name: getattr(self, name).state_dict() for name in self._PARTS}
        torch.save({**state, "epoch": self.epoch, "recipe": asdict(self.recipe)}, path.with_suffix(".part"))
        os.replace(path.with_suffix(".part"), path)

    def resume(self, path: Path) -> None:
        """Go on where `save` stopped."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        for name in self._PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.epoch = state["epoch"]


def moving_average(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """An exponential average for AveragedModel that follows closely at first, so that the start is soon forgotten."""

    @torch.no_grad()
    def update(averages: Tensors, values: Tensors, count: Tensor | int) -> None:
        steps = float(count)
        keep = min(decay, (1 + steps) / (10 + steps))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1 - keep)
            else:
                average.copy_(value)

    return update


def build_net(recipe: Recipe, *, start: Path | None, chips: np.ndarray, preset: Preset) -> network.AttributeNet:
    """The network before its first step; `start` holds the trunk's weights, made trainable on some chips."""
    if start is None:
        trunk = network.create_trunk(recipe.arch, size=preset.size)
    else:
        trunk = network.load_face_trunk(start)
        network.calibrate_norms(trunk, to_input(as_batch(chips[:CALIBRATION_IMAGES]), preset=preset))
    return network.AttributeNet(trunk, attributes=labels.ATTRIBUTES, dropout=recipe.dropout)


def as_batch(chips: np.ndarray) -> Tensor:
    """(B, S, S, 3) uint8 as a tensor (B, 3, S, S) whose memory is already channels last."""
    return torch.from_numpy(chips).permute(0, 3, 1, 2)


def train_epoch(run: Run, faces: data.FaceSet, *, preset: Preset) -> float:
    """One pass over the faces in random order, whole batches only; the mean loss."""
    recipe, device = run.recipe, run.device
    torch.manual_seed(recipe.seed * 1000 + run.epoch)  # the same epoch again after a resume: order, dropout, changes
    generator = torch.Generator(device).manual_seed(recipe.seed * 1000 + run.epoch)
    order = torch.randperm(len(faces)).numpy()
    batch = min(recipe.batch_size, len(faces))
    starts = tqdm(range(0, len(faces) - batch + 1, batch), desc=f"epoch {run.epoch + 1}", unit="step", disable=None)
    run.net.train()
    losses = []
    for begin in starts:
        picks = np.sort(order[begin : begin + batch])
        chips = augment(as_batch(faces.images[picks]).to(device), how=recipe.augmentation, generator=generator)
        x = to_input(chips, preset=preset).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = run.net(x)
        targets = {name: torch.from_numpy(t[picks]).to(device) for name, t in faces.targets.items()}
        loss = mean_loss(logits, targets, recipe=recipe)
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(run.net.parameters(), 5.0)
        run.optimizer.step()
        run.schedule.step()
        run.average.update_parameters(run.net)
        losses.append(loss.item())
        starts.set_postfix(loss=f"{np.mean(losses[-50:]):.3f}", lr=f"{run.schedule.get_last_lr()[0]:.4f}")
    run.epoch += 1
    return float(np.mean(losses))


def mean_loss(
    logits: dict[str, Tensor], targets: dict[str, Tensor], *, recipe: Recipe, covers: Mapping[str, Tensor] | None = None
) -> Tensor:
    """Cross-entropy with label smoothing over the examples whose label is known, the mean over the attributes.

    `targets` (B,) are positions of classes, -1 where unknown; an attribute that nobody in the batch has is left out.
    `covers` (classes, K) bool says which of the K labels of a head each class covers (`data.Classes.loss_targets`);
    without it the classes are the head's labels.
    """
    covers, losses = covers or {}, []
    for name, values in logits.items():
        if name not in targets or not (targets[name] != data.UNKNOWN).any():
            continue
        if name in covers:
            losses.append(
                coarse_loss(values, targets[name], covers=covers[name], label_smoothing=recipe.label_smoothing)
            )
        else:
            losses.append(
                functional.cross_entropy(
                    values.float(), targets[name], ignore_index=data.UNKNOWN, label_smoothing=recipe.label_smoothing
                )
            )
    if not losses:
        return torch.stack([values.float().sum() * 0.0 for values in logits.values()]).sum()
    return torch.stack(losses).mean()


def coarse_loss(logits: Tensor, targets: Tensor, *, covers: Tensor, label_smoothing: float) -> Tensor:
    """The mean over the known examples of -(1 - e) log(sum of p_k over k in S) - e/K (sum of log p_k over all k).

    p = softmax(logits) over the K labels, S the labels that the example's class covers, e the smoothing. For classes
    that cover one label each this is torch's cross-entropy with label smoothing.
    """
    known = targets != data.UNKNOWN
    log_p = functional.log_softmax(logits.float()[known], dim=1)  # (M, K)
    inside = log_p.masked_fill(~covers[targets[known]], -torch.inf).logsumexp(dim=1)
    return -((1 - label_smoothing) * inside + label_smoothing * log_p.mean(dim=1)).mean()


@torch.inference_mode()
def measure(net: nn.Module, faces: data.FaceSet, *, preset: Preset, device: torch.device) -> dict[str, float]:
    """Accuracies of a network on a set: per attribute, per race group, and of age within one bin."""
    net.eval()
    predicted: dict[str, list[np.ndarray]] = {name: [] for name in faces.targets}
    for begin in range(0, len(faces), EVALUATION_BATCH):
        x = to_input(as_batch(faces.images[begin : begin + EVALUATION_BATCH]).to(device), preset=preset)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = net(x.contiguous(memory_format=torch.channels_last))
        for name, values in logits.items():
            predicted[name].append(values.argmax(dim=1).cpu().numpy())
    found = {name: np.concatenate(parts) for name, parts in predicted.items()}
    race = faces.targets["race"]
    scores = {name: metrics.accuracy(found[name], faces.targets[name]) for name in found}
    scores["age_within_one"] = metrics.within_one(found["age"], faces.targets["age"])
    for name in ("race", "gender"):
        shares = metrics.by_group(found[name], faces.targets[name], groups=race, count=len(labels.RACE))
        scores |= {f"{name} of {group}": share for group, share in zip(labels.RACE, shares, strict=True)}
    return scores


def publish(run: Run, folder: Path, *, preset: Preset, scores: dict[str, float]) -> None:
    """Write the weight average as a checkpoint, not calibrated yet."""
    recipe = run.recipe
    card = ModelCard(
        name=recipe.name,
        arch=recipe.arch,
        labels=labels.ATTRIBUTES,
        preset=preset,
        metrics={"held_out": {name: round(value, 4) for name, value in scores.items()}},
        recipe={**asdict(recipe), "epochs_done": run.epoch},
        licence=recipe.licence,
        trained_on=recipe.trained_on,
    )
    checkpoint.save(folder, net=cast(network.AttributeNet, run.average.module), card=card)


def append_row(path: Path, row: Mapping[str, object]) -> None:
    """Add a row to a CSV file, with a header when it is new."""
    fresh = not path.exists()
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if fresh:
            writer.writeheader()
        writer.writerow(row)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ml.train", description="Train a network on FairFace.")
    parser.add_argument("--data", type=Path, required=True, help="folder of FairFace's zips and label files")
    parser.add_argument("--start", type=Path, help="weights of the face ResNet-29 to start from (default: random)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the run's state, log and checkpoint")
    parser.add_argument("--config", type=Path, default=DEFAULT, help="recipe in TOML")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--limit", type=int, help="use only so many images, at most half of them held out, for a trial")
    parser.add_argument("--device", help="cpu or cuda (default: cuda if there is one)")
    args = parser.parse_args(argv)

    recipe = read_recipe(
        args.config, epochs=args.epochs, batch_size=args.batch_size, learning_rate=args.learning_rate, seed=args.seed
    )
    device = torch.device(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    preset = Preset()
    torch.manual_seed(recipe.seed)
    faces = fairface.read_fairface(
        args.data, shards=recipe.data.shards, label_file=fairface.TRAIN_CSV, size=preset.size, limit=args.limit
    )
    split = len(faces) - min(recipe.data.held_out, len(faces) // 2)
    training, held_out = faces.slice(0, split), faces.slice(split)
    net = build_net(recipe, start=args.start, chips=training.images, preset=preset)
    steps = max(1, len(training) // recipe.batch_size)
    run = Run(recipe, net=net, steps_per_epoch=steps, device=device)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.resume:
        run.resume(args.out / STATE_FILE)
        if run.epoch >= recipe.epochs:  # nothing left to train; the checkpoint may not have been written
            scores = measure(run.average.module, held_out, preset=preset, device=device)
            publish(run, args.out, preset=preset, scores=scores)
    while run.epoch < recipe.epochs:
        began = time.monotonic()
        loss = train_epoch(run, training, preset=preset)
        seconds = time.monotonic() - began
        run.save(args.out / STATE_FILE)
        scores = measure(run.average.module, held_out, preset=preset, device=device)
        publish(run, args.out, preset=preset, scores=scores)
        row = {"epoch": run.epoch, "seconds": round(seconds, 1), "images_per_second": round(len(training) / seconds, 1)}
        append_row(args.out / LOG_FILE, {**row, "loss": round(loss, 4)} | {k: round(v, 4) for k, v in scores.items()})
        print(f"epoch {run.epoch}: loss {loss:.3f}, race {scores['race']:.3f}, gender {scores['gender']:.3f}, ", end="")
        print(f"age {scores['age']:.3f}, {len(training) / seconds:.0f} images/s", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
