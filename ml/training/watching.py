"""What watches a run: its log, its checkpoints, and the state that `--resume` goes on from."""

import csv
import io
import json
import math
import os
import pickle
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import lightning
import torch
from lightning.pytorch import callbacks
from lightning.pytorch.callbacks import Callback, Checkpoint, WeightAveraging

from ml import labels
from ml.datasets.face_set import UNKNOWN, Classes, FaceSet
from ml.errors import BadRecipe
from ml.files import part_of, replace_file
from ml.metrics import shorten
from ml.model import checkpoint
from ml.model.card import DamagedCheckpoint, MissingCheckpoint, ModelCard, OtherFormat
from ml.training.module import AttributeModule, moving_average
from ml.training.recipe import flat_fields
from ml.training.tally import Tally

STATE_FILE, LOG_FILE, RUN_FILE = "state.ckpt", "log.csv", "run.json"
LAST_FOLDER = "last"  # the checkpoint of the last epoch, beside the best one's
LIST_FILES = {"training": "train.txt", "validation": "val.txt"}
# In a card's recipe: of the validation set, and of the weights that a run starts from.
VALIDATION_HASH, START_HASH = "validation_sha256", "start_sha256"
MAY_CHANGE = ("epochs", "patience", "accumulate", "name", "licence", "trained_on")  # between a run and its going on


class AverageWeights(WeightAveraging):
    """An exponential moving average, a step of the optimiser at a time; it is what is measured and published."""

    def __init__(self, decay: float) -> None:
        super().__init__(multi_avg_fn=moving_average(decay))

    def averaged(self, module: AttributeModule) -> AttributeModule:
        """The averaged module; before the first step the module itself."""
        return module if self._average_model is None else cast(AttributeModule, self._average_model.module)


class EpochLog(Callback):
    """Prints each epoch and adds it to a CSV file, which is replaced whole; keeps the rows for the curves."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._classes: dict[str, Mapping[str, Classes]] = {}
        self._images = 0
        self._began = self._seconds = 0.0
        self.rows: list[dict[str, float]] = []

    def describe(self, *, classes: Mapping[str, Classes], val_classes: Mapping[str, Classes], images: int) -> None:
        """What the sets' classes are called, and how many images an epoch has."""
        self._classes, self._images = {"train": classes, "val": val_classes}, images

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._began = time.monotonic()

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._seconds = time.monotonic() - self._began

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        module = cast(AttributeModule, pl_module)
        module.tally.sum_over(trainer.strategy)
        row = {
            "epoch": module.current_epoch + 1,
            "seconds": round(self._seconds, 1),
            "images_per_second": round(self._images / max(self._seconds, 1e-9), 1),
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
        }
        for part, tally in (("train", module.tally), ("val", module.val_tally)):
            row |= _measures(tally, part=part, classes=self._classes[part])
        self.rows.append(row)
        if trainer.is_global_zero:
            replace_file(self._path, as_csv(self.rows))
            print(describe_row(row, epochs=module.recipe.epochs), flush=True)
        # MLflow's names are letters, digits and "_-. /" only.
        told = {re.sub(r"[^\w/.-]", "_", name.replace(" of ", "/")): value for name, value in row.items()}
        for logger in trainer.loggers:
            known = {name: value for name, value in told.items() if math.isfinite(value)}
            logger.log_metrics(known, step=module.current_epoch + 1)


class EarlyStopping(callbacks.EarlyStopping):
    """Lightning's, but how long it waits is what the recipe says now, not what it said when the state was written.

    It counts epochs at the whole size only: a loss at the small size is of other chips, which nobody is to be shown.
    """

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        module = cast(AttributeModule, pl_module)
        if module.current_epoch >= module.recipe.small_epochs:
            super().on_train_epoch_end(trainer, pl_module)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({**state_dict, "patience": self.patience})


class KeepState(Checkpoint):
    """Writes the run's state after each epoch, and the network as a checkpoint: the best beside the last."""

    def __init__(
        self, folder: Path, *, card: ModelCard, trained: bytes, log: EpochLog, average: AverageWeights | None
    ) -> None:
        self._folder, self._card, self._trained, self._log, self._average = folder, card, trained, log, average
        self.best_epoch, self.best_loss = 0, float("inf")
        self.confusions: dict[
            str, torch.Tensor
        ] = {}  # of the best epoch: what its checkpoint said of the validation set

    def state_dict(self) -> dict[str, Any]:
        best = {"best_epoch": self.best_epoch, "best_loss": self.best_loss, "confusions": self.confusions}
        return {**best, "recipe": self._card.recipe}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_epoch, self.best_loss = state_dict["best_epoch"], state_dict["best_loss"]
        self.confusions = dict(state_dict.get("confusions", {}))

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        module, row = cast(AttributeModule, pl_module), self._log.rows[-1]
        # The small epochs' losses are of other chips than the published network will see.
        is_first_whole = self.best_epoch <= module.recipe.small_epochs <= module.current_epoch
        is_best = row["val_loss"] < self.best_loss or not self.best_epoch or is_first_whole
        if is_best:
            self.best_epoch, self.best_loss = module.current_epoch + 1, row["val_loss"]
            self.confusions = {name: counts.cpu().clone() for name, counts in module.val_tally.confusions.items()}
        # The state last: a run that breaks off in between does this epoch again, and writes the checkpoints anew.
        if trainer.is_global_zero:
            self._keep_checkpoints(module, row=row, is_best=is_best)
        # Not `files.replacing`: only one of the processes that write the state may rename it, or remove it.
        part = part_of(self._folder / STATE_FILE)
        try:
            trainer.save_checkpoint(part)  # every process takes part
            if trainer.is_global_zero:
                os.replace(part, self._folder / STATE_FILE)
        finally:
            if trainer.is_global_zero:
                part.unlink(missing_ok=True)

    def _keep_checkpoints(self, module: AttributeModule, *, row: Mapping[str, float], is_best: bool) -> None:
        # Of a group without held-out faces nothing was measured, and JSON has no word for that number.
        told = {name: value for name, value in row.items() if name.startswith("val_") and math.isfinite(value)}
        metrics = {name: shorten(value) for name, value in told.items()}
        card = replace(
            self._card,
            metrics={"held_out": metrics},
            recipe={**self._card.recipe, "epochs_done": module.current_epoch + 1},
        )
        net = (self._average.averaged(module) if self._average else module).net
        checkpoint.save(self._folder / LAST_FOLDER, net=net, card=card, trained=self._trained)
        if is_best:
            checkpoint.save(self._folder, net=net, card=card, trained=self._trained)


def _measures(tally: Tally, *, part: str, classes: Mapping[str, Classes]) -> dict[str, float]:
    """Losses, accuracies, and accuracies of each group, rounded for a log."""
    found = {f"{part}_loss": round(tally.loss(), 4)}
    for name in tally.confusions:
        found[f"{part}_{name}"] = shorten(tally.accuracy(name))
    found |= {f"{part}_{name}_loss": round(tally.loss_of(name), 4) for name in tally.confusions}
    found[f"{part}_accuracy_multi"] = shorten(tally.accuracy_multi())
    overall, of_bins = tally.years_error()
    if not math.isnan(overall):
        found[f"{part}_years_off"] = round(overall, 2)
        for label, off in zip(labels.ATTRIBUTES[labels.IN_YEARS], of_bins, strict=True):
            found[f"{part}_years_off of {label}"] = round(off, 2)
    for name in tally.confusions:
        of = classes[labels.BY if name in tally.by_group else name].names
        for group, share in zip(of, tally.group_accuracies(name), strict=True):
            found[f"{part}_{name} of {group}"] = shorten(share)
    return found


def attributes_in(row: Mapping[str, float]) -> list[str]:
    """The attributes that a row of the log tells of."""
    named = [key.removeprefix("val_") for key in row if key.startswith("val_") and " of " not in key]
    return [
        name for name in named if name not in ("loss", "accuracy_multi", "years_off") and not name.endswith("_loss")
    ]


def describe_row(row: Mapping[str, float], *, epochs: int) -> str:
    """One epoch in a few lines for people: training -> validation, then each group's validation accuracy."""
    names = attributes_in(row)
    told = (*names, "accuracy_multi")
    shares = ", ".join(f"{name} {row[f'train_{name}']:.1%} -> {row[f'val_{name}']:.1%}" for name in told)
    lines = [
        f"epoch {row['epoch']:.0f}/{epochs}: loss {row['train_loss']:.3f} -> {row['val_loss']:.3f}, {shares}, "
        f"{row['images_per_second']:.0f} images/s"
    ]
    for name in names:
        groups = {key.split(" of ", 1)[1]: value for key, value in row.items() if key.startswith(f"val_{name} of ")}
        lines.append(f"  {name}: " + ", ".join(f"{group} {value:.1%}" for group, value in groups.items()))
    if "val_years_off" in row:
        of = "val_years_off of "
        bins = {key.removeprefix(of): value for key, value in row.items() if key.startswith(of)}
        lines.append(f"  years off: {row['val_years_off']:.1f}; " + ", ".join(f"{k} {v:.1f}" for k, v in bins.items()))
    return "\n".join(lines)


def as_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as CSV; what one of them lacks, as of a run that an earlier Facet began, is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_run(folder: Path, values: Mapping[str, Any]) -> None:
    """Write what a run is made of as run.json: recipe, seed, data hashes, versions."""
    replace_file(folder / RUN_FILE, json.dumps(values, indent=2) + "\n")


def find_state(folder: Path) -> Path:
    """The state of the run in a folder. Raises MissingCheckpoint."""
    path = folder / STATE_FILE
    if not path.is_file():
        raise MissingCheckpoint(f"no {STATE_FILE} in {folder} to go on from")
    return path


def check_state(folder: Path, *, recipe: Mapping[str, Any]) -> None:
    """Raise what tells why the run in a folder cannot go on by this recipe, in which are also the sets' hashes.

    MissingCheckpoint, DamagedCheckpoint or OtherFormat of the state; BadRecipe where another value than one of
    MAY_CHANGE differs. What recipes did not have yet when the run began had its default, and of hashes that were not
    told yet nobody can say.
    """
    path = find_state(folder)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        raise DamagedCheckpoint(f"{path} is damaged: begin the run anew, without --resume") from error
    before = state.get("callbacks", {}).get(KeepState.__qualname__, {}).get("recipe")
    if before is None:
        raise OtherFormat(f"{path} was written by another version of Facet")
    defaults = {name: default for name, (_, default) in flat_fields().items()}
    other = defaults | _flatten(recipe)
    one = defaults | {name: other.get(name) for name in (VALIDATION_HASH, START_HASH)} | _flatten(before)
    differing = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    told = [f"{name} was {one.get(name)}, now {other.get(name)}" for name in differing if name not in MAY_CHANGE]
    if told:
        raise BadRecipe(f"the run in {folder} is another one, it cannot go on so: {'; '.join(told)}")


def _flatten(values: Mapping[str, Any], *, prefix: str = "") -> dict[str, Any]:
    """Nested tables by dotted keys."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flatten(value, prefix=f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return flat


def write_lists(folder: Path, *, training: FaceSet, validation: FaceSet) -> None:
    """train.txt and val.txt: what was trained on and what it was measured on, as lists of the first attribute.

    A path and a label a line, as `ml.datasets.lists` reads them; images whose label is unknown are left out.
    """
    for part, faces in (("training", training), ("validation", validation)):
        attribute = next(iter(faces.targets))
        names = faces.classes[attribute].names
        lines = [
            f"{file}\t{names[position]}\n"
            for file, position in zip(faces.files, faces.targets[attribute].tolist(), strict=True)
            if position != UNKNOWN
        ]
        replace_file(folder / LIST_FILES[part], "".join(lines))
