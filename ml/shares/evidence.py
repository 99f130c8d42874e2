"""How a model errs: its answers for held-out faces whose labels are known."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ml.shares import faces as faces_
from ml.shares.errors import BadInput, NoEvidence
from ml.shares.faces import MEASURES, Faces
from ml.shares.schemes import Scheme

# The two ways a face comes to the network: as a ready chip, or found and cut out of a photo.
CHIPS, PHOTOS = "chips", "photos"


@dataclass(frozen=True)
class Evidence:
    """Held-out faces with what the model said of them, and `actual`: per attribute (N,) true places in the classes.

    `name` is that of the data set, for the words "if the model errs here as on NAME". `faces.measures` may hold NaN
    where a measure means nothing, as the size of ready chips.
    Raises BadInput where the arrays do not fit each other.
    """

    faces: Faces
    actual: Mapping[str, np.ndarray]
    name: str = "FairFace"
    way: str = CHIPS

    def __post_init__(self) -> None:
        for attribute, places in self.actual.items():
            if places.shape != self.faces.photo.shape:
                raise BadInput("lengths_differ", f"the true {attribute} has the shape {places.shape}")
            faces_.check_places(places, classes=self.faces.classes, attribute=attribute)

    def __len__(self) -> int:
        return len(self.faces)

    def take(self, rows: np.ndarray) -> "Evidence":
        """The faces at these positions, or where a mask is true."""
        actual = {name: places[rows] for name, places in self.actual.items()}
        return Evidence(self.faces.take(rows), actual, self.name, self.way)

    def fingerprint(self) -> str:
        """A hash of predictions and true labels: equal where the matrices are."""
        found = hashlib.sha256()
        for attribute in sorted(self.actual):
            for places in (self.actual[attribute], self.faces.predicted[attribute]):
                found.update(attribute.encode() + np.ascontiguousarray(places, dtype=np.int16).tobytes())
        return found.hexdigest()[:16]


def count_confusions(evidence: Evidence, *, scheme: Scheme, like: Faces | None = None) -> np.ndarray:
    """(S, S) numbers of held-out faces: rows are the predicted classes, columns the true ones, of the scheme's matrix.

    Probabilities are left aside where the faces `like` those of the collection have none, so that both sides say the
    same label of the same face. Raises NoEvidence.
    """
    predicted, actual, _ = matrix_places(evidence, scheme=scheme, like=like)
    count = scheme.solving_count
    return np.bincount(predicted * count + actual, minlength=count * count).reshape(count, count)


def matrix_places(evidence: Evidence, *, scheme: Scheme, like: Faces | None = None) -> tuple[np.ndarray, ...]:
    """Predicted class, true class and photo (n,) of the held-out faces that have both; see `count_confusions`.

    Raises NoEvidence where an attribute was not measured (`no_matrix`), where the collection's classes are others
    (`other_classes`), and where a true class has no face (`class_without_faces`).
    """
    for part in scheme.parts:
        if part.attribute not in evidence.actual or part.attribute not in evidence.faces.predicted:
            raise NoEvidence("no_matrix", f"the model does not tell how it errs about {part.attribute}")
        if like is not None and evidence.faces.classes[part.attribute] != like.classes.get(part.attribute):
            raise NoEvidence("other_classes", f"{part.attribute} was measured with other classes than are counted")
    without = frozenset(evidence.faces.predicted) - frozenset(
        evidence.faces.posteriors if like is None else like.posteriors
    )
    predicted = faces_.solving_places(evidence.faces, scheme=scheme, from_labels=without)
    actual = faces_.actual_places(evidence.actual, scheme=scheme)
    known = (predicted >= 0) & (actual >= 0)
    missing = np.bincount(actual[known], minlength=scheme.solving_count) == 0
    if missing.any():
        raise NoEvidence(
            "class_without_faces",
            f"{int(missing.sum())} of {len(missing)} classes of {scheme.name} have no held-out face",
        )
    return predicted[known], actual[known], evidence.faces.photo[known]


def normalise_columns(counts: np.ndarray) -> np.ndarray:
    """Counts (..., S, S) as M[..., i, j]: the share of predicted i among faces of true j. No column may be empty."""
    shares: np.ndarray = counts / counts.sum(axis=-2, keepdims=True)
    return shares


def pack(evidence: Evidence) -> dict[str, np.ndarray]:
    """Evidence as named arrays, to be stored: photo, posterior_*, predicted_*, true_*, and the measures.

    Predictions are stored where there are no probabilities. `classes`, `name` and `way` belong beside them.
    """
    faces = evidence.faces
    arrays: dict[str, np.ndarray] = {"photo": faces.photo.astype(np.int32)}
    for attribute, places in faces.predicted.items():
        if attribute in faces.posteriors:
            arrays[f"posterior_{attribute}"] = faces.posteriors[attribute].astype(np.float16)
        else:
            arrays[f"predicted_{attribute}"] = places.astype(np.int16)
    arrays |= {f"true_{attribute}": places.astype(np.int16) for attribute, places in evidence.actual.items()}
    return arrays | {name: values.astype(np.float32) for name, values in faces.measures.items()}


def unpack(
    arrays: Mapping[str, np.ndarray],
    *,
    classes: Mapping[str, tuple[str, ...]],
    name: str = "FairFace",
    way: str = CHIPS,
) -> Evidence:
    """The reverse of `pack`; without `photo` each face is taken as a photo's only one.

    Raises NoEvidence("no_matrix") where no attribute of `classes` has both sides, and BadInput for what does not fit.
    """
    posteriors = {a: arrays[f"posterior_{a}"] for a in classes if f"posterior_{a}" in arrays}
    said = {a: arrays[f"predicted_{a}"] for a in classes if f"predicted_{a}" in arrays}
    predicted = faces_.predict_from(posteriors) | said
    actual = {a: arrays[f"true_{a}"] for a in classes if f"true_{a}" in arrays}
    if not predicted.keys() & actual.keys():
        raise NoEvidence("no_matrix", "the evidence holds no attribute with predictions and true labels")
    count = len(next(iter(actual.values())))
    found = Faces(
        photo=arrays.get("photo", np.arange(count)),
        classes={a: tuple(classes[a]) for a in predicted},
        predicted=predicted,
        posteriors=posteriors,
        measures={measure: arrays[measure] for measure in MEASURES if measure in arrays},
    )
    return Evidence(found, {a: places for a, places in actual.items() if a in predicted}, name, way)
