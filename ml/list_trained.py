"""List what a checkpoint was trained on: python -m ml.list_trained --model DIR --data PLACE [--also PLACE]

Training does this itself. A checkpoint from before it did, or whose list was left out, is given one from the data sets
that its card speaks of: digests and fingerprints, by which ml.evaluate, ml.compare and ml.calibrate know an image again
whatever its name or format. What the list beside it knows already, as of its teachers, stays. The version stays the
same. Refused where the images read here are not those of the card.
"""

import argparse
from dataclasses import fields, replace
from pathlib import Path

from ml.commands import say, told_errors, writable_folder
from ml.datasets import face_set, seen
from ml.model import trained
from ml.model.card import ModelCard, find_weights, read_pair, write_pair
from ml.preprocess import Preset
from ml.training import reading, recipe

SMALL_SIDE = 16  # pixels: of the images nothing but digests and fingerprints is wanted


def list_trained(folder: Path, *, places: reading.Places) -> ModelCard:
    """Write the list beside a checkpoint. Raises BadData for other images than it was trained on, and what reading
    raises.
    """
    weights_file = find_weights(folder)
    card, weights = read_pair(folder, weights_file=weights_file, own_labels=True)
    own, before = seen.describe(read_training(card, places=places)), trained.read(card)
    images = replace(own, lacks=trained.sources_of(card.recipe)) if before is None else trained.join([own, before])
    card, content = trained.attach(card, images=images)
    return write_pair(folder, card=card, weights=weights, weights_file=weights_file, trained=content)


def read_training(card: ModelCard, *, places: reading.Places) -> face_set.FaceSet:
    """The faces that a checkpoint was trained on, known by their hash. Raises as `list_trained`."""
    known = {one.name for one in fields(recipe.Recipe)}
    values = {name: value for name, value in card.recipe.items() if name in known}
    if "data" in values:  # in which a card also names the list that it was trained by
        values["data"] = {name: value for name, value in values["data"].items() if name != "list"}
    told = recipe.build_recipe(values)
    preset = Preset(size=SMALL_SIDE, margin=card.preset.margin)
    training, _ = reading.read_sets(told, places, preset=preset)
    if training.data_hash() != card.recipe.get("data_sha256"):
        raise face_set.BadData(
            f"these {len(training)} images are not the ones that {card.name} was trained on: their hash differs"
        )
    return training


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ml.list_trained",
        description=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=writable_folder, required=True, metavar="DIR", help="folder of the checkpoint")
    parser.add_argument("--data", type=Path, required=True, metavar="PLACE", help="where its recipe's [data] lies")
    parser.add_argument("--also", type=Path, action="append", default=[], metavar="PLACE", help="and its [[also]] sets")
    parser.add_argument("--validation", type=Path, metavar="PLACE", help="where [validation] lies (default: as --data)")
    parser.add_argument("--train-txt", type=Path, metavar="FILE", help="the list that it was trained by, if it was")
    parser.add_argument("--val-txt", type=Path, metavar="FILE", help="and the one that it was validated by")
    args = parser.parse_args(argv)
    with told_errors(parser):
        card = list_trained(
            args.model,
            places=reading.Places(
                data=args.data,
                also=tuple(args.also),
                validation=args.validation,
                train_list=args.train_txt,
                val_list=args.val_txt,
            ),
        )
    lacking = ", ".join(card.trained.get("lacks", ()))
    but = f", and not those that it knows of by what it learned from: {lacking}" if lacking else ""
    say(f"{card.name} {card.sha256[:12]} now knows the {card.trained['images']:,} images it was trained on{but}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
