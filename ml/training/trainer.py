"""Lightning's trainer, set up by a recipe and the options of `ml.train`."""

import argparse
import logging
import sys
import warnings

import lightning
import torch
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import StrategyRegistry

from ml.errors import BadRecipe
from ml.model.card import ModelCard
from ml.model.precision import has_fast_bfloat16
from ml.training import loggers, recipe, watching

PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def count_devices(*, nodes: int) -> int:
    """The processes on each of so many machines: those that torchrun started, or else one."""
    return TorchElasticEnvironment().world_size() // nodes if TorchElasticEnvironment.detect() else 1


def check_strategy(name: str) -> None:
    """Raise BadRecipe for a strategy that Lightning does not know."""
    known = ("auto", *StrategyRegistry.available_strategies())
    if name not in known:
        raise BadRecipe(f"no strategy called {name!r}; Lightning's: {', '.join(known)}")


def build_trainer(
    wanted: recipe.Recipe, *, args: argparse.Namespace, pieces: int, card: ModelCard, trained: bytes
) -> tuple[lightning.Trainer, watching.EpochLog, watching.KeepState]:
    """The trainer, its log and what keeps its best epoch; each step takes `pieces` batches.

    `trained` is the file that the checkpoint keeps of the images it was trained on. Raises BadRecipe for a logger that
    is not installed.
    """
    warnings.filterwarnings("ignore", module="lightning.*")  # advice on workers and loggers that does not apply
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    log = watching.EpochLog(args.log_file or args.checkpoint_dir / watching.LOG_FILE)
    average = watching.AverageWeights(wanted.average) if wanted.average else None
    keep = watching.KeepState(args.checkpoint_dir, card=card, trained=trained, log=log, average=average)
    callbacks: list[Callback] = [log, *([average] if average else []), keep]
    if wanted.patience:
        callbacks.append(watching.EarlyStopping("val_loss", patience=wanted.patience))
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    precision = wanted.precision
    if precision == "auto":
        precision = "bf16" if has_fast_bfloat16(torch.device(device)) else "32"
    strategy = args.strategy
    if strategy == "auto" and args.devices * args.nodes > 1:
        # Frozen weights get no gradient in the first epochs.
        strategy = "ddp_find_unused_parameters_true" if wanted.frozen_epochs else "ddp"
    names = dict.fromkeys([*(["tensorboard"] if args.tensorboard else []), *args.logger])
    told = [loggers.build_logger(name, folder=args.checkpoint_dir, run=wanted.name) for name in names]
    for logger in told:
        logger.log_hyperparams(recipe.recipe_values(wanted))
    trainer = lightning.Trainer(
        accelerator={"cpu": "cpu", "cuda": "gpu"}[device],
        devices=args.devices,
        num_nodes=args.nodes,
        strategy=strategy,
        precision=PRECISIONS[precision],  # type: ignore[arg-type] # its type lists these very words
        max_epochs=wanted.epochs,
        accumulate_grad_batches=pieces,
        callbacks=callbacks,
        logger=told or False,
        enable_checkpointing=True,
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        benchmark=device == "cuda",  # chips of one size: the fastest convolutions are worth looking for
        use_distributed_sampler=False,
        default_root_dir=args.checkpoint_dir,
    )
    return trainer, log, keep
