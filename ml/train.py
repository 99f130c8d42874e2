"""Train a network by a recipe: python -m ml.train --config TOML --data PLACE --checkpoint-dir FOLDER [--resume]

Every value of the recipe can be given here instead (`--arch resnet34 --epochs 12 --augmentation.flip 0`).
"""

import argparse
import gc
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_only

from ml.commands import CommandParser, known_device, positive, say, tell_aside, told_errors
from ml.datasets import face_set
from ml.errors import BadRecipe
from ml.model import trained
from ml.model.card import REVIEWED_FACES, ModelCard
from ml.preprocess import FAIRFACE_MARGIN, Preset
from ml.training import origins, outcome, reading, recipe, run_folder, setup, watching
from ml.training.feeding import PlainOrder, ShuffledOrder, load_batches
from ml.training.loggers import LOGGERS
from ml.training.module import AttributeModule, DivergedLoss, Teacher
from ml.training.shown_margin import check_margin
from ml.training.trainer import build_trainer, check_strategy, count_devices

EVALUATION_BATCH = 250


def main(argv: list[str] | None = None) -> int:
    parser = build_parser()
    args = parser.parse_args(argv)
    args.devices = args.devices or count_devices(nodes=args.nodes)
    overrides = {key: value for key in recipe.flat_fields() if (value := getattr(args, key)) is not None}
    with told_errors(parser):
        return train(recipe.read_recipe(args.config, overrides=overrides), args=args)


def train(wanted: recipe.Recipe, *, args: argparse.Namespace) -> int:
    """Run the whole recipe, with smaller batches where the accelerator's memory is too small; the exit status."""
    if bool(wanted.distill) != bool(args.teacher):
        raise BadRecipe("distill and --teacher belong together: how much a teacher's word weighs, and whose it is")
    places = _places(args)
    check_strategy(args.strategy)
    if args.resume:
        watching.find_state(args.checkpoint_dir)
    wanted = reading.find_released(wanted, places)
    setup.check_start(wanted)
    preset = setup.preset_of(wanted)
    teachers = [Teacher.load(folder) for folder in args.teacher]
    setup.check_crops(wanted, teachers=teachers)
    size = max([preset.size, *(teacher.card.preset.size for teacher in teachers)])
    if not args.resume and args.overwrite:
        needed = [path for path in (*args.teacher, origins.start_path(wanted)) if path]
        run_folder.check_replaceable(args.checkpoint_dir, needed=needed)
    elif not args.resume and not rank_zero_only.rank:  # type: ignore[attr-defined] # set as it is imported
        run_folder.check_unused(args.checkpoint_dir)
    cards = origins.source_cards(wanted, teachers=teachers)
    sets = reading.read_sets(wanted, places, preset=replace(preset, size=size), cards=cards)
    if wanted.data.margin != FAIRFACE_MARGIN and not rank_zero_only.rank:  # type: ignore[attr-defined]
        check_margin(sets[0], margin=preset.margin)
    setup.check_years(wanted, training=sets[0])
    setup.check_groups(wanted, training=sets[0])
    processes = args.devices * args.nodes
    batch = setup.choose_batch(wanted, images=len(sets[0]), processes=processes)
    most_pieces = batch // recipe.LEAST_BATCH
    pieces, resume = min(wanted.accumulate, most_pieces), args.resume
    while True:
        try:
            return fit(
                wanted,
                sets=sets,
                preset=preset,
                teachers=teachers,
                args=args,
                batch=batch,
                pieces=pieces,
                resume=resume,
            )
        except torch.cuda.OutOfMemoryError:
            # A state of this run: what an earlier one left in the folder is gone by now.
            has_state = (args.checkpoint_dir / watching.STATE_FILE).is_file()
            if pieces == most_pieces:
                print(f"stopped: out of memory even with {batch // pieces} images at a time", file=sys.stderr)
                return 1
            pieces = min(2 * pieces, most_pieces)
            if processes > 1:  # the others cannot know: they would wait for ever
                again = f"--accumulate {pieces} {'--resume' if has_state else '--overwrite'}"
                print(f"stopped: out of memory; try {again}", file=sys.stderr)
                return 1
            resume = args.resume or has_state
            print(f"out of memory: going on with {pieces} batches of {batch // pieces} for each step", file=sys.stderr)
        except DivergedLoss as error:
            tell_aside(f"stopped: {error}")
            return 1
        # Only here nothing holds the try that failed any more, its images on the GPU among them.
        gc.collect()
        torch.cuda.empty_cache()


def fit(
    wanted: recipe.Recipe,
    *,
    sets: tuple[face_set.FaceSet, face_set.FaceSet],
    preset: Preset,
    teachers: Sequence[Teacher],
    args: argparse.Namespace,
    batch: int,
    pieces: int,
    resume: bool,
) -> int:
    """Train on the first set, measured on the second; each step's batch, of each process, comes in so many pieces.

    The sets' chips may be larger than the network's: teachers may want them so.
    """
    training, validation = sets
    heads = setup.head_labels([training], recipe=wanted)
    setup.check_heads(wanted, heads=heads, teachers=teachers)
    card = _card(wanted, sets, heads, preset, args=args, teachers=teachers)
    known = origins.list_trained(training, recipe=wanted, teachers=teachers)
    card, trained_file = trained.attach(card, images=known)
    if resume:
        watching.check_state(args.checkpoint_dir, recipe=card.recipe)
    covers, val_covers = (setup.covers_of(faces, heads=heads) for faces in sets)
    net = setup.build_net(wanted, heads=heads, images=training.images, preset=preset)
    trainer, log, keep = build_trainer(wanted, args=args, pieces=pieces, card=card, trained=trained_file)
    rank, processes = trainer.global_rank, args.devices * args.nodes
    chances = setup.chances_of(wanted, training=training)
    shared = {"rank": rank, "processes": processes}
    order = ShuffledOrder(len(training), batch, seed=wanted.seed, pieces=pieces, chances=chances, **shared)
    module = AttributeModule(
        net.to(memory_format=torch.channels_last),
        recipe=wanted,
        preset=preset,
        steps=len(order) // pieces * wanted.epochs,
        covers=covers,
        val_covers=val_covers,
        prior=setup.priors_of(training, covers=covers),
        teachers=teachers,
    )
    if args.compile:
        module.net.trunk.compile()
    images = len(order) // pieces * batch * processes
    log.describe(classes=training.classes, val_classes=validation.classes, images=images)
    if trainer.is_global_zero:
        # Not before: everything that can refuse the new run has spoken.
        if args.overwrite and not resume:
            run_folder.clear_run(args.checkpoint_dir, log_file=args.log_file)
        _write_start(args.checkpoint_dir, wanted, sets=sets, pieces=pieces)
    device = trainer.strategy.root_device
    trainer.fit(
        module,
        # A launcher that forks or spawns starts its processes after this, and they need a GPU that is untouched.
        load_batches(training, order=order, device=device, keep=not args.strategy.endswith(("spawn", "fork"))),
        load_batches(validation, order=PlainOrder(len(validation), EVALUATION_BATCH, rank, processes), device=device),
        ckpt_path=args.checkpoint_dir / watching.STATE_FILE if resume else None,
        weights_only=True,
    )
    if trainer.is_global_zero and log.rows:
        outcome.write_outcome(
            args.checkpoint_dir,
            log.rows,
            confusions=keep.confusions,
            epoch=keep.best_epoch,
            classes=validation.classes,
        )
        say(f"{wanted.name}: best and last checkpoint, log, curves and confusions are in {args.checkpoint_dir}")
    return 0


def _write_start(
    folder: Path, wanted: recipe.Recipe, *, sets: tuple[face_set.FaceSet, face_set.FaceSet], pieces: int
) -> None:
    """What the run is made of, so that it can be told and done again."""
    training, validation = sets
    about: dict[str, Any] = {"recipe": recipe.recipe_values(wanted), "seed": wanted.seed, "batch_pieces": pieces}
    about |= {"data_sha256": training.data_hash(), "validation_sha256": validation.data_hash()}
    about |= {"images": len(training), "validation_images": len(validation), "torch": torch.__version__}
    watching.write_run(folder, about)
    watching.write_lists(folder, training=training, validation=validation)


def _places(args: argparse.Namespace) -> reading.Places:
    return reading.Places(
        data=args.data,
        also=tuple(args.also),
        validation=args.validation,
        train_list=args.train_txt,
        val_list=args.val_txt,
        limit=args.limit,
    )


def _card(
    wanted: recipe.Recipe,
    sets: tuple[face_set.FaceSet, face_set.FaceSet],
    heads: dict[str, tuple[str, ...]],
    preset: Preset,
    *,
    args: argparse.Namespace,
    teachers: Sequence[Teacher],
) -> ModelCard:
    training, validation = sets
    values = recipe.recipe_values(wanted)
    if teachers:
        values["teachers"] = [f"{teacher.card.name} {teacher.card.sha256[:12]}" for teacher in teachers]
    # What was read and kept, not what the recipe speaks of.
    if args.train_txt:
        values["data"] |= {"reader": "list", "list": args.train_txt.name, "shards": [], "held_out": 0}
    if args.train_txt or args.val_txt or wanted.validation or values["data"]["held_out"]:
        values["data"]["validation_share"] = 0.0
    if start := origins.start_path(wanted):
        values[watching.START_HASH] = origins.hash_start(start)
    learned = (card.learned_from for card in origins.source_cards(wanted, teachers=teachers))
    if uids := set(filter(None, training.face_uids)).union(*learned):
        values[REVIEWED_FACES] = sorted(uids)  # so that the site leaves them out of this model's accuracy
    return ModelCard(
        name=wanted.name,
        arch=wanted.arch,
        labels=heads,
        preset=preset,
        recipe={**values, "data_sha256": training.data_hash(), "images": len(training)}
        | {watching.VALIDATION_HASH: validation.data_hash()},
        licence=wanted.licence,
        trained_on=origins.tell_trained(wanted, training=training, places=_places(args), teachers=teachers),
    )


def build_parser() -> argparse.ArgumentParser:
    parser = CommandParser(prog="python -m ml.train", description="Train a network by a recipe.")
    parser.add_argument("--config", type=Path, default=recipe.DEFAULT, help="recipe in TOML (default: facet-1's)")
    parser.add_argument("--data", type=Path, required=True, metavar="PLACE", help="where the recipe's [data] lies")
    parser.add_argument("--also", type=Path, action="append", default=[], metavar="PLACE", help="and its [[also]] sets")
    parser.add_argument("--validation", type=Path, metavar="PLACE", help="where [validation] lies (default: as --data)")
    parser.add_argument("--train-txt", type=Path, metavar="FILE", help="list of the training images in --data")
    parser.add_argument("--val-txt", type=Path, metavar="FILE", help="list of the validation images in --data")
    parser.add_argument("--teacher", type=Path, action="append", default=[], metavar="FOLDER", help="for `distill`")
    parser.add_argument("--checkpoint-dir", type=Path, required=True, metavar="FOLDER", help="the run's folder")
    parser.add_argument("--log-file", type=Path, metavar="FILE", help=f"default: {watching.LOG_FILE} in that folder")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --checkpoint-dir")
    parser.add_argument("--overwrite", action="store_true", help="begin anew in a folder that holds a run")
    parser.add_argument("--limit", type=positive, metavar="N", help="read only so many images of each set, for a trial")
    parser.add_argument("--device", type=known_device, choices=("cpu", "cuda"), help="default: cuda if there is one")
    parser.add_argument("--devices", type=positive, metavar="N", help="processes on this machine, one a GPU")
    parser.add_argument("--nodes", type=positive, default=1, metavar="N", help="machines")
    parser.add_argument("--strategy", default="auto", help="one of Lightning's, such as ddp or fsdp")
    parser.add_argument("--compile", action="store_true", help="compile the trunk: a slow start, then faster steps")
    parser.add_argument("--tensorboard", action="store_true", help="also write events for TensorBoard")
    parser.add_argument(
        "--logger", choices=LOGGERS, action="append", default=[], help="also tell these of each epoch; repeatable"
    )
    values = parser.add_argument_group("recipe", "values that win over the recipe's")
    for key, (kind, _) in recipe.flat_fields().items():
        names = [f"--{key.replace('_', '-')}"] + (["--lr"] if key == "learning_rate" else [])
        values.add_argument(*names, dest=key, **_option(kind))
    return parser


def _option(kind: Any) -> dict[str, Any]:
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    if kind == tuple[str, ...]:
        return {"type": lambda text: text.split(",") if text else [], "metavar": "A,B"}
    if kind == tuple[int, int]:
        return {"type": lambda text: [int(number) for number in text.split(",")], "metavar": "LOW,HIGH"}
    return {"type": kind, "metavar": {int: "N", float: "X", str: "NAME"}[kind]}


if __name__ == "__main__":
    raise SystemExit(main())
