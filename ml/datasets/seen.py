"""Which images of a set a checkpoint was trained on: known by their bytes and by what they show, whatever their names.

The same picture in another format or size has other bytes, but nearly the same fingerprint (`ml.datasets.splits`).
"""

from dataclasses import dataclass

import numpy as np

from ml.datasets import face_set, splits
from ml.model.trained import DIGEST_BYTES, TrainedImages, join

# How it is known of the images that are left that a model was not trained on them: by the list of what it was trained
# on, since its own recipe held them out, or by their names. Last what nobody can say. From the surest on.
UNTOUCHED = BY_CONTENT, BY_RECIPE, BY_NAME, NOT_KNOWN = ("by content", "by recipe", "by name", "not known")


@dataclass(frozen=True)
class Known:
    """Of a set's images (N,) bool: `trained` was trained on, `near` is nearly the same as one that was.

    `how` is one of UNTOUCHED.
    """

    trained: np.ndarray
    near: np.ndarray
    how: str = BY_CONTENT


def describe(faces: face_set.FaceSet) -> TrainedImages:
    """What is kept of a training set: nothing of reviewed faces, which are known by what their site calls them.

    They are people's own photos, and a checkpoint goes to others. Raises ValueError for faces that were not read from
    files.
    """
    if len(faces.digests) != len(faces):
        raise ValueError("faces without digests cannot be known again")
    own = np.array([not uid for uid in faces.face_uids] or [True] * len(faces), dtype=bool)
    return join([TrainedImages(_digests_of(faces)[own], splits.prints_of(faces)[own])])


def look_up(faces: face_set.FaceSet, *, trained: TrainedImages) -> Known:
    """Which of a set's images are among those that a checkpoint was trained on, by digest and by fingerprint."""
    same = np.zeros(len(faces), dtype=bool)
    if len(faces.digests) == len(faces):
        known = {row.tobytes() for row in trained.digests}
        same = np.array([row.tobytes() in known for row in _digests_of(faces)], dtype=bool)
    return Known(same, near_any(splits.prints_of(faces), among=trained.prints) & ~same)


def near_any(prints: np.ndarray, *, among: np.ndarray) -> np.ndarray:
    """(N,) bool: which of the fingerprints (N, 4) differ from one of the others in at most SAME_IMAGE_BITS bits.

    Pictures too flat to tell are like none.
    """
    others = np.ascontiguousarray(among[_telling(among)].T)  # (4, M)
    near = np.zeros(len(prints), dtype=bool)
    if not others.size:
        return near
    for position in np.flatnonzero(_telling(prints)):
        differing = np.zeros(others.shape[1], dtype=np.uint16)
        for word, column in zip(prints[position], others, strict=True):
            differing += np.bitwise_count(column ^ word)
        near[position] = differing.min() <= splits.SAME_IMAGE_BITS
    return near


def _digests_of(faces: face_set.FaceSet) -> np.ndarray:
    """(N, DIGEST_BYTES) uint8."""
    found = b"".join(bytes.fromhex(digest[: 2 * DIGEST_BYTES]) for digest in faces.digests)
    return np.frombuffer(found, dtype=np.uint8).reshape(len(faces), DIGEST_BYTES)


def _telling(prints: np.ndarray) -> np.ndarray:
    telling: np.ndarray = np.bitwise_count(prints).sum(axis=1) > splits.SAME_IMAGE_BITS
    return telling
