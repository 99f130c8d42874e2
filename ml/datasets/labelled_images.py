"""From images with their labels to a FaceSet: what the readers share."""

import hashlib
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from ml import errors, photos, preprocess
from ml.datasets import face_set, image_store, splits

DECODING_THREADS = os.cpu_count() or 2
PRINTED_SIDE = 68  # pixels of a chip of which a fingerprint is taken: four to each of its cells


@dataclass(frozen=True)
class Example:
    """One image to read: class positions of the attributes that are known, and where on it the face is.

    `chip` None takes the whole image; `face_uid` is what a site calls the face.
    """

    file: str
    targets: Mapping[str, int]
    chip: preprocess.Chip | None = None
    identity: str = ""
    face_uid: str = ""
    years: float | None = None


@dataclass
class Unknown:
    """Labels that no class has, collected on the way so that they are told together."""

    names: list[str] = field(default_factory=list)

    def tell(self, *, skip: bool) -> int:
        """Raise UnknownLabels, or with `skip` warn; how many there are."""
        if self.names and not skip:
            raise face_set.UnknownLabels(f"{len(self.names)} unknown labels", names=self.names)
        if self.names:
            _warn(f"{len(self.names)} files left out, their labels are unknown", self.names)
        return len(self.names)


def read_faces(
    store: image_store.ImageStore,
    examples: Iterable[Example],
    *,
    classes: Mapping[str, face_set.Classes],
    size: int,
    left_out: Mapping[str, int] | None = None,
) -> face_set.FaceSet:
    """Decode the examples' chips at (size, size) into one array, in order.

    Unreadable images are left out with a warning and counted. Raises MissingFiles and EmptySet.
    """
    chosen = list(examples)
    missing = [example.file for example in chosen if not store.has(example.file)]
    if missing:
        raise face_set.MissingFiles(f"{len(missing)} of {len(chosen)} images are not there", names=missing)
    images, sides, prints, digests = _decode(store, chosen, size=size)
    counts = {reason: count for reason, count in (left_out or {}).items() if count}
    unreadable = [example.file for example, digest in zip(chosen, digests, strict=True) if digest is None]
    if unreadable:
        _warn(f"{len(unreadable)} images left out, they cannot be read", unreadable)
        counts["unreadable"] = len(unreadable)
        kept = [index for index, digest in enumerate(digests) if digest is not None]
        for place, index in enumerate(kept):  # in place: a second array of all images may not fit into memory
            images[place] = images[index]
        images, sides, prints = images[: len(kept)], sides[kept], prints[kept]
        chosen = [chosen[index] for index in kept]
    if not chosen:
        raise face_set.EmptySet(f"Not one image to use; left out: {counts or 'none'}")
    read = [digest for digest in digests if digest is not None]
    _tell_repeated(chosen, digests=read)
    if counts.get("unknown label"):
        _tell_emptied(chosen, classes=classes)
    return face_set.FaceSet(
        images=images,
        targets={
            name: np.array([example.targets.get(name, face_set.UNKNOWN) for example in chosen], dtype=np.int64)
            for name in classes
        },
        files=tuple(example.file for example in chosen),
        classes=dict(classes),
        digests=tuple(read),
        identities=tuple(e.identity for e in chosen) if any(e.identity for e in chosen) else (),
        face_uids=tuple(e.face_uid for e in chosen) if any(e.face_uid for e in chosen) else (),
        years=_years(chosen),
        sides=sides,
        prints=prints,
        left_out=counts,
    )


def _tell_repeated(examples: Sequence[Example], *, digests: Sequence[str]) -> None:
    first: dict[str, int] = {}
    again = [
        example.file
        for position, (example, digest) in enumerate(zip(examples, digests, strict=True))
        if first.setdefault(digest, position) != position
    ]
    if again:
        _warn(f"{len(again)} images are there more than once", again)


def _tell_emptied(examples: Sequence[Example], *, classes: Mapping[str, face_set.Classes]) -> None:
    """Warn of classes of which leaving unknown labels out left nothing: they may be theirs, spelt in another way."""
    for attribute, of in classes.items():
        seen = {example.targets.get(attribute) for example in examples}
        empty = [name for position, name in enumerate(of.names) if position not in seen]
        if empty:
            told = (
                f"After leaving out unknown labels no example of these {attribute} classes is left: {', '.join(empty)}"
            )
            warnings.warn(told, errors.DataWarning, stacklevel=3)


def _decode(
    store: image_store.ImageStore, examples: Sequence[Example], *, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str | None]]:
    """Chips (N, size, size, 3), sides of their squares on the images (N,), fingerprints of what is in these (N, 4), and
    digests: None where none can be read.
    """
    images = np.empty((len(examples), size, size, 3), dtype=np.uint8)
    sides, prints = np.zeros(len(examples)), np.zeros((len(examples), splits.PRINT_WORDS), dtype=np.uint64)

    def decode(index: int) -> str | None:
        try:
            content = store.read(examples[index].file)
            with photos.naming(examples[index].file):
                image = photos.read_photo(content)
        except photos.UnreadablePhoto:
            return None
        chip = examples[index].chip
        taken = chip or preprocess.whole_image(*image.size)
        images[index] = np.asarray(preprocess.cut_chip(image, taken, size=size))
        sides[index] = taken.side
        # Not of the chip: networks of other sizes would know the same picture by another one.
        shown = preprocess.cut_chip(image, taken, size=PRINTED_SIDE) if chip else image
        prints[index] = splits.fingerprint(shown)
        # The faces of one photo are different images.
        return hashlib.sha256(content + (repr(chip).encode() if chip else b"")).hexdigest()

    with ThreadPoolExecutor(max_workers=DECODING_THREADS) as pool:
        steps = pool.map(decode, range(len(examples)))
        digests = list(tqdm(steps, total=len(examples), desc="decode", unit="img", disable=None))
    return images, sides, prints, digests


def _years(examples: Sequence[Example]) -> np.ndarray | None:
    if all(example.years is None for example in examples):
        return None
    return np.array([np.nan if e.years is None else e.years for e in examples], dtype=np.float64)


def _warn(message: str, names: Sequence[str]) -> None:
    warnings.warn(f"{message}: {', '.join(names[:5])}", errors.DataWarning, stacklevel=3)
