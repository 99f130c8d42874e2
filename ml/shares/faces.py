"""The faces of a collection, or held-out ones, as arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ml.shares.errors import BadInput, NoFaces
from ml.shares.schemes import LEFT_OUT, Scheme

# What is known of a face besides its answers. Width is that of the face as a part of its picture's, 0..1.
MEASURES = ("size_px", "sharpness", "brightness")


@dataclass(frozen=True)
class Faces:
    """N counted faces and what a model said of them.

    `photo` (N,) are any whole numbers, equal for faces of one photo. `predicted` has per attribute (N,) places in
    `classes[attribute]`, or LEFT_OUT where the model gave no answer; `posteriors`, for some of the attributes or none,
    (N, classes) probabilities, of which float16 is enough. With them the label in a taxonomy is the largest sum,
    without them the group of the largest probability. `measures` maps names of MEASURES to (N,) floats in the units of
    `ml.quality`, NaN where not known; `width` (N,) is the width of a face as a part of its picture's, 0..1.

    Raises BadInput (`lengths_differ`, `unknown_attribute`, `no_such_class`) for what does not fit.
    """

    photo: np.ndarray
    classes: Mapping[str, tuple[str, ...]]
    predicted: Mapping[str, np.ndarray]
    posteriors: Mapping[str, np.ndarray] = field(default_factory=dict)
    measures: Mapping[str, np.ndarray] = field(default_factory=dict)
    width: np.ndarray | None = None

    def __post_init__(self) -> None:
        columns = {**self.predicted, **self.measures} | ({} if self.width is None else {"width": self.width})
        for name, column in columns.items():
            if column.shape != self.photo.shape:
                raise BadInput("lengths_differ", f"{name} has the shape {column.shape}, the photos {self.photo.shape}")
        for attribute, places in self.predicted.items():
            check_places(places, classes=self.classes, attribute=attribute)
        for attribute, vectors in self.posteriors.items():
            if attribute not in self.predicted:
                raise BadInput("unknown_attribute", f"{attribute} has probabilities and no predictions")
            if vectors.shape != (len(self.photo), len(self.classes[attribute])):
                raise BadInput("lengths_differ", f"the probabilities of {attribute} have the shape {vectors.shape}")

    def __len__(self) -> int:
        return len(self.photo)

    def take(self, rows: np.ndarray) -> "Faces":
        """The faces at these positions, or where a mask is true: a filter."""
        return Faces(
            photo=self.photo[rows],
            classes=self.classes,
            predicted={name: places[rows] for name, places in self.predicted.items()},
            posteriors={name: vectors[rows] for name, vectors in self.posteriors.items()},
            measures={name: values[rows] for name, values in self.measures.items()},
            width=None if self.width is None else self.width[rows],
        )

    def count_photos(self) -> int:
        return len(np.unique(self.photo))


def predict_from(posteriors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The place of the largest probability, (N,) per attribute, of posteriors (N, classes); the first of equals."""
    return {attribute: vectors.argmax(axis=1).astype(np.int16) for attribute, vectors in posteriors.items()}


def check_places(places: np.ndarray, *, classes: Mapping[str, tuple[str, ...]], attribute: str) -> None:
    """Raise BadInput unless these are places in the attribute's classes, or LEFT_OUT."""
    if attribute not in classes:
        raise BadInput("unknown_attribute", f"there are no classes of {attribute!r}")
    if not np.issubdtype(places.dtype, np.integer):
        raise BadInput("no_such_class", f"{attribute} must be told in places of classes, not as {places.dtype}")
    if len(places) and (places.min() < LEFT_OUT or places.max() >= len(classes[attribute])):
        raise BadInput("no_such_class", f"{attribute} has places outside of its {len(classes[attribute])} classes")


def label_places(faces: Faces, *, scheme: Scheme) -> np.ndarray:
    """(N,) the label of each face in a scheme, as a place in `scheme.labels`: what is counted. LEFT_OUT: none.

    First sum and scale, then argmax, where there are probabilities. Raises NoFaces, BadInput("unknown_attribute").
    """
    check_counted(faces, scheme=scheme)
    places = []
    for part in scheme.parts:
        predicted = faces.predicted[part.attribute]
        vectors = faces.posteriors.get(part.attribute)
        if vectors is None or len(part.labels) == len(part.places):
            places.append(_lookup(part.places, predicted))
        else:
            summed = vectors.astype(np.float32) @ part.fold.astype(np.float32)
            places.append(np.where(predicted >= 0, summed.argmax(axis=1), LEFT_OUT))
    return scheme.cross(places, counts=[len(part.labels) for part in scheme.parts])


def solving_places(faces: Faces, *, scheme: Scheme, from_labels: frozenset[str] = frozenset()) -> np.ndarray:
    """(N,) the predicted class of each face among the classes of the scheme's matrix; LEFT_OUT: none.

    `from_labels` names attributes whose probabilities are not to be used, because the other side has none.
    """
    check_counted(faces, scheme=scheme)
    places, counts = [], []
    for part in scheme.parts:
        predicted = faces.predicted[part.attribute]
        vectors = None if part.attribute in from_labels else faces.posteriors.get(part.attribute)
        if not part.solved_in_groups:
            places.append(predicted)
        elif vectors is None:
            places.append(_lookup(part.places, predicted))
        else:
            summed = vectors.astype(np.float32) @ part.fold.astype(np.float32)
            places.append(np.where(predicted >= 0, summed.argmax(axis=1), LEFT_OUT))
        counts.append(len(part.labels) if part.solved_in_groups else len(part.places))
    return scheme.cross(places, counts=counts)


def actual_places(actual: Mapping[str, np.ndarray], *, scheme: Scheme) -> np.ndarray:
    """(N,) the true class among the classes of the scheme's matrix, of true classes (N,) per attribute."""
    places, counts = [], []
    for part in scheme.parts:
        if part.attribute not in actual:
            raise BadInput("unknown_attribute", f"nothing is known of {part.attribute!r}")
        true = actual[part.attribute]
        places.append(_lookup(part.places, true) if part.solved_in_groups else true)
        counts.append(len(part.labels) if part.solved_in_groups else len(part.places))
    return scheme.cross(places, counts=counts)


def check_counted(faces: Faces, *, scheme: Scheme) -> None:
    """Raise NoFaces("no_faces") of no faces, and BadInput where the model does not tell what the scheme asks."""
    if not len(faces):
        raise NoFaces("no_faces", "there is no face to count")
    for part in scheme.parts:
        if part.attribute not in faces.predicted:
            raise BadInput("unknown_attribute", f"nothing was predicted of {part.attribute!r}")
        if len(faces.classes[part.attribute]) != len(part.places):
            raise BadInput("no_such_class", f"{part.attribute} has other classes than the scheme")


def _lookup(table: tuple[int, ...], places: np.ndarray) -> np.ndarray:
    """table[place], and LEFT_OUT of LEFT_OUT."""
    found: np.ndarray = np.array([*table, LEFT_OUT])[places]
    return found
