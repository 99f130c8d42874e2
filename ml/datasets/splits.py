"""Splitting sets of faces: the same image, or the same person, is never on both sides."""

import warnings
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from PIL import Image

from ml import errors
from ml.datasets import face_set

# Of 256 bits. Among UTKFace's faces, pairs of different ones begin at about 30 differing bits; the same picture, saved
# or cropped again, differs in fewer than 20.
SAME_IMAGE_BITS = 24
PRINT_WORDS = 4


def fingerprint(image: Image.Image) -> np.ndarray:
    """A difference hash, (4,) uint64: whether it gets brighter to the right, on a grid of 16 x 16; 0 where flat."""
    grey = np.asarray(image.convert("L").resize((17, 16), Image.Resampling.BOX)).astype(np.int16)
    return np.packbits(grey[:, 1:] > grey[:, :-1]).view(np.uint64)


def near_identical(fingerprints: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of positions in (N, 4) whose fingerprints differ in at most SAME_IMAGE_BITS bits."""
    pairs = []
    for first in range(len(fingerprints) - 1):
        differing = np.bitwise_count(fingerprints[first + 1 :] ^ fingerprints[first]).sum(axis=1)
        pairs += [(first, first + 1 + int(offset)) for offset in np.flatnonzero(differing <= SAME_IMAGE_BITS)]
    return pairs


def prints_of(faces: face_set.FaceSet) -> np.ndarray:
    """Fingerprints (N, 4) as the reader took them, or of the chips where there was none."""
    if faces.prints is not None:
        return faces.prints
    return np.stack([fingerprint(Image.fromarray(pixels)) for pixels in faces.images])


def similar_faces(faces: face_set.FaceSet) -> list[tuple[int, int]]:
    """Pairs of positions of nearly the same picture, whatever size the chips have; too flat ones are in none."""
    prints = prints_of(faces)
    telling = np.flatnonzero(np.bitwise_count(prints).sum(axis=1) > SAME_IMAGE_BITS)
    return [(int(telling[one]), int(telling[other])) for one, other in near_identical(prints[telling])]


def same_pairs(keys: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Pairs of positions with the same key, each with the first that has it."""
    first: dict[Hashable, int] = {}
    return [(first[key], i) for i, key in enumerate(keys) if first.setdefault(key, i) != i]


def join_groups(count: int, *, pairs: Iterable[tuple[int, int]]) -> np.ndarray:
    """(N,) a number per example, the same for examples connected by pairs: the lowest position in the group."""
    parent = np.arange(count)

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    return np.array([root(i) for i in range(count)], dtype=np.int64)


def assign_parts(groups: np.ndarray, *, strata: np.ndarray, shares: Sequence[float], seed: int) -> np.ndarray:
    """(N,) a part 0..len(shares)-1 for each example; a group stays whole.

    Groups are walked stratum by stratum (that of the group's first example), shuffled within each, and each goes to
    the part that is furthest behind its share: every stratum is parted about as the whole.
    """
    members: dict[int, list[int]] = {}
    for position, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(position)
    order = np.random.default_rng(seed).permutation(len(members))
    keys = list(members)
    walk = sorted((keys[i] for i in order), key=lambda group: int(strata[members[group][0]]))
    wanted, taken = np.array(shares, dtype=np.float64) / sum(shares), np.zeros(len(shares))
    parts = np.empty(len(groups), dtype=np.int64)
    for group in walk:
        behind = wanted * (taken.sum() + len(members[group])) - taken
        part = int(behind.argmax())
        parts[members[group]] = part
        taken[part] += len(members[group])
    return parts


def split_faces(faces: face_set.FaceSet, *, share: float, seed: int) -> tuple[face_set.FaceSet, face_set.FaceSet]:
    """Training and validation sets, about `share` (0..1) of the images in the latter.

    Every combination of classes is parted alike; identities, identical files and nearly the same pictures stay
    together. Raises EmptySet where that leaves one of the two without an image.
    """
    pairs = same_pairs(faces.digests) + same_pairs(faces.identities) + similar_faces(faces)
    groups = join_groups(len(faces), pairs=pairs)
    _, strata = np.unique(np.stack(list(faces.targets.values()), axis=1), axis=0, return_inverse=True)
    parts = assign_parts(groups, strata=strata.reshape(-1), shares=(1 - share, share), seed=seed)
    if len(np.unique(parts)) < 2:
        raise face_set.EmptySet(
            f"{len(faces)} images of {len(np.unique(groups))} different people or files cannot be split in two"
        )
    return faces.take(np.flatnonzero(parts == 0)), faces.take(np.flatnonzero(parts == 1))


def hold_out(faces: face_set.FaceSet, *, count: int) -> tuple[face_set.FaceSet, face_set.FaceSet]:
    """The set's last `count` images (at most half of it) as validation set, and what is before them as training set.

    A file or a person that is in both is left out of the training set, with a DataWarning.
    """
    kept = len(faces) - min(count, len(faces) // 2)
    training, validation = faces.slice(0, kept), faces.slice(kept)
    shared = np.zeros(kept, dtype=bool)
    for of_training, of_validation in (
        (training.digests, validation.digests),
        (training.identities, validation.identities),
    ):
        seen = set(of_validation)
        if seen:
            shared |= np.array([key in seen for key in of_training])
    if not shared.any():
        return training, validation
    _warn(f"{int(shared.sum())} training images are left out: they are among those held out as well")
    # Both copied, or the few held out would keep the memory of the whole.
    return training.take(np.flatnonzero(~shared)), validation.take(np.arange(len(validation)))


def check_set(faces: face_set.FaceSet, *, name: str) -> None:
    """Warn, with counts, of classes without an example, of repeated files and of a set of one image.

    Raises EmptySet.
    """
    if not len(faces):
        raise face_set.EmptySet(f"The {name} set has no images")
    if len(faces) == 1:
        _warn(f"The {name} set is one image: its measures mean nothing")
    for attribute in faces.targets:
        empty = [label for label, count in faces.count_classes(attribute).items() if count == 0]
        if empty:
            _warn(f"The {name} set has no example of {len(empty)} {attribute} classes: {', '.join(empty)}")
    repeated = sum(count - 1 for count in Counter(faces.digests).values())
    if repeated:
        _warn(f"The {name} set holds {repeated} images more than once")


def check_split(training: face_set.FaceSet, validation: face_set.FaceSet) -> None:
    """Check both sets, then that they share nothing. Raises SharedImages and EmptySet; warns as `check_set`."""
    check_set(training, name="training")
    check_set(validation, name="validation")
    for what, of_training, of_validation in (
        ("images", training.digests, validation.digests),
        ("identities", training.identities, validation.identities),
    ):
        seen = set(of_training)
        names = of_validation if what == "identities" else validation.files
        shared = sorted({name for name, key in zip(names, of_validation, strict=False) if key in seen})
        if shared:
            raise face_set.SharedImages(
                f"{len(shared)} {what} are in the training and the validation set", names=shared
            )


def _warn(message: str) -> None:
    warnings.warn(message, errors.DataWarning, stacklevel=3)
