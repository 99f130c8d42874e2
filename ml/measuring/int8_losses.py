"""What weights and activations of 8 bits cost each group of people, and what may not be exported therefore."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml import labels, metrics
from ml.datasets import face_set
from ml.measuring.alignment import Aligned, align
from ml.measuring.grouping import NothingInCommon
from ml.measuring.predictions import Predictions

# The share that int8 may lose in any group, in any attribute.
LARGEST_LOSS = 0.005
LEAST_GROUP = round(1 / LARGEST_LOSS)  # of fewer faces a single one would decide
CALIBRATION_CHIPS = 256


class ExportRefused(Exception):
    """The exported model does not do what the network does; nothing was written."""


@dataclass(frozen=True)
class Loss:
    """What int8 loses of an attribute among the chips of one group (or all of them), in shares 0..1."""

    attribute: str
    group: str
    images: int
    before: float
    after: float

    @property
    def lost(self) -> float:
        return self.before - self.after


def split_faces(faces: face_set.FaceSet) -> tuple[np.ndarray, face_set.FaceSet]:
    """Chips to calibrate on, drawn at random, and the rest to measure on: never the same ones.

    Raises ExportRefused where there are not enough for both.
    """
    order = np.random.default_rng(1).permutation(len(faces))
    count = min(CALIBRATION_CHIPS, len(faces) // 2)
    if not count:
        raise ExportRefused(f"int8 cannot be calibrated and measured on {len(faces)} faces")
    return faces.images[np.sort(order[:count])], faces.take(np.sort(order[count:]))


def measure_losses(before: Predictions, *, after: Predictions, faces: face_set.FaceSet) -> list[Loss]:
    """Per labelled attribute, over all chips and in each group that has any, the accuracies of both.

    The groups are those of `labels.BY`, where the set labels them, and those of the attribute itself: a mean over women
    and men hides what either loses. Raises ExportRefused where labels and network have nothing in common.
    """
    losses = []
    for attribute in before.classes:
        if attribute not in faces.classes:
            continue
        try:
            one, two = (align(told, faces, attribute=attribute) for told in (before, after))
        except NothingInCommon:
            continue
        for group, among in _groups(one, faces).items():
            accuracies = (metrics.accuracy(told.predicted[among], told.actual[among]) for told in (one, two))
            losses.append(Loss(attribute, group, int(among.sum()), *accuracies))
    if not losses:
        raise ExportRefused("the labels of these faces are none that the network gives: what int8 loses is not known")
    return losses


def _groups(told: Aligned, faces: face_set.FaceSet) -> dict[str, np.ndarray]:
    """Who is among the aligned faces (M,) bool: all, and each group with any face."""
    groups = {"all": np.ones(len(told.rows), dtype=bool)}
    partings = [(told.grouping.names, told.actual)]
    if labels.BY in faces.classes and told.grouping.attribute != labels.BY:
        partings.insert(0, (faces.classes[labels.BY].names, faces.targets[labels.BY][told.rows]))
    for names, of in partings:
        groups |= {name: of == number for number, name in enumerate(names) if np.any(of == number)}
    return groups


def tell_losses(losses: Sequence[Loss], *, faces: face_set.FaceSet) -> None:
    """Print what int8 does to each group, and the groups of which that is not known."""
    for loss in losses:
        print(
            f"{loss.attribute:6} {loss.group:16} {loss.images:6} images  "
            f"float32 {loss.before:.2%}  int8 {loss.after:.2%}  {(loss.after - loss.before) * 100:+.2f} points"
            + ("" if _is_judged(loss) else "  (too few to judge)")
        )
    for name in faces.classes[labels.BY].names if labels.BY in faces.classes else ():
        if not any(loss.group == name for loss in losses):
            print(f"no images of {name}: what int8 does to them is not known")


def check_losses(losses: Sequence[Loss]) -> None:
    """Raise ExportRefused where a group of at least LEAST_GROUP faces, or all of them, loses more than it may."""
    bad = [loss for loss in losses if loss.lost > LARGEST_LOSS and _is_judged(loss)]
    if bad:
        told = ", ".join(f"{loss.attribute} of {loss.group} {loss.lost * 100:.2f}" for loss in bad)
        raise ExportRefused(f"int8 loses more than {LARGEST_LOSS * 100} points: {told}")


def _is_judged(loss: Loss) -> bool:
    return loss.group == "all" or loss.images >= LEAST_GROUP
