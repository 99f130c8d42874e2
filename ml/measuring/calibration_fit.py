"""Temperature and thresholds of one attribute, fitted to labels that may be coarser than the network's."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml import errors, labels, metrics
from ml.datasets import face_set
from ml.measuring.alignment import align
from ml.measuring.grouping import Grouping, NothingInCommon, find_grouping
from ml.measuring.predictions import Predictions
from ml.model import temperature_scaling
from ml.model.card import ModelCard

LEAST_IMAGES = 50  # with fewer an attribute is left as it was
FEW_IMAGES = 1000  # with fewer its numbers are told to be loose
LEAST_SURE = 20  # images over a threshold without which it would rest on luck


@dataclass(frozen=True)
class Threshold:
    """Under which probability one grouping of an attribute is "unsure".

    `target` is the accuracy wanted of the rest, None where the data set cannot tell this grouping: then the old
    threshold was moved so that as many faces stay sure. `sure` is the share of these, `accuracy` theirs; nan of none.
    `is_reached` is False where no threshold reaches the target.
    """

    value: float
    sure: float
    target: float | None = None
    accuracy: float | None = None
    is_reached: bool = True


@dataclass(frozen=True)
class Fit:
    """What was fitted to one attribute, and the calibration error and likelihood before and after it."""

    images: int
    groups: tuple[str, ...]
    temperatures: tuple[float, float]
    errors: tuple[float, float]
    likelihoods: tuple[float, float]
    thresholds: dict[str, Threshold]


def groupings_of(card: ModelCard, attribute: str) -> tuple[str, ...]:
    """The groupings an attribute has thresholds in; of labels of its own only one, named after the attribute."""
    if labels.is_told_in_taxonomies(attribute, card.labels[attribute]):
        return labels.taxonomies_of(attribute)
    return (attribute,)


def find_labelled_groups(card: ModelCard, faces: face_set.FaceSet, *, attribute: str) -> Grouping | None:
    """The finest groups that labels and network can say; None, with a warning, where there is too little to fit on."""
    kept = f"{attribute} stays as it was"
    if attribute not in faces.classes:
        _warn(f"the images have no labels of {attribute}: {kept}")
        return None
    own, labelled = face_set.Classes(attribute, card.labels[attribute]), faces.classes[attribute]
    try:
        grouping = find_grouping([own, labelled])
    except NothingInCommon as error:
        _warn(f"{error}: {kept}")
        return None
    count = int(np.sum(grouping.place_labels(faces.targets[attribute], classes=labelled) != face_set.UNKNOWN))
    if count < LEAST_IMAGES:
        _warn(f"{count} images with a label of {attribute} are too few to calibrate it: {kept}")
        return None
    if count < FEW_IMAGES:
        _warn(f"{count} images are few to calibrate {attribute} on: other ones would give other numbers")
    return grouping


def fit_attribute(
    card: ModelCard,
    logits: np.ndarray,
    faces: face_set.FaceSet,
    *,
    attribute: str,
    grouping: Grouping,
    targets: Mapping[str, float],
) -> Fit:
    """A temperature and thresholds for one attribute, from its logits (N, K) and the labels in these groups.

    `targets` are accuracies by grouping, over `temperature_scaling.TARGETS`.
    """
    own = face_set.Classes(attribute, card.labels[attribute])

    def answer(temperature: float) -> Predictions:
        vectors = {attribute: metrics.softmax(logits.astype(np.float64) / temperature)}
        return Predictions(card.name, faces.files, vectors, {attribute: own})

    old = card.temperatures.get(attribute, 1.0)
    before = align(answer(old), faces, attribute=attribute, grouping=grouping)
    fitted_on = {"logits": logits[before.rows], "actual": before.actual, "groups": grouping.place(own)}
    new = temperature_scaling.fit_temperature(**fitted_on)
    if temperature_scaling.is_at_limit(new):
        tried = temperature_scaling.TEMPERATURES
        _warn(f"{attribute}: no temperature from {tried} fits best, so these images are no measure")
    after = align(answer(new), faces, attribute=attribute, grouping=grouping)
    return Fit(
        images=len(before.rows),
        groups=grouping.names,
        temperatures=(old, new),
        errors=(
            metrics.calibration_error(before.vectors, before.actual),
            metrics.calibration_error(after.vectors, after.actual),
        ),
        likelihoods=(
            temperature_scaling.negative_log_likelihood(temperature=old, **fitted_on),
            temperature_scaling.negative_log_likelihood(temperature=new, **fitted_on),
        ),
        thresholds=_fit_thresholds(card, faces, answers=(answer(old), answer(new)), finest=grouping, targets=targets),
    )


def _fit_thresholds(
    card: ModelCard,
    faces: face_set.FaceSet,
    *,
    answers: tuple[Predictions, Predictions],
    finest: Grouping,
    targets: Mapping[str, float],
) -> dict[str, Threshold]:
    """Per grouping; those that the labels cannot tell are moved along from before to after."""
    attribute, found = finest.attribute, {}
    has_own_labels = not labels.is_told_in_taxonomies(attribute, card.labels[attribute])
    for name in groupings_of(card, attribute):
        grouping = finest if has_own_labels else finest.coarsen(name)
        if grouping is not None:
            told = align(answers[1], faces, attribute=attribute, grouping=grouping)
            confidence = told.vectors.max(axis=1)
            default = temperature_scaling.OWN_TARGET if has_own_labels else temperature_scaling.TARGETS[attribute][name]
            target = targets.get(name, default)
            fitted = temperature_scaling.fit_threshold(confidence, told.right, target=target, least=LEAST_SURE)
            value = temperature_scaling.NEVER_SURE if fitted is None else fitted
            sure = confidence >= value
            accuracy = metrics.accuracy(told.predicted[sure], told.actual[sure])
            found[name] = Threshold(value, float(sure.mean()), target, accuracy, is_reached=fitted is not None)
            if fitted is None:
                _warn(f"{attribute} in {name} does not reach {target:.0%}: nearly every face will be unsure")
        elif name in card.thresholds.get(attribute, {}):
            value = card.thresholds[attribute][name]
            groups = face_set.classes_in(attribute, taxonomy=name)
            before, after = (_confidence(answer, groups=groups) for answer in answers)
            moved = temperature_scaling.move_threshold(before, after, threshold=value)
            found[name] = Threshold(moved, float(np.mean(after >= moved)))
            _warn(f"these labels cannot tell {attribute} in {name}: as many faces stay unsure as before")
    return found


def _confidence(answer: Predictions, *, groups: face_set.Classes) -> np.ndarray:
    """The top probability (N,) of every face in these groups."""
    own = answer.classes[groups.attribute]
    vectors = find_grouping([groups, own]).sum_vectors(answer.vectors[groups.attribute], classes=own)
    largest: np.ndarray = np.nan_to_num(vectors).max(axis=1)
    return largest


def describe_fit(fit: Fit) -> dict[str, Any]:
    """What the card keeps of a fit."""
    return {
        "images": fit.images,
        "groups": list(fit.groups),
        "ece_before": round(fit.errors[0], 4),
        "ece_after": round(fit.errors[1], 4),
        "targets": {name: found.target for name, found in fit.thresholds.items() if found.target is not None},
    }


def tell_fits(fits: Mapping[str, Fit]) -> str:
    """What was fitted, for people."""
    lines = []
    for attribute, fit in fits.items():
        lines.append(
            f"{attribute}, {fit.images} images: temperature {fit.temperatures[0]:.3f} -> {fit.temperatures[1]:.3f}, "
            f"calibration error {fit.errors[0]:.3f} -> {fit.errors[1]:.3f}, "
            f"negative log-likelihood {fit.likelihoods[0]:.3f} -> {fit.likelihoods[1]:.3f}"
        )
        for name, found in fit.thresholds.items():
            right = f", {found.accuracy:.1%} of them right" if found.accuracy is not None and found.sure else ""
            wanted = f" (target {found.target:.0%})" if found.target is not None else ""
            lines.append(f"  {name:12} unsure under {found.value:.2f}: {found.sure:.1%} sure{right}{wanted}")
    return "\n".join(lines)


def _warn(message: str) -> None:
    warnings.warn(message, errors.DataWarning, stacklevel=2)
