"""Faces that were not found, from a simple draw of photos in which reviewers marked them."""

from dataclasses import dataclass

import numpy as np

from ml.shares import intervals
from ml.shares.errors import BadInput, NoFaces


@dataclass(frozen=True)
class Missed:
    """The share (0..1) of all faces in the photos that was not found, with its 95 % interval.

    `photos` were reviewed; `found` and `missed` faces are in them.
    """

    share: float
    low: float
    high: float
    photos: int
    found: int
    missed: int


def estimate_missed(found: np.ndarray, missed: np.ndarray, *, photos: int) -> Missed:
    """Of n reviewed photos out of a simple draw of `photos`: `found` and `missed` faces (n,) in each.

    Ratio estimate of clusters (Cochran 1977, ch. 6): theta = sum missed / sum faces, V from e = missed - theta faces,
    at least that of as many single faces. Wilson's interval at effective n; where no face was missed, or all were, it
    is the number of photos that show a face, since missed faces come several in a photo.
    Raises BadInput (`lengths_differ`, `negative`, `too_many`), and NoFaces("no_photos") where no photo shows a face.
    """
    found, missed = np.asarray(found, dtype=float), np.asarray(missed, dtype=float)
    if found.shape != missed.shape:
        raise BadInput("lengths_differ", "found and missed faces are not of equally many photos")
    if (found < 0).any() or (missed < 0).any():
        raise BadInput("negative", "numbers of faces cannot be negative")
    if len(found) > photos:
        raise BadInput("too_many", f"{len(found)} photos were reviewed out of {photos}")
    faces = found + missed
    total = faces.sum()
    if not total:
        raise NoFaces("no_photos", "no reviewed photo shows a face")
    theta = missed.sum() / total
    n, seen = len(found), int((faces > 0).sum())
    unseen = 1 - n / photos
    errors = missed - theta * faces
    clustered = (errors**2).sum() / (n - 1) * n / total**2 if n > 1 else np.inf
    plain = theta * (1 - theta) / total
    variance = max(clustered, plain) * unseen if unseen > 0 else 0.0
    if not np.isfinite(variance):
        variance = theta * (1 - theta) / seen
    low, high = intervals.effective_wilson(np.array(theta), variance=np.array(variance), examined=seen)
    if unseen > 0 and theta in (0.0, 1.0):
        low, high = intervals.wilson(np.array(theta), count=np.array(seen))
    return Missed(float(theta), float(low), float(high), n, int(found.sum()), int(missed.sum()))
