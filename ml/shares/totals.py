"""Adjusted shares from totals alone, where the faces themselves are not kept.

Each photo's counts are added to the totals once, and to each of many replicate totals Poisson(1) times: the same
bootstrap of photos that `ml.shares.resampling` draws from kept faces, drawn as the photos come.
"""

from dataclasses import dataclass

import numpy as np

from ml.shares import adjusted, simplex
from ml.shares import evidence as evidence_
from ml.shares import faces as faces_
from ml.shares.errors import NoFaces
from ml.shares.evidence import Evidence
from ml.shares.faces import Faces
from ml.shares.merging import Partition
from ml.shares.resampling import REPLICATES, Bootstrap
from ml.shares.result import Shares
from ml.shares.schemes import Scheme


@dataclass(frozen=True)
class Totals:
    """Faces by predicted class of a scheme's matrix: `counts` (S,), and `replicates` (B, S) of resampled photos.

    `photos` is how many photos had such a face.
    """

    counts: np.ndarray
    replicates: np.ndarray
    photos: int = 0

    @classmethod
    def empty(cls, *, classes: int, replicates: int = REPLICATES) -> "Totals":
        """Totals of no photo at all."""
        return cls(np.zeros(classes, np.int64), np.zeros((replicates, classes), np.int32))

    def add(self, counts: np.ndarray, *, weights: np.ndarray) -> "Totals":
        """The totals with one photo more: its counts (S,), and its weight (B,) in each replicate."""
        return Totals(
            self.counts + counts,
            self.replicates + np.outer(weights, counts).astype(self.replicates.dtype),
            self.photos + int(counts.any()),
        )


def draw_weights(rng: np.random.Generator, *, replicates: int = REPLICATES) -> np.ndarray:
    """(B,) how often a photo counts in each replicate. The same weights go with all of its counts."""
    weights: np.ndarray = rng.poisson(1.0, replicates).astype(np.int32)
    return weights


def count_classes(faces: Faces, *, scheme: Scheme) -> np.ndarray:
    """(S,) faces of each predicted class of the scheme's matrix; none at all where no face has an answer."""
    if not len(faces):
        return np.zeros(scheme.solving_count, np.int64)
    places = faces_.solving_places(faces, scheme=scheme)
    return np.bincount(places[places >= 0], minlength=scheme.solving_count)


def estimate_shares(
    totals: Totals, *, evidence: Evidence, scheme: Scheme, cells: Partition, bootstrap: Bootstrap | None = None
) -> Shares:
    """What `adjusted.estimate_shares` answers of the faces that were totalled, by the labels of `cells`.

    The matrix stands between the cells, so that nothing depends on how they divide. Held-out faces are resampled as
    there; the photos' resamples are those of the totals, whose number must be the bootstrap's. Raises NoFaces, and
    NoEvidence where the evidence cannot correct this scheme.
    """
    bootstrap = bootstrap or Bootstrap(replicates=len(totals.replicates))
    counts = totals.counts @ cells.solve
    if not counts.sum():
        raise NoFaces("no_faces", f"no face has a label of {scheme.name}")
    share = point_shares(totals, evidence=evidence, scheme=scheme, cells=cells)
    confusions = adjusted.resample_confusions(evidence, scheme=scheme, bootstrap=bootstrap)
    matrices = evidence_.normalise_columns(cells.solve.T @ confusions @ cells.solve)
    drawn = totals.replicates @ cells.solve
    some = drawn.sum(axis=1) > 0  # a resample without any photo says nothing, as where it is drawn again
    replicates = cells.fold_shares(simplex.solve(matrices[some], drawn[some] / drawn[some].sum(axis=1, keepdims=True)))
    if totals.photos < adjusted.FEW_PHOTOS:
        by_face = np.repeat(np.eye(len(counts), dtype=np.int64), counts.astype(np.int64), axis=0)
        singly = cells.fold_shares(adjusted.resample_classes(by_face, matrices=matrices, bootstrap=bootstrap))
        replicates = max(replicates, singly, key=lambda found: found.var(axis=0).sum())
    return adjusted.tell_resamples(
        replicates,
        share=share,
        labels=cells.labels,
        scheme=scheme,
        faces=int(counts.sum()),
        matrix_key=adjusted.key_matrices(evidence, bootstrap=bootstrap),
    )


def point_shares(totals: Totals, *, evidence: Evidence, scheme: Scheme, cells: Partition) -> np.ndarray:
    """(K,) the corrected shares alone, by the labels of `cells`. Raises what `estimate_shares` raises."""
    confusions = evidence_.count_confusions(evidence, scheme=scheme)
    matrix = evidence_.normalise_columns(cells.solve.T @ confusions @ cells.solve)
    counts = totals.counts @ cells.solve
    return cells.fold_shares(simplex.solve(matrix[None], (counts / counts.sum())[None])[0])
