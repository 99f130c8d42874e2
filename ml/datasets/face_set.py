"""Data sets of faces as arrays: every image decoded once into one uint8 array, labels as positions in their classes."""

import hashlib
import re
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ml import attributes, labels
from ml.errors import DataWarning, FacetError

UNKNOWN = -1  # the target of an example that has no label of an attribute
_WORD_HYPHEN = re.compile(r"(?<=[^\W\d])-(?=[^\W\d])")  # of "middle-eastern"; not of "3-9", nor of "oct-19"
_NAMES_TOLD = 5  # of the files an error is about; the count covers all of them


class BadData(FacetError):
    """A data set that would falsify a result; `count` says how many files or labels are meant."""

    def __init__(self, message: str, *, names: Sequence[str] = ()) -> None:
        told = ", ".join(names[:_NAMES_TOLD]) + (", …" if len(names) > _NAMES_TOLD else "")
        super().__init__(f"{message}: {told}" if told else message)
        self.count = len(names)


class UnknownLabels(BadData):
    """Labels that are none of the set's classes."""


class MissingFiles(BadData):
    """Files that a list or a label file names and that are not there."""


class SharedImages(BadData):
    """Images, or identities, that are both in the training and in the validation set."""


class EmptySet(BadData):
    """Not one usable image."""


@dataclass(frozen=True)
class Classes:
    """The classes a set's labels of one attribute are in.

    `covers` (classes, fine labels) tells which of the attribute's labels in `ml.labels` each class stands for.
    None: they stand for themselves, as the fine labels do and as classes of somebody's own (a non-binary gender).
    """

    attribute: str
    names: tuple[str, ...]
    covers: np.ndarray | None = None

    @property
    def head(self) -> tuple[str, ...]:
        """The labels a network needs to be trained on the set: the fine ones under coarse classes."""
        return self.names if self.covers is None else labels.ATTRIBUTES[self.attribute]

    def find(self, word: str) -> int | None:
        """The position of a class as people write it; None if unknown.

        Case, surrounding space, `_` and hyphens between words are free; so are the attribute's declared spellings.
        """
        positions = {_plain(name): position for position, name in enumerate(self.names)}
        plain = _plain(word)
        declared = attributes.ATTRIBUTES.get(self.attribute)
        meant = declared.spellings.get(plain, "") if declared else ""
        return positions.get(plain, positions.get(_plain(meant)))

    def loss_targets(self, head: tuple[str, ...]) -> np.ndarray:
        """The coarse loss's target matrix (classes, head) bool: which of a network's labels each class covers.

        A network whose labels are these very classes is trained on them as they are. Raises UnknownLabels where the
        network lacks a label that a class covers.
        """
        if head == self.names:
            return np.eye(len(head), dtype=bool)
        fine = self.head
        covers = np.eye(len(self.names), dtype=bool) if self.covers is None else self.covers
        missing = [name for name, used in zip(fine, covers.sum(axis=0), strict=True) if used and name not in head]
        if missing:
            raise UnknownLabels(f"The network's {self.attribute} has no such labels", names=missing)
        matrix = np.zeros((len(self.names), len(head)), dtype=bool)
        for column, name in enumerate(fine):
            if name in head:
                matrix[:, head.index(name)] = covers[:, column]
        return matrix


def classes_in(attribute: str, *, taxonomy: str | None = None) -> Classes:
    """The classes of an attribute in a taxonomy (None: the finest). Raises KeyError for a name not known."""
    names = labels.groups_of(attribute, taxonomy=taxonomy)
    if names == labels.ATTRIBUTES[attribute]:
        return Classes(attribute, names)
    covers = np.zeros((len(names), len(labels.ATTRIBUTES[attribute])), dtype=bool)
    for position, members in enumerate(labels.group_indices(str(taxonomy))):
        covers[position, list(members)] = True
    return Classes(attribute, names, covers)


def own_classes(attribute: str, names: Sequence[str]) -> Classes:
    """Classes that a recipe or a data set defines itself; raises ValueError for two that read the same."""
    if len({_plain(name) for name in names}) < len(names):
        raise ValueError(f"Classes of {attribute} that read the same: {', '.join(names)}")
    return Classes(attribute, tuple(names))


def fine_classes() -> dict[str, Classes]:
    """All attributes in the labels of `ml.labels`."""
    return {attribute: classes_in(attribute) for attribute in labels.ATTRIBUTES}


@dataclass(frozen=True)
class FaceSet:
    """Chips (N, S, S, 3) uint8 RGB, per attribute an array (N,) of class positions or -1, and the files' names.

    `classes` tells what the positions mean; `digests` are the SHA-256 of each file as read, with the chip if there is
    one; `identities` say what must stay on one side of a split (a person, a photo; empty: not told); `face_uids` are
    what a site calls reviewed faces (empty: none of a site); `years` (N,) are exact ages and `sides` (N,) the pixels
    of the file along each chip's side, nan where unknown; `prints` (N, 4) uint64 are `splits.fingerprint` of what is
    labelled on the images as read, whatever size the chips have (None: not told); `left_out` counts by reason what the
    reader did not take; `untouched` says how it is known that a model was trained on none of them
    (`ml.datasets.seen.UNTOUCHED`; empty: nobody asked).
    """

    images: np.ndarray
    targets: dict[str, np.ndarray]
    files: tuple[str, ...]
    classes: dict[str, Classes] = field(default_factory=fine_classes)
    digests: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()
    face_uids: tuple[str, ...] = ()
    years: np.ndarray | None = None
    sides: np.ndarray | None = None
    prints: np.ndarray | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    untouched: str = ""

    def __len__(self) -> int:
        return len(self.files)

    def slice(self, start: int, stop: int | None = None) -> "FaceSet":
        """A part of the set, sharing its memory."""
        part = slice(start, stop)
        return self._part(lambda array: array[part], lambda row: row[part])

    def take(self, picks: np.ndarray) -> "FaceSet":
        """The examples at these positions (M,), copied."""
        return self._part(lambda array: array[picks], lambda row: tuple(row[i] for i in picks.tolist()) if row else row)

    def crop(self, start: int, stop: int) -> "FaceSet":
        """The same examples, of each image only the rows and columns from start to stop, copied."""
        shown = (stop - start) / self.images.shape[1]
        return replace(
            self,
            images=np.ascontiguousarray(self.images[:, start:stop, start:stop]),
            sides=None if self.sides is None else self.sides * shown,
        )

    def regroup(self, attribute: str, classes: Classes) -> "FaceSet":
        """One attribute in other classes; unknown, with a DataWarning, where none covers just what the old one does."""
        old, new = (of.loss_targets(of.head) for of in (self.classes[attribute], classes))
        alike = [np.flatnonzero((new == row).all(axis=1)) for row in old]
        position = np.array([*(found[0] if len(found) else UNKNOWN for found in alike), UNKNOWN], dtype=np.int64)
        targets = position[self.targets[attribute]]
        lost = int(np.sum((targets == UNKNOWN) & (self.targets[attribute] != UNKNOWN)))
        if lost:
            gone = [name for name, found in zip(self.classes[attribute].names, alike, strict=True) if not len(found)]
            _warn(
                f"{lost} labels of {attribute} are dropped: {', '.join(gone)} is in none of {', '.join(classes.names)}"
            )
        return replace(
            self,
            targets={**self.targets, attribute: targets},
            classes={**self.classes, attribute: classes},
        )

    def keep_attributes(self, attributes: Collection[str]) -> "FaceSet":
        """Only these attributes, and only the examples of which one of them is known; the set itself if it is so.

        The others are counted in `left_out`, with a DataWarning.
        """
        known = [values != UNKNOWN for name, values in self.targets.items() if name in attributes]
        if not known:
            raise BadData(f"The set labels {', '.join(self.targets)}, none of {', '.join(attributes)}")
        kept = np.logical_or.reduce(known)
        if not kept.any():
            raise EmptySet("Not one image with a known label")
        part = self
        if not kept.all():
            reason, count = f"no label of {', '.join(attributes)}", int(np.sum(~kept))
            _warn(f"{count} of {len(self)} images are left out: {reason}")
            part = replace(self.take(np.flatnonzero(kept)), left_out={**self.left_out, reason: count})
        targets = {name: values for name, values in part.targets.items() if name in attributes}
        return replace(part, targets=targets, classes={name: part.classes[name] for name in targets})

    def _part(
        self,
        of_array: Callable[[np.ndarray], np.ndarray],
        of_row: Callable[[tuple[str, ...]], tuple[str, ...]],
    ) -> "FaceSet":
        return replace(
            self,
            images=of_array(self.images),
            targets={name: of_array(values) for name, values in self.targets.items()},
            files=of_row(self.files),
            digests=of_row(self.digests),
            identities=of_row(self.identities),
            face_uids=of_row(self.face_uids),
            years=None if self.years is None else of_array(self.years),
            sides=None if self.sides is None else of_array(self.sides),
            prints=None if self.prints is None else of_array(self.prints),
        )

    def data_hash(self) -> str:
        """SHA-256 over the files' names, their bytes' digests and their labels, in order; 64 hexadecimal digits."""
        total = hashlib.sha256()
        for part in (self.files, self.digests):
            total.update("\0".join(part).encode() + b"\n")
        for attribute in sorted(self.targets):
            total.update("\0".join((attribute, *self.classes[attribute].names)).encode() + b"\n")
            total.update(np.ascontiguousarray(self.targets[attribute], dtype="<i8").tobytes())
        return total.hexdigest()

    def count_classes(self, attribute: str) -> dict[str, int]:
        """How many examples each class has."""
        known = self.targets[attribute][self.targets[attribute] != UNKNOWN]
        names = self.classes[attribute].names
        return dict(zip(names, np.bincount(known, minlength=len(names)).tolist(), strict=True))


def join_faces(sets: Sequence[FaceSet]) -> FaceSet:
    """Several sets as one, whatever their classes: a class counts as the same where it covers the same labels.

    An attribute, an exact age or a size that a set does not tell is unknown there. Raises BadData for classes of
    somebody's own that differ.
    """
    if len(sets) == 1:
        return sets[0]
    targets, classes = {}, {}
    for attribute in dict.fromkeys(name for faces in sets for name in faces.classes):
        classes[attribute] = _join_classes([faces.classes[attribute] for faces in sets if attribute in faces.classes])
        parts = []
        for faces in sets:
            known = attribute in faces.classes
            unknown = np.full(len(faces), UNKNOWN, dtype=np.int64)
            parts.append(faces.regroup(attribute, classes[attribute]).targets[attribute] if known else unknown)
        targets[attribute] = np.concatenate(parts)
    left_out: Counter[str] = Counter()
    for faces in sets:
        left_out.update(faces.left_out)
    with_identities = any(faces.identities for faces in sets)
    with_uids = any(faces.face_uids for faces in sets)
    return FaceSet(
        images=np.concatenate([faces.images for faces in sets]),
        targets=targets,
        files=tuple(name for faces in sets for name in faces.files),
        classes=classes,
        digests=tuple(digest for faces in sets for digest in faces.digests),
        identities=tuple(who for faces in sets for who in faces.identities or faces.digests) if with_identities else (),
        face_uids=tuple(uid for faces in sets for uid in faces.face_uids or ("",) * len(faces)) if with_uids else (),
        years=_join_known([faces.years for faces in sets], sets=sets),
        sides=_join_known([faces.sides for faces in sets], sets=sets),
        prints=_join_prints([faces.prints for faces in sets]),
        left_out=dict(left_out),
    )


def _join_known(parts: Sequence[np.ndarray | None], *, sets: Sequence[FaceSet]) -> np.ndarray | None:
    """A number of each face, nan where its set does not tell it; None where no set does."""
    if all(part is None for part in parts):
        return None
    return np.concatenate(
        [np.full(len(faces), np.nan) if part is None else part for part, faces in zip(parts, sets, strict=True)]
    )


def _join_prints(parts: Sequence[np.ndarray | None]) -> np.ndarray | None:
    told = [part for part in parts if part is not None]
    return np.concatenate(told) if len(told) == len(parts) else None


def _join_classes(parts: Sequence[Classes]) -> Classes:
    if all(part.names == parts[0].names and part.head == parts[0].head for part in parts):
        return parts[0]
    if any(part.head != parts[0].head for part in parts):
        raise BadData(f"Sets whose own classes of {parts[0].attribute} differ cannot be joined")
    rows: dict[bytes, tuple[str, np.ndarray]] = {}
    for part in parts:
        for name, row in zip(part.names, part.loss_targets(part.head), strict=True):
            rows.setdefault(row.tobytes(), (name, row))
    return Classes(
        parts[0].attribute, tuple(name for name, _ in rows.values()), np.stack([r for _, r in rows.values()])
    )


def _warn(message: str) -> None:
    warnings.warn(message, DataWarning, stacklevel=3)


def _plain(word: str) -> str:
    letters = word.replace("_", " ").replace("\N{EN DASH}", "-").casefold()
    return " ".join(_WORD_HYPHEN.sub(" ", letters).split())
