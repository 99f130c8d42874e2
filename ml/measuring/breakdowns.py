"""Shares among parts of the faces: groups, intersections, slices; counts, intervals and gaps beside them."""

import math
from itertools import combinations
from typing import Any

import numpy as np

from ml import labels, metrics
from ml.datasets import face_set
from ml.measuring import fairness, slices
from ml.measuring.alignment import Aligned
from ml.measuring.predictions import Predictions

INTERSECTIONS = tuple(crossed for count in (2, 3) for crossed in combinations(labels.ATTRIBUTES, count))


def rounded(value: float) -> float | None:
    """A number with 4 digits; None for nan."""
    return None if math.isnan(value) else round(float(value), 4)


def share_of(right: np.ndarray) -> dict[str, Any]:
    """{n, accuracy, low, high} of (N,) bool."""
    low, high = metrics.wilson_interval(int(right.sum()), len(right))
    accuracy = rounded(right.mean()) if len(right) else None
    return {"n": len(right), "accuracy": accuracy, "low": rounded(low), "high": rounded(high)}


def measure_groups(aligned: Aligned) -> dict[str, dict[str, Any]]:
    """Recall and precision of each group, as `measures.measure` tells them; so do the others below."""
    groups = {}
    for place, name in enumerate(aligned.grouping.names):
        recall = share_of(aligned.right[aligned.actual == place])
        precision = share_of(aligned.right[aligned.predicted == place])
        groups[name] = {
            "labelled": recall["n"],
            "predicted": precision["n"],
            "recall": recall["accuracy"],
            "recall_interval": [recall["low"], recall["high"]],
            "precision": precision["accuracy"],
            "precision_interval": [precision["low"], precision["high"]],
        }
    return groups


def measure_gap(
    aligned: Aligned, faces: face_set.FaceSet, name: str, *, parts: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Worst to best of these parts, and fairlearn's differences between them."""
    gap = fairness.find_gap(parts) or {}
    if name == aligned.grouping.attribute:  # groups that differ in the very label that is predicted have no parity
        return gap
    groups = faces.targets[name][aligned.rows]
    return gap | fairness.compare_rates(aligned.predicted, aligned.actual, names=aligned.grouping.names, groups=groups)


def measure_intersections(aligned: Aligned, faces: face_set.FaceSet) -> dict[str, list[dict[str, Any]]]:
    """The cells that hold a face, in the order of the classes."""
    found = {}
    for crossed in INTERSECTIONS:
        if any(name not in faces.classes for name in crossed):
            continue
        places = np.stack([faces.targets[name][aligned.rows] for name in crossed], axis=1)
        known = (places != face_set.UNKNOWN).all(axis=1)
        right = aligned.right[known]
        cells, which = np.unique(places[known], axis=0, return_inverse=True)
        which = which.reshape(-1)
        found[" x ".join(crossed)] = [
            {
                **{name: faces.classes[name].names[place] for name, place in zip(crossed, cell, strict=True)},
                **share_of(right[which == number]),
            }
            for number, cell in enumerate(cells.tolist())
        ]
    return found


def measure_slices(aligned: Aligned, slicing: slices.Slicing) -> list[dict[str, Any]]:
    """The accuracy in each part."""
    places = slicing.places[aligned.rows]
    return [{"slice": name, **share_of(aligned.right[places == place])} for place, name in enumerate(slicing.names)]


def measure_label_gap(aligned: Aligned, faces: face_set.FaceSet) -> dict[str, dict[str, float | None]]:
    """Of two labels the recall in each group, and the difference."""
    groups, names = faces.targets[labels.BY][aligned.rows], aligned.grouping.names
    gaps = {}
    for place, group in enumerate(faces.classes[labels.BY].names):
        actual = aligned.actual[groups == place]
        first, second = metrics.by_group(aligned.predicted[groups == place], actual, groups=actual, count=2)
        gaps[group] = {names[0]: rounded(first), names[1]: rounded(second), "gap": rounded(first - second)}
    return gaps


def measure_years(predictions: Predictions, faces: face_set.FaceSet, *, found: np.ndarray) -> dict[str, Any]:
    """The error of the age in years; empty where one side does not tell it."""
    if predictions.years is None or faces.years is None:
        return {}
    said = np.where(found >= 0, predictions.years[found], np.nan)
    errors = said - faces.years
    known = ~np.isnan(errors)
    if not known.any():
        return {}

    def part(among: np.ndarray) -> dict[str, Any]:
        here = errors[among & known]
        if not len(here):
            return {"n": 0, "mean_absolute_error": None, "bias": None}
        return {
            "n": len(here),
            "mean_absolute_error": round(float(np.abs(here).mean()), 2),
            "bias": round(float(here.mean()), 2),
        }

    overall = part(known)
    return {
        "mean_absolute_error_years": overall["mean_absolute_error"],
        "bias_years": overall["bias"],
        "years_by": {
            name: {label: part(faces.targets[name] == place) for place, label in enumerate(of.names)}
            for name, of in faces.classes.items()
        },
    }
