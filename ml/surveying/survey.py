"""A collection as numbers: its counted faces, its photos, and what was left out. What a report is computed from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ml.shares.faces import Faces

SMALL_FACE_PX = 40  # narrower faces are not counted unless asked: published accuracies fall steeply below it
OTHERS = "all others"  # parts of a collection that are told together, since there are too many


@dataclass(frozen=True)
class PhotoCounts:
    """Photos received; those that could not be read; those of the rest that show no face at all.

    In `coarse` ones a face as narrow as is counted could not be found.
    """

    received: int
    unreadable: int
    without_face: int
    coarse: int = 0

    @property
    def read(self) -> int:
        return self.received - self.unreadable


@dataclass(frozen=True)
class Groups:
    """The faces told apart by a column: `place` (N,) in `names`."""

    column: str
    names: tuple[str, ...]
    place: np.ndarray


@dataclass(frozen=True)
class Survey:
    """The counted faces of a collection and where they come from.

    `faces` are N; `face_key` (N,) tells a face again by its file and number, or, `is_by_uid`, by what a site calls
    it: such a file names no photo without a face. `face_number` (N,) is the number in its photo and `row` (N,) its
    row in the file. `photo_key` (P,) tells the photos that could be read, `photo_faces` (P,) how many counted faces
    each shows. `marked_unsure` (N,) per attribute is what the file itself says, where it does, and `cut_off` (N,)
    which faces are, of which the model is unsure whatever it says. `left_out` counts faces by reason. `model` is
    "NAME HASH" or empty where the file does not tell; `is_boxed` whether the faces were found in photos, not given
    as chips.
    """

    source: str
    faces: Faces
    face_key: np.ndarray
    face_number: np.ndarray
    row: np.ndarray
    photos: PhotoCounts
    photo_key: np.ndarray
    photo_faces: np.ndarray
    left_out: Mapping[str, int]
    model: str
    is_boxed: bool
    narrowest_px: float
    is_ours: bool = True
    marked_unsure: Mapping[str, np.ndarray] = field(default_factory=dict)
    cut_off: np.ndarray | None = None
    groups: Groups | None = None
    is_by_uid: bool = False

    def __len__(self) -> int:
        return len(self.faces)
