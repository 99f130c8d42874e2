"""Join networks trained apart into one: python -m ml.join --model DIR --model DIR --out DIR --name NAME

The joint one computes them side by side, and its answers are softmax of the weighted mean of their calibrated logits:
what an ensemble would say, in one checkpoint that every other tool knows. They may be of any kind and see faces in any
size and margin, but they must have the same labels and have been trained on the same images. `--weight` and `--views`
say, in the order of the models, how much each counts and whether it sees each face both straight and mirrored, like a
network by itself, or in one of these views. It takes as long as they do together; calibrate it afterwards.
"""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from ml.commands import new_checkpoint, say, told_errors
from ml.errors import BadRecipe
from ml.model import checkpoint, joint, network, trained, trunks
from ml.model.card import ModelCard, tell_once
from ml.model.members import BOTH, VIEWS, Member, widest_preset
from ml.training.recipe import DataRecipe

# What a recipe tells of its images, by which later commands know again what was trained on and what was held out.
_OF_THE_DATA = ("data", "also", "validation", "seed", "data_sha256")

Trained = tuple[network.FaceNet, ModelCard]


def join_networks(
    trained: Sequence[Trained], *, name: str, weights: Sequence[float] = (), views: Sequence[str] = ()
) -> Trained:
    """One network whose logits are the mean of the others' calibrated ones, and its card, not calibrated yet.

    `weights` and `views` are one for each, or none for equal weights and both flips. Face ResNet-29s of equal weight
    become one trunk, others the members of a JointNet. Raises BadRecipe where they do not fit together.
    """
    cards = [card for _, card in trained]
    _check_cards(cards)
    shares, views = _read_weights(weights, count=len(cards)), _read_views(views, count=len(cards))
    if len(set(shares)) == 1 and set(views) == {BOTH} and _are_face_resnets(cards):
        net, told = _join_face_resnets([net for net, _ in trained], cards=cards)
    else:
        net, told = _join_members(trained, shares=shares, views=views)
    return net, replace(
        told,
        name=name,
        temperatures={},
        thresholds={},
        metrics={},
        recipe={
            "joined": [card.recipe for card in cards],
            **{name: cards[0].recipe[name] for name in _OF_THE_DATA if name in cards[0].recipe},
            **({"reviewed_faces": reviewed} if (reviewed := _reviewed_faces(cards)) else {}),
        },
        licence=tell_once(card.licence for card in cards),
        trained_on=tell_once(card.trained_on for card in cards),
        sha256="",
    )


def _check_cards(cards: Sequence[ModelCard]) -> None:
    first = cards[0]
    if len(cards) < 2:
        raise BadRecipe("name at least two checkpoints to join")
    for card in cards:
        if card.labels != first.labels:
            raise BadRecipe(_tell_labels(first, card))
        hashes = {of.recipe["data_sha256"] for of in (first, card) if "data_sha256" in of.recipe}
        if _data_of(card) != _data_of(first) or len(hashes) > 1:
            raise BadRecipe(
                f"{first.name} and {card.name} were trained on different images: what one held out the other may know"
            )


def _tell_labels(first: ModelCard, card: ModelCard) -> str:
    lone = sorted(first.labels.keys() ^ card.labels.keys())
    if lone:
        return f"{first.name} and {card.name} differ in attributes: only one of them knows {', '.join(lone)}"
    differing = [name for name, values in first.labels.items() if card.labels[name] != values]
    return f"{first.name} and {card.name} differ in labels of {', '.join(differing)}"


def _read_weights(given: Sequence[float], *, count: int) -> list[float]:
    """As shares of 1."""
    if not given:
        return [1 / count] * count
    if len(given) != count:
        raise BadRecipe(f"{len(given)} weights for {count} checkpoints: give one for each, or none")
    if not all(math.isfinite(weight) and weight > 0 for weight in given):
        raise BadRecipe(f"a weight is a number over 0, not {', '.join(f'{weight:g}' for weight in given)}")
    return [weight / sum(given) for weight in given]


def _read_views(given: Sequence[str], *, count: int) -> list[str]:
    if given and len(given) != count:
        raise BadRecipe(f"{len(given)} views for {count} checkpoints: give one for each, or none")
    if not set(given) <= set(VIEWS):
        raise BadRecipe(f"views are {', '.join(VIEWS)}, not {', '.join(given)}")
    return list(given) or [BOTH] * count


def _are_face_resnets(cards: Sequence[ModelCard]) -> bool:
    """Whether one trunk can hold them: face ResNet-29s that see the same chips."""
    return all(trunks.count_face_resnets(card.arch) and card.preset == cards[0].preset for card in cards)


def _join_members(trained: Sequence[Trained], *, shares: Sequence[float], views: Sequence[str]) -> Trained:
    """A JointNet of them, and its card."""
    nets, members = [], []
    for (net, card), weight, seen in zip(trained, shares, views, strict=True):
        if not isinstance(net, network.AttributeNet):
            raise BadRecipe(f"{card.name} has been joined already: name its members, with their weights, instead")
        nets.append(net)
        members.append(
            Member(
                name=card.name,
                arch=card.arch,
                weight=weight,
                views=seen,
                preset=card.preset,
                temperatures=card.temperatures,
                sha256=card.sha256,
                parameters=sum(one.numel() for one in net.parameters()),
            )
        )
    first = trained[0][1]
    preset = widest_preset([member.preset for member in members])
    net = joint.JointNet(nets, members=members, preset=preset, attributes=first.labels).eval()
    arch = "+".join(member.arch for member in members)
    return net, replace(first, arch=arch, preset=preset, members=tuple(members))


def _join_face_resnets(nets: Sequence[network.FaceNet], *, cards: Sequence[ModelCard]) -> Trained:
    """One trunk that holds them in groups, and its card."""
    count = sum(trunks.count_face_resnets(card.arch) for card in cards)
    if count > trunks.MOST_SIDE_BY_SIDE:
        raise BadRecipe(f"{count} networks are more than the {trunks.MOST_SIDE_BY_SIDE} that one can hold")
    arch = f"{trunks.FACE_RESNET29}x{count}"
    joined = network.AttributeNet(trunks.create_trunk(arch), attributes=cards[0].labels).eval()
    states = [net.state_dict() for net in nets]
    joined.load_state_dict({key: _join_tensors(key, states=states, cards=cards) for key in states[0]})
    return joined, replace(cards[0], arch=arch)


def _reviewed_faces(cards: Sequence[ModelCard]) -> list[str]:
    """The faces whose reviews any of them was trained on, which the site leaves out of a model's accuracy."""
    return sorted({uid for card in cards for uid in card.recipe.get("reviewed_faces", ())})


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
    parser.add_argument("--weight", type=float, action="append", default=[], metavar="X", help="one for each model")
    parser.add_argument(
        "--views", choices=VIEWS, action="append", default=[], help="one for each model: what it sees of a face"
    )
    parser.add_argument("--out", type=new_checkpoint, required=True, metavar="DIR", help="new folder for the joint one")
    parser.add_argument("--name", required=True, help="what it is called")
    args = parser.parse_args(argv)
    with told_errors(parser):
        parts = [checkpoint.load(folder, own_labels=True) for folder in args.model]
        net, card = join_networks(parts, name=args.name, weights=args.weight, views=args.views)
        known = [images for _, of in parts if (images := trained.read(of)) is not None]
        card, content = trained.attach(card, images=trained.join(known)) if known else (card, None)
        card = checkpoint.save(args.out, net=net, card=card, trained=content)
    say(f"{card.name} {card.sha256[:12]} written to {args.out}; python -m ml.calibrate makes its probabilities honest")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
