"""Shares corrected by how the model errs on held-out faces: adjusted classify and count.

Assumes that the model errs in this collection as it did on the held-out faces. No interval shows whether it does: see
`ml.shares.sensitivity`. What is no face cannot be taken out here.
"""

import zlib

import numpy as np

from ml.shares import evidence as evidence_
from ml.shares import faces as faces_
from ml.shares import resampling, simplex
from ml.shares.errors import NoFaces
from ml.shares.evidence import Evidence
from ml.shares.faces import Faces
from ml.shares.resampling import COLLECTION, MATRIX, Bootstrap
from ml.shares.result import ADJUSTED, BOTH, Shares
from ml.shares.schemes import Scheme

FEW_PHOTOS = 10  # too few to tell by resampling them how much the model's answers vary


def estimate_shares(faces: Faces, *, evidence: Evidence, scheme: Scheme, bootstrap: Bootstrap | None = None) -> Shares:
    """Corrected shares with 95 % percentile intervals, from resampled photos and resampled held-out faces.

    theta = argmin |M theta - c| over the simplex: c are the counted shares, M[i, j] is the share of predicted i among
    held-out faces of true j (Gart and Buck 1966; Forman 2008; Saerens et al. 2002 for the assumption). The replicates
    of M depend on evidence, scheme and bootstrap alone: two collections estimated with the same share them.
    Under FEW_PHOTOS photos, faces are resampled one by one where that varies more: a single photo varies not at all.
    Raises NoFaces, and NoEvidence where the evidence cannot correct this scheme.
    """
    bootstrap = bootstrap or Bootstrap()
    by_photo = _count_predicted(faces, scheme=scheme)
    observed = by_photo.sum(axis=0)
    share = point_shares(faces, evidence=evidence, scheme=scheme)

    matrices = resample_matrices(evidence, scheme=scheme, bootstrap=bootstrap, like=faces)
    replicates = scheme.fold_shares(resample_classes(by_photo, matrices=matrices, bootstrap=bootstrap))
    if np.count_nonzero(by_photo.sum(axis=1)) < FEW_PHOTOS:
        by_face = np.repeat(np.eye(len(observed), dtype=np.int64), observed, axis=0)
        singly = scheme.fold_shares(resample_classes(by_face, matrices=matrices, bootstrap=bootstrap))
        replicates = max(replicates, singly, key=lambda found: found.var(axis=0).sum())
    return tell_resamples(
        replicates,
        share=share,
        labels=scheme.labels,
        scheme=scheme,
        faces=int(observed.sum()),
        matrix_key=key_matrices(evidence, bootstrap=bootstrap),
    )


def tell_resamples(
    replicates: np.ndarray,
    *,
    share: np.ndarray,
    labels: tuple[str, ...],
    scheme: Scheme,
    faces: int,
    matrix_key: str,
) -> Shares:
    """The corrected shares (K,) of `labels` with the percentile intervals of their replicates (R, K)."""
    low, high = resampling.percentile_interval(replicates, share)
    return Shares(
        scheme=scheme.name,
        taxonomy=scheme.taxonomy,
        labels=labels,
        estimator=ADJUSTED,
        share=share,
        low=low,
        high=high,
        bounds=(BOTH,) * len(share),
        variance=replicates.var(axis=0),
        faces=faces,
        population=float(faces),
        replicates=replicates,
        matrix_key=matrix_key,
    )


def key_matrices(evidence: Evidence, *, bootstrap: Bootstrap) -> str:
    """What tells whether two shares were corrected by the same draws of matrices."""
    return f"{evidence.fingerprint()}:{bootstrap.seed}:{bootstrap.replicates}"


def point_shares(faces: Faces, *, evidence: Evidence, scheme: Scheme) -> np.ndarray:
    """(K,) the corrected shares alone. Raises what `estimate_shares` raises."""
    return scheme.fold_shares(solve_classes(faces, evidence=evidence, scheme=scheme))


def solve_classes(faces: Faces, *, evidence: Evidence, scheme: Scheme) -> np.ndarray:
    """(S,) the corrected shares of the matrix's classes. Raises what `estimate_shares` raises."""
    counts = evidence_.count_confusions(evidence, scheme=scheme, like=faces)
    observed = _count_predicted(faces, scheme=scheme).sum(axis=0)
    shares: np.ndarray = simplex.solve(evidence_.normalise_columns(counts)[None], (observed / observed.sum())[None])[0]
    return shares


def resample_matrices(
    evidence: Evidence, *, scheme: Scheme, bootstrap: Bootstrap, like: Faces | None = None
) -> np.ndarray:
    """(B, S, S) matrices of resampled held-out faces."""
    return evidence_.normalise_columns(resample_confusions(evidence, scheme=scheme, bootstrap=bootstrap, like=like))


def resample_confusions(
    evidence: Evidence, *, scheme: Scheme, bootstrap: Bootstrap, like: Faces | None = None
) -> np.ndarray:
    """(B, S, S) numbers of resampled held-out faces; a resample without a true class is drawn again."""
    predicted, actual, photo = evidence_.matrix_places(evidence, scheme=scheme, like=like)
    count = scheme.solving_count
    by_photo = resampling.count_by_photo(photo, predicted * count + actual, count=count * count)
    rng = np.random.default_rng([bootstrap.seed, MATRIX, zlib.crc32(scheme.name.encode())])
    classes = np.tile(np.eye(count), count)  # (S, S * S): the cells of each true class
    totals = resampling.redraw_totals(by_photo, bootstrap=bootstrap, rng=rng, groups=classes)
    return totals.reshape(-1, count, count)


def resample_classes(rows: np.ndarray, *, matrices: np.ndarray, bootstrap: Bootstrap) -> np.ndarray:
    """(B, S) corrected shares of the matrix's classes, of resampled rows (P, S) of counts, a matrix (B, S, S) each."""
    rng = np.random.default_rng([bootstrap.seed, COLLECTION, zlib.crc32(np.ascontiguousarray(rows).data)])
    totals = resampling.redraw_totals(rows, bootstrap=bootstrap, rng=rng, groups=np.ones((1, rows.shape[1])))
    return simplex.solve(matrices, totals / totals.sum(axis=1, keepdims=True))


def _count_predicted(faces: Faces, *, scheme: Scheme) -> np.ndarray:
    """(photos, S) faces of each predicted class of the matrix. Raises NoFaces."""
    places = faces_.solving_places(faces, scheme=scheme)
    by_photo = resampling.count_by_photo(faces.photo, places, count=scheme.solving_count)
    if not by_photo.sum():
        raise NoFaces("no_faces", f"no face has a label of {scheme.name}")
    return by_photo
