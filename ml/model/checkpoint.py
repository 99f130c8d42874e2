"""A model on disk: float16 safetensors beside a JSON card that knows labels, preprocessing and calibration."""

from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from ml.errors import FacetError
from ml.model import joint, network, trunks
from ml.model.card import (
    DEFAULT_DIR,
    WEIGHTS_FILE,
    DamagedCheckpoint,
    ModelCard,
    OtherFormat,
    UnsafeCheckpoint,
    read_pair,
    write_pair,
)


class TooLargeWeights(FacetError):
    """Weights that a checkpoint's float16 cannot hold, as those of a run that diverged."""


def save(folder: Path, *, net: network.FaceNet, card: ModelCard, trained: bytes | None = None) -> ModelCard:
    """Write a network and its card into a folder and return the card with its hash.

    Both files are written whole or not at all. Evidence of how other weights erred does not hold for these: the card
    loses it. `trained` as in `write_pair`. Raises TooLargeWeights for numbers that float16 has none for.
    """
    card = replace(card, evidence={})
    largest = torch.finfo(torch.float16).max
    beyond = [name for name, tensor in net.state_dict().items() if not bool((tensor.abs() <= largest).all())]
    if beyond:
        raise TooLargeWeights(f"not saved: {', '.join(beyond[:5])} hold numbers over {largest:g}, or none at all")
    tensors = {
        name: tensor.detach().cpu().to(torch.float16).contiguous()
        for name, tensor in net.state_dict().items()
        if tensor.is_floating_point()
    }
    weights = save_tensors(tensors, metadata={"name": card.name})
    return write_pair(folder, card=card, weights=weights, weights_file=WEIGHTS_FILE, trained=trained)


def load(folder: Path = DEFAULT_DIR, *, own_labels: bool = False) -> tuple[network.FaceNet, ModelCard]:
    """The network in float32 and evaluation mode, and its card; `own_labels` as in `read_card`.

    Raises MissingCheckpoint, DamagedCheckpoint, UnsafeCheckpoint, OtherFormat or OtherLabels.
    """
    card, weights = read_pair(folder, weights_file=WEIGHTS_FILE, own_labels=own_labels)
    if _is_pickle(weights):
        raise UnsafeCheckpoint(f"{folder / WEIGHTS_FILE} is a pickle, which could run code; it was not loaded")
    try:
        net = create_net(card)
    except ValueError as error:
        raise OtherFormat(str(error)) from error
    try:
        tensors = {name: tensor.float() for name, tensor in load_tensors(weights).items()}
        missing, unexpected = net.load_state_dict(tensors, strict=False)
    except (SafetensorError, RuntimeError) as error:
        raise DamagedCheckpoint(f"{folder / WEIGHTS_FILE}: {error}") from error
    own = net.state_dict()
    missing = [name for name in missing if own[name].is_floating_point()]  # counters and indices are not saved
    if missing or unexpected:
        raise DamagedCheckpoint(f"{folder / WEIGHTS_FILE}: tensors missing {missing} or unknown {unexpected}")
    return net.eval(), card


def create_net(card: ModelCard) -> network.FaceNet:
    """The network of a card, or those of its members joined, with random weights. Raises ValueError as trunks do."""
    if not card.members:
        trunk = trunks.create_trunk(card.arch, size=card.preset.size)
        return network.AttributeNet(trunk, attributes=card.labels)
    built = [trunks.create_trunk(member.arch, size=member.preset.size) for member in card.members]
    nets = [network.AttributeNet(trunk, attributes=card.labels) for trunk in built]
    return joint.JointNet(nets, members=card.members, preset=card.preset, attributes=card.labels)


def _is_pickle(weights: bytes) -> bool:
    """Whether these are a pickle, or the zip with one that torch.save writes; a safetensors' ninth byte opens JSON."""
    return weights.startswith((b"PK\x03\x04", b"\x80")) and weights[8:9] != b"{"
