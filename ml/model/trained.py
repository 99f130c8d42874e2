"""What a checkpoint carries of the images it was trained on: no image, but enough to know each again, in one file.

Read without torch. The file is safetensors with two arrays, a row for each image, in the order of their digests, so
that the order of training is in it no more than the names are.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from ml.model.card import TRAINED_FILE, DamagedCheckpoint, ModelCard

# Of a SHA-256: that one of 100,000 images looked for is taken for another one of 100,000 happens once in 28,000 times.
DIGEST_BYTES = 6
OUTSIDE = ("random", "imagenet")  # starts of a recipe that are no checkpoints of ours
OUTSIDE_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")  # nor are files of weights
PRINT_WORDS = 4  # of `ml.datasets.splits.fingerprint`; 38 bytes an image in all, 1.4 MB for 37,493 of them


@dataclass(frozen=True)
class TrainedImages:
    """`digests` (N, DIGEST_BYTES) uint8, the beginning of each image's SHA-256, and `prints` (N, PRINT_WORDS) uint64,
    by which nearly the same picture is known (`ml.datasets.seen`). `lacks` names the checkpoints that it learned from
    and whose images are not among these, since nobody could say which they were.
    """

    digests: np.ndarray
    prints: np.ndarray
    lacks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.digests)


def sources_of(recipe: Mapping[str, Any]) -> tuple[str, ...]:
    """The checkpoints that a card's network, or one of those joined in it, learned from, by their names."""
    start = str(recipe.get("start", OUTSIDE[0]))
    is_outside = start in OUTSIDE or Path(start).suffix in OUTSIDE_SUFFIXES
    names = [str(name) for name in recipe.get("teachers", ())] + ([] if is_outside else [start])
    return tuple(sorted({*names, *(name for of in recipe.get("joined", ()) for name in sources_of(of))}))


def join(parts: Sequence[TrainedImages]) -> TrainedImages:
    """All of them, each image once, in the order of the digests; what one of them lacks, all lack."""
    digests = np.concatenate([part.digests for part in parts])
    prints = np.concatenate([part.prints for part in parts])
    _, first = np.unique(digests, axis=0, return_index=True)
    return TrainedImages(digests[first], prints[first], tuple(sorted({name for part in parts for name in part.lacks})))


def attach(card: ModelCard, *, images: TrainedImages) -> tuple[ModelCard, bytes]:
    """The card that tells of these images, and the file's bytes."""
    content = save_arrays({"digests": images.digests, "prints": images.prints})
    about: dict[str, Any] = {"file": TRAINED_FILE, "sha256": hashlib.sha256(content).hexdigest(), "images": len(images)}
    if images.lacks:
        about["lacks"] = list(images.lacks)
    return replace(card, trained=about), content


def read(card: ModelCard) -> TrainedImages | None:
    """What lies beside a card that was read from a folder; None where it tells of no such file.

    Raises DamagedCheckpoint where the file is not there or another than the card tells of.
    """
    if not card.trained or card.folder is None:
        return None
    path = card.folder / TRAINED_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedCheckpoint(f"{path} cannot be read: {error}") from error
    if hashlib.sha256(content).hexdigest() != card.trained.get("sha256"):
        raise DamagedCheckpoint(f"{path} is damaged or of another checkpoint: its hash differs")
    try:
        arrays = load_arrays(content)
        found = TrainedImages(arrays["digests"], arrays["prints"], tuple(card.trained.get("lacks", ())))
    except (SafetensorError, KeyError) as error:
        raise DamagedCheckpoint(f"{path}: {error}") from error
    if found.digests.shape != (len(found), DIGEST_BYTES) or found.prints.shape != (len(found), PRINT_WORDS):
        raise DamagedCheckpoint(f"{path} holds arrays of another shape than it should")
    return found
