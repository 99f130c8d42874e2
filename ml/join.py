"""Join networks trained apart into one: python -m ml.join --model DIR --model DIR --out DIR --name NAME

The joint network computes them side by side, and its answers are softmax of the mean of their calibrated logits: what
an ensemble would say, in one checkpoint that every other tool knows. They must be face ResNet-29s with the same labels
and preprocessing, trained on the same images. It takes as many times as long as they are; calibrate it afterwards.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from ml.commands import new_checkpoint, told_errors
from ml.errors import BadRecipe
from ml.model import checkpoint, network, trunks
from ml.model.card import ModelCard
from ml.training.recipe import DataRecipe

# What a recipe tells of its images, by which later commands know again what was trained on and what was held out.
_OF_THE_DATA = ("data", "also", "validation", "seed", "data_sha256")

Member = tuple[network.AttributeNet, ModelCard]


def join_networks(members: Sequence[Member], *, name: str) -> Member:
    """One network whose logits are the mean of the members' calibrated ones, and its card, not calibrated yet.

    Raises BadRecipe where they do not fit together.
    """
    cards = [card for _, card in members]
    count = _check_members(cards)
    joint = network.AttributeNet(
        trunks.create_trunk(f"{trunks.FACE_RESNET29}x{count}"), attributes=cards[0].labels
    ).eval()
    states = [net.state_dict() for net, _ in members]
    joint.load_state_dict({key: _join_tensors(key, states=states, cards=cards) for key in states[0]})
    return joint, replace(
        cards[0],
        name=name,
        arch=f"{trunks.FACE_RESNET29}x{count}",
        temperatures={},
        thresholds={},
        metrics={},
        recipe={
            "joined": [card.recipe for card in cards],
            **{name: cards[0].recipe[name] for name in _OF_THE_DATA if name in cards[0].recipe},
        },
        sha256="",
    )


def _check_members(cards: Sequence[ModelCard]) -> int:
    """How many face ResNet-29s they are together."""
    first = cards[0]
    counts = [trunks.count_face_resnets(card.arch) for card in cards]
    if len(cards) < 2:
        raise BadRecipe("name at least two checkpoints to join")
    for card, count in zip(cards, counts, strict=True):
        if not count:
            raise BadRecipe(f"{card.name} is a {card.arch}: only face ResNet-29s can be joined")
        if (card.labels, card.preset) != (first.labels, first.preset):
            raise BadRecipe(f"{first.name} and {card.name} differ in labels or preprocessing")
        hashes = {of.recipe["data_sha256"] for of in (first, card) if "data_sha256" in of.recipe}
        if _data_of(card) != _data_of(first) or len(hashes) > 1:
            raise BadRecipe(
                f"{first.name} and {card.name} were trained on different images: what one held out the other may know"
            )
    if sum(counts) > trunks.MOST_SIDE_BY_SIDE:
        raise BadRecipe(f"{sum(counts)} networks are more than the {trunks.MOST_SIDE_BY_SIDE} that one can hold")
    return sum(counts)


def _data_of(card: ModelCard) -> str:
    """What the recipe says of the training images and of those it held out, with the defaults of today."""
    found = asdict(DataRecipe()) | card.recipe.get("data", {})
    # What was split off at random depends on the seed.
    seed = card.recipe.get("seed") if found["validation_share"] else None
    return json.dumps([found, card.recipe.get("also", []), card.recipe.get("validation"), seed], sort_keys=True)


def _join_tensors(key: str, *, states: Sequence[dict[str, Tensor]], cards: Sequence[ModelCard]) -> Tensor:
    """Channels one after another; of the heads the mean of what they say of their own features."""
    parts = [state[key] for state in states]
    if key.startswith("heads."):
        _, attribute, kind = key.split(".")
        parts = [
            part / card.temperatures.get(attribute, 1.0) / len(parts) for part, card in zip(parts, cards, strict=True)
        ]
        return torch.stack(parts).sum(dim=0) if kind == "bias" else torch.cat(parts, dim=1)
    return parts[0] if parts[0].ndim == 0 else torch.cat(parts)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ml.join",
        description=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model", type=Path, action="append", required=True, metavar="DIR", help="folder of a checkpoint; repeat it"
    )
    parser.add_argument("--out", type=new_checkpoint, required=True, metavar="DIR", help="new folder for the joint one")
    parser.add_argument("--name", required=True, help="what it is called")
    args = parser.parse_args(argv)
    with told_errors(parser):
        net, card = join_networks([checkpoint.load(folder, own_labels=True) for folder in args.model], name=args.name)
        card = checkpoint.save(args.out, net=net, card=card)
    print(
        f"{card.name} {card.sha256[:12]} written to {args.out}; python -m ml.calibrate makes its probabilities honest"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
