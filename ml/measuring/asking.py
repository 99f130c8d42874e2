"""A checkpoint's logits for held-out faces, in both ways in which faces come to it."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ml.datasets import face_set
from ml.detecting.detector import FaceDetector
from ml.errors import DataWarning
from ml.measuring.whole_way import find_faces
from ml.model.card import ModelCard
from ml.shares.evidence import CHIPS, PHOTOS

Logits = Mapping[str, np.ndarray]
Ask = Callable[[face_set.FaceSet], Logits]


@dataclass(frozen=True)
class Asked:
    """Faces with the logits (N, K) per attribute that the network gives of them.

    `widths` (N,) are those of the found faces in pixels; None: of ready chips, which tell nothing of how large the
    faces were.
    """

    way: str
    faces: face_set.FaceSet
    logits: Logits
    widths: np.ndarray | None = None

    def take(self, picks: np.ndarray) -> "Asked":
        """The faces at these positions (M,), without their images."""
        faces = replace(self.faces, images=np.empty((len(self.faces), 0), np.uint8)).take(picks)
        logits = {name: values[picks] for name, values in self.logits.items()}
        return Asked(self.way, faces, logits, None if self.widths is None else self.widths[picks])


def ask_both_ways(
    card: ModelCard, *, ask: Ask, chips: face_set.FaceSet, large: face_set.FaceSet, detector: FaceDetector
) -> list[Asked]:
    """Answers for the chips, and for the same faces found in photos; of the chips alone, with a DataWarning, where the
    detector finds no face again.

    `ask` gives the logits of chips; `large` are the same faces as they are laid on grey grounds.
    """
    ways = [Asked(CHIPS, chips, ask(chips))]
    try:
        cut, picks, boxed = find_faces(large, preset=card.preset, detector=detector)
    except face_set.BadData as error:
        warnings.warn(f"{error}: nothing is known of photos", DataWarning, stacklevel=2)
        return ways
    found = replace(chips.take(picks), images=cut)
    widths = np.array([face.box[2] - face.box[0] for face in boxed])
    return [*ways, Asked(PHOTOS, found, ask(found), widths)]
