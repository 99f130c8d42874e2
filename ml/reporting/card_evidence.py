"""The tables of a model card on how the model errs: the matrices that shares of a collection are corrected by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.shares import evidence as evidence_
from ml.shares.errors import NoEvidence
from ml.shares.evidence import Evidence
from ml.shares.schemes import Scheme, standard_schemes

WAYS = {"chips": "ready chips", "photos": "found again in photos"}


@dataclass(frozen=True)
class Matrix:
    """Of the faces labelled as the column says, the per cent that the model calls what the row says."""

    name: str
    way: str
    labels: tuple[str, ...]
    rows: list[tuple[str, ...]]
    condition: float


def make_matrices(ways: Sequence[Evidence]) -> list[Matrix]:
    """Race, gender and age in bands, each in all ways; without those of which there are too few faces."""
    if not ways:
        return []
    schemes = standard_schemes(ways[0].faces.classes)[: len(ways[0].faces.classes)]
    made = [_make_matrix(way, scheme=scheme) for scheme in schemes for way in ways]
    return [matrix for matrix in made if matrix]


def _make_matrix(way: Evidence, *, scheme: Scheme) -> Matrix | None:
    try:
        counts = evidence_.count_confusions(way, scheme=scheme)
    except NoEvidence:
        return None
    (part,) = scheme.parts
    per_cent = 100 * evidence_.normalise_columns(counts)
    rows = [
        (f"called {name}", *(f"{value:.1f}" for value in row)) for name, row in zip(part.labels, per_cent, strict=True)
    ]
    rows.append(("faces", *(f"{total:,}" for total in counts.sum(axis=0))))
    return Matrix(scheme.name, way.way, tuple(part.labels), rows, float(np.linalg.cond(per_cent / 100)))
