"""Predictions and labels of one attribute side by side, in groups that both can say."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml import metrics
from ml.datasets import face_set
from ml.measuring.grouping import Grouping, find_grouping
from ml.measuring.predictions import Predictions

NO_ANSWER = -1  # predicted of a face whose whole probability lies in what the grouping leaves out


@dataclass(frozen=True)
class Aligned:
    """The M faces of which the attribute is labelled and predicted.

    `rows` (M,) are their positions in the face set, `vectors` (M, G) probabilities over the grouping's groups that sum
    to 1, `predicted` and `actual` (M,) positions of groups; `predicted` is NO_ANSWER, and wrong, where all probability
    is in what the grouping leaves out. `left_out` counts by reason the faces that are not among them.
    """

    grouping: Grouping
    rows: np.ndarray
    vectors: np.ndarray
    predicted: np.ndarray
    actual: np.ndarray
    left_out: dict[str, int]
    labels_only: bool = False

    @cached_property
    def right(self) -> np.ndarray:
        """(M,) whether the prediction is right."""
        right: np.ndarray = self.predicted == self.actual
        return right

    @cached_property
    def confusion(self) -> np.ndarray:
        """(G, G) numbers of faces: rows are the labels, columns the predictions."""
        told = self.predicted != NO_ANSWER
        return metrics.confusion(self.predicted[told], self.actual[told], count=len(self.grouping.names))


def align(
    predictions: Predictions,
    faces: face_set.FaceSet,
    *,
    attribute: str,
    grouping: Grouping | None = None,
    found: np.ndarray | None = None,
) -> Aligned:
    """One attribute in a grouping (None: the finest that both sides can say).

    Labels that the grouping leaves out are dropped, and so is the probability in them, the rest scaled to 1. `found`
    is `predictions.find(faces.files)`, if known. Raises NothingInCommon.
    """
    own, labelled = predictions.classes[attribute], faces.classes[attribute]
    if grouping is None:
        grouping = find_grouping([labelled, own])
    if found is None:
        found = predictions.find(faces.files)
    given, targets = predictions.vectors[attribute][found], faces.targets[attribute]
    unpredicted = (found < 0) | np.isnan(given).any(axis=1)
    unlabelled = targets == face_set.UNKNOWN
    actual = grouping.place_labels(targets, classes=labelled)
    rows = np.flatnonzero(~unpredicted & ~unlabelled & (actual != face_set.UNKNOWN))
    vectors = grouping.sum_vectors(given[rows], classes=own)
    answered = ~np.isnan(vectors).any(axis=1)
    vectors[~answered] = 1.0 / len(grouping.names)
    counts = {
        "no prediction": unpredicted.sum(),
        "no label": (~unpredicted & unlabelled).sum(),
        "label left out by the grouping": (~unpredicted & ~unlabelled & (actual == face_set.UNKNOWN)).sum(),
    }
    return Aligned(
        grouping=grouping,
        rows=rows,
        vectors=vectors,
        predicted=np.where(answered, vectors.argmax(axis=1), NO_ANSWER),
        actual=actual[rows],
        left_out={reason: int(count) for reason, count in counts.items() if count},
        labels_only=attribute in predictions.labels_only,
    )
