"""A model on disk: float16 safetensors beside a JSON card that knows labels, preprocessing and calibration."""

import json
import os
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from ml import network
from ml.card import (
    CARD_FILE,
    DEFAULT_DIR,
    WEIGHTS_FILE,
    DamagedCheckpoint,
    MissingCheckpoint,
    ModelCard,
    OtherFormat,
    card_values,
    hash_checkpoint,
    read_card,
)


def save(folder: Path, *, net: network.AttributeNet, card: ModelCard) -> ModelCard:
    """Write a network and its card into a folder and return the card with its hash.

    Both files are written beside their places and renamed; the hash tells a pair that does not belong together.
    """
    tensors = {
        name: tensor.detach().cpu().to(torch.float16).contiguous()
        for name, tensor in net.state_dict().items()
        if tensor.is_floating_point()
    }
    weights = save_tensors(tensors, metadata={"name": card.name})
    card = replace(card, sha256=hash_checkpoint(card, weights=weights))
    text = json.dumps({**card_values(card), "sha256": card.sha256}, indent=2, ensure_ascii=False) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in ((WEIGHTS_FILE, weights), (CARD_FILE, text.encode())):
        part = folder / f"{name}.part"
        part.write_bytes(content)
        os.replace(part, folder / name)
    return card


def load(folder: Path = DEFAULT_DIR) -> tuple[network.AttributeNet, ModelCard]:
    """The network in float32 and evaluation mode, and its card.

    Raises MissingCheckpoint, DamagedCheckpoint, OtherFormat or OtherLabels.
    """
    card = read_card(folder)
    try:
        weights = (folder / WEIGHTS_FILE).read_bytes()
    except FileNotFoundError as error:
        raise MissingCheckpoint(f"no {WEIGHTS_FILE} in {folder}") from error
    except OSError as error:
        raise DamagedCheckpoint(f"{folder / WEIGHTS_FILE} cannot be read: {error}") from error
    if hash_checkpoint(card, weights=weights) != card.sha256:
        raise DamagedCheckpoint(f"the files in {folder} are damaged or do not belong together: their hash differs")
    try:
        trunk = network.create_trunk(card.arch, size=card.preset.size)
    except ValueError as error:
        raise OtherFormat(str(error)) from error
    net = network.AttributeNet(trunk, attributes=card.labels)
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
