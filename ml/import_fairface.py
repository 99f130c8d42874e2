"""Turn FairFace's released ResNet-34 into a checkpoint: python -m ml.import_fairface --file FILE --out DIR"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from ml import labels
from ml.commands import new_checkpoint, say, told_errors
from ml.model import checkpoint, network, outside_weights, trunks
from ml.model.card import DamagedCheckpoint, ModelCard, OtherFormat
from ml.preprocess import IMAGENET_PRESET

ARCH = "resnet34"
# The rows of its last layer, in the order of its predict.py.
RACE_ROWS = ("White", "Black", "Latino_Hispanic", "East Asian", "Southeast Asian", "Indian", "Middle Eastern")
GENDER_ROWS = ("Male", "Female")
AGE_ROWS = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70")
ROWS = tuple(
    (attribute, label)
    for attribute, names in (("race", RACE_ROWS), ("gender", GENDER_ROWS), ("age", AGE_ROWS))
    for label in names
)
LARGEST_FLOAT16 = torch.finfo(torch.float16).max


def read_network(path: Path) -> network.AttributeNet:
    """The network of a released file, in evaluation mode; it computes what torchvision's with these weights would.

    Raises OtherFormat for a network of another shape, and what `outside_weights.read_tensors` raises.
    """
    tensors = {name: tensor.float() for name, tensor in outside_weights.read_tensors(path).items()}
    shape = tuple(tensors["fc.weight"].shape) if "fc.weight" in tensors else None
    net = network.AttributeNet(trunks.create_trunk(ARCH), attributes=labels.ATTRIBUTES)
    if shape != (len(ROWS), net.trunk.features) or "fc.bias" not in tensors:
        raise OtherFormat(f"{path} is not FairFace's network of {len(ROWS)} outputs: its last layer is {shape}")
    if any(not bool(tensor.isfinite().all()) or tensor.abs().max() > LARGEST_FLOAT16 for tensor in tensors.values()):
        raise DamagedCheckpoint(f"{path} holds weights that are no numbers or too large for a checkpoint")
    weight, bias = tensors.pop("fc.weight"), tensors.pop("fc.bias")
    try:
        net.load_state_dict(_as_state(tensors, weight=weight, bias=bias, net=net))
    except RuntimeError as error:
        raise OtherFormat(f"{path} is not a torchvision ResNet-34: {error}") from error
    return net.eval()


def _as_state(
    tensors: dict[str, Tensor], *, weight: Tensor, bias: Tensor, net: network.AttributeNet
) -> dict[str, Tensor]:
    """A state dict for AttributeNet: the trunk renamed, the last layer's rows dealt out to the heads."""
    state = {f"trunk.net.{name}": tensor for name, tensor in tensors.items()}
    for attribute, names in labels.ATTRIBUTES.items():
        rows = [ROWS.index((attribute, label)) for label in names]
        state[f"heads.{attribute}.weight"], state[f"heads.{attribute}.bias"] = weight[rows], bias[rows]
    # The heads read the features as they are: a normalisation of mean 0 and deviation 1.
    state["norm.running_mean"] = torch.zeros_like(net.norm.get_buffer("running_mean"))
    state["norm.running_var"] = torch.full_like(net.norm.get_buffer("running_var"), 1.0 - net.norm.eps)
    own = net.state_dict()
    return state | {name: own[name] for name in own if name.endswith("num_batches_tracked") and name not in state}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ml.import_fairface",
        description="Turn FairFace's released network (race in 7 groups, gender, age) into a checkpoint of Facet. "
        "The file is read without running anything in it.",
    )
    parser.add_argument("--file", type=Path, required=True, help="the released .pt file")
    parser.add_argument("--out", type=new_checkpoint, required=True, help="folder for the checkpoint")
    parser.add_argument("--name", default="fairface-resnet34", help="what the checkpoint is called")
    args = parser.parse_args(argv)
    card = ModelCard(
        name=args.name,
        arch=ARCH,
        labels=labels.ATTRIBUTES,
        preset=IMAGENET_PRESET,
        recipe={"imported_from": args.file.name},
        licence="CC BY 4.0 (FairFace)",
        trained_on="FairFace, by its authors, from ImageNet weights",
    )
    with told_errors(parser):
        card = checkpoint.save(args.out, net=read_network(args.file), card=card)
    say(f"{card.name} {card.sha256[:12]} written to {args.out}; python -m ml.calibrate makes its probabilities honest")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
