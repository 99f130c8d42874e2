"""Weights that other programs wrote, read without running anything that is in the file."""

import pickle
import pickletools
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ml.model.card import DamagedCheckpoint, MissingCheckpoint, UnsafeCheckpoint

_ZIP = b"PK\x03\x04"  # what torch.save writes since 1.6
# Where others put the state dict inside what they saved.
WRAPPERS = ("state_dict", "model_state_dict", "model")
# What torch's safe unpickler says when a pickle asks for a class or a function that it does not know to be harmless.
_ASKS_FOR_CODE = ("GLOBAL", "Trying to call", "Can only create", "Can only build")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The state dict in a safetensors file or in what torch.save wrote, without DataParallel's prefix.

    Raises MissingCheckpoint, DamagedCheckpoint, and UnsafeCheckpoint for a pickle that wants code run.
    """
    if not path.is_file():
        raise MissingCheckpoint(f"no file {path}")
    found = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    for wrapper in WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    if not isinstance(found, dict) or not all(isinstance(tensor, Tensor) for tensor in found.values()) or not found:
        raise DamagedCheckpoint(f"{path} does not hold a network's weights")
    return {str(name).removeprefix("module."): tensor for name, tensor in found.items()}


def _read_safetensors(path: Path) -> object:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise DamagedCheckpoint(f"{path} cannot be read: {error}") from error


def _read_pickle(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if any(words in str(error) for words in _ASKS_FOR_CODE) or _names_code(path):
            raise UnsafeCheckpoint(f"{path} asks for code to be run; it was not loaded") from error
        raise DamagedCheckpoint(f"{path} cannot be read: it is damaged, or holds no weights") from error
    except Exception as error:  # the reader raises whatever it likes over damaged bytes
        raise DamagedCheckpoint(f"{path} cannot be read: it is damaged, or holds no weights") from error


def _names_code(path: Path) -> bool:
    """Whether the first pickle of a file names a class or a function, which one that torch.save wrote never does.

    Its instructions are only listed. torch's own reader stops earlier at a protocol that it does not know.
    """
    content = path.read_bytes()
    if content.startswith(_ZIP):
        return False
    try:
        return any(opcode.name in ("GLOBAL", "STACK_GLOBAL", "INST") for opcode, _, _ in pickletools.genops(content))
    except Exception:  # noqa: BLE001 # bytes that are no pickle fail in any way
        return False
