"""The draw that a file of reviews tells of, put together again and held against the predictions."""

from collections.abc import Sequence

import numpy as np

from ml.shares import draws
from ml.shares import faces as faces_
from ml.shares.draws import OUTSIDE, Draw
from ml.shares.schemes import Scheme
from ml.surveying.errors import BadAnswers
from ml.surveying.survey import Survey

OTHER = (
    "the draw's strata do not fit the predictions: it was made from another file, of another model, or with another "
    "narrowest face"
)


def find_faces(keys: np.ndarray, *, lines: Sequence[str], survey: Survey) -> np.ndarray:
    """(n,) positions in the survey of faces with such keys.

    Where a site says which faces are which, those that it does not count any more, or that its filter left out, are
    OUTSIDE. Raises BadAnswers("no_such_face") where another is not there, or all are not.
    """
    order = np.argsort(survey.face_key)
    place = np.searchsorted(survey.face_key, keys, sorter=order)
    found = order[np.minimum(place, len(order) - 1)]
    is_there = survey.face_key[found] == keys
    if survey.is_by_uid and is_there.any():
        return np.where(is_there, found, OUTSIDE)
    missing = np.flatnonzero(~is_there)
    if len(missing):
        raise BadAnswers(
            "no_such_face",
            f"{lines[missing[0]]}: this face is not among the predictions"
            + (f", nor are {len(missing) - 1:,} others" if len(missing) > 1 else "")
            + "; are these the reviews of another file?",
        )
    return found


def rebuild_draw(
    *, code: np.ndarray, frame: np.ndarray, chance: np.ndarray, face: np.ndarray, scheme: Scheme, survey: Survey
) -> Draw:
    """The draw of `face` (n,), positions in the survey, out of what its file says of each: the number of its stratum,
    how many faces that has, and its inclusion probability (n,). All must fit the predictions.

    Raises BadAnswers("other_predictions"), BadDraw.
    """
    places = faces_.label_places(survey.faces, scheme=scheme)
    counts = np.bincount(places[places >= 0], minlength=len(scheme.labels))
    here = np.where(face == OUTSIDE, OUTSIDE, places[np.maximum(face, 0)])
    if (here[face != OUTSIDE] < 0).any():
        raise BadAnswers("other_predictions", OTHER)
    if survey.is_by_uid:
        return _rebuild_of_a_site(code, frame, chance, face=face, here=here, counts=counts, scheme=scheme)
    of = dict(zip(code.tolist(), here.tolist(), strict=True))
    fits = [of[c] for c in code.tolist()] == here.tolist() and len(set(of.values())) == len(of)
    if not fits or (counts[here] != frame).any():
        raise BadAnswers("other_predictions", OTHER)
    checked = draws.rebuild(strata=scheme.labels, frame=counts, stratum=here, probability=chance)
    return Draw(checked.strata, checked.frame, face, here)


def _rebuild_of_a_site(
    code: np.ndarray,
    frame: np.ndarray,
    chance: np.ndarray,
    *,
    face: np.ndarray,
    here: np.ndarray,
    counts: np.ndarray,
    scheme: Scheme,
) -> Draw:
    """The strata as the site numbers them: later photos have some of their own, a simple draw has one for all, and they
    are those of the model that guessed when it was drawn. The predictions may be of a part of the frame, and of no face
    outside of it.
    """
    codes, first, stratum = np.unique(code, return_index=True, return_inverse=True)
    sizes = frame[first].astype(np.int64)
    labels = [np.unique(here[(stratum == place) & (here >= 0)]) for place in range(len(codes))]
    if all(len(found) <= 1 for found in labels):
        total = np.zeros(len(counts))
        for size, found in zip(sizes, labels, strict=True):
            total[found] += size
        holds_all = bool((total >= counts).all())
    else:
        holds_all = bool(sizes.sum() >= counts.sum())
    if not holds_all or (frame != sizes[stratum]).any():
        raise BadAnswers("other_predictions", f"{OTHER}, or photos came that it was not extended to")
    names = tuple(f"{scheme.name} {int(number)}" for number in codes)
    design = draws.SIMPLE if len(codes) == 1 else draws.STRATIFIED
    draws.rebuild(strata=names, frame=sizes, stratum=stratum, probability=chance, design=design)
    return Draw(names, sizes, face, stratum, design)
