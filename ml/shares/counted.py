"""Counted labels: what the model said, added up. Never the answer, which `adjusted` and `reviewed` give."""

from dataclasses import dataclass

import numpy as np

from ml.shares import faces as faces_
from ml.shares.errors import NoFaces
from ml.shares.faces import Faces
from ml.shares.schemes import Scheme


@dataclass(frozen=True)
class Counted:
    """Numbers of faces by label (K,), and their shares (0..1); `unanswered` faces have no label in this scheme."""

    scheme: str
    taxonomy: str
    labels: tuple[str, ...]
    counts: np.ndarray
    share: np.ndarray
    faces: int
    unanswered: int


def count_labels(faces: Faces, *, scheme: Scheme) -> Counted:
    """The counted labels of a scheme, also of all 126 cells of race, gender and age, which nothing can correct.

    No interval belongs to them: their error is not one of sampling. Raises NoFaces where no face has a label.
    """
    places = faces_.label_places(faces, scheme=scheme)
    counts = np.bincount(places[places >= 0], minlength=len(scheme.labels))
    total = int(counts.sum())
    if not total:
        raise NoFaces("no_faces", f"no face has a label of {scheme.name}")
    return Counted(scheme.name, scheme.taxonomy, scheme.labels, counts, counts / total, total, len(faces) - total)
