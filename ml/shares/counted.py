"""Counted labels: what the model said, added up. Never the answer, which `adjusted` and `reviewed` give."""

from dataclasses import dataclass

import numpy as np

from ml.shares import faces as faces_
from ml.shares.errors import BadInput, NoFaces
from ml.shares.faces import Faces
from ml.shares.schemes import Scheme


@dataclass(frozen=True)
class Counted:
    """Numbers of faces by label (K,), and their shares (0..1); `unanswered` faces have no label in this scheme.

    `unsure` (K,) are those among the counts of which the model is unsure.
    """

    scheme: str
    taxonomy: str
    labels: tuple[str, ...]
    counts: np.ndarray
    share: np.ndarray
    unsure: np.ndarray
    faces: int
    unanswered: int


def count_labels(faces: Faces, *, scheme: Scheme, unsure: np.ndarray | None = None) -> Counted:
    """The counted labels of a scheme, also of all 126 cells of race, gender and age, which nothing can correct.

    `unsure` (N,) marks the faces whose label is under the model's threshold for this scheme. No interval belongs to
    counted labels: their error is not one of sampling. Raises NoFaces where no face has a label.
    """
    places = faces_.label_places(faces, scheme=scheme)
    known = places >= 0
    doubted = np.zeros(len(faces), dtype=bool) if unsure is None else unsure
    if doubted.shape != places.shape:
        raise BadInput("lengths_differ", f"{len(doubted)} marks of doubt do not fit {len(faces)} faces")
    counts = np.bincount(places[known], minlength=len(scheme.labels))
    total = int(counts.sum())
    if not total:
        raise NoFaces("no_faces", f"no face has a label of {scheme.name}")
    return Counted(
        scheme=scheme.name,
        taxonomy=scheme.taxonomy,
        labels=scheme.labels,
        counts=counts,
        share=counts / total,
        unsure=np.bincount(places[known & doubted], minlength=len(scheme.labels)),
        faces=total,
        unanswered=len(faces) - total,
    )
