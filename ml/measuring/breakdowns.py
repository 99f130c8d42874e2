"""Shares among parts of the faces: groups, intersections, slices; counts, intervals and gaps beside them."""

import math
from collections.abc import Mapping
from itertools import combinations

import numpy as np

from ml import labels, metrics
from ml.datasets import face_set
from ml.measuring import fairness, slices
from ml.measuring.alignment import Aligned
from ml.measuring.predictions import Predictions
from ml.measuring.tables import Cell, Group, PairGap, Parting, Share, Years, YearsError

INTERSECTIONS = tuple(crossed for count in (2, 3) for crossed in combinations(labels.ATTRIBUTES, count))


def rounded(value: float) -> float | None:
    """A number with 4 digits (`metrics.shorten`); None for nan."""
    return None if math.isnan(value) else metrics.shorten(value)


def share_of(right: np.ndarray) -> Share:
    """The share that is right, of (N,) bool."""
    low, high = metrics.wilson_interval(int(right.sum()), len(right))
    accuracy = rounded(right.mean()) if len(right) else None
    return Share(len(right), accuracy, rounded(low), rounded(high))


def measure_groups(aligned: Aligned) -> dict[str, Group]:
    """Recall and precision of each group."""
    groups = {}
    for place, name in enumerate(aligned.grouping.names):
        recall = share_of(aligned.right[aligned.actual == place])
        precision = share_of(aligned.right[aligned.predicted == place])
        groups[name] = Group(
            labelled=recall.n,
            predicted=precision.n,
            recall=recall.accuracy,
            recall_interval=recall.interval,
            precision=precision.accuracy,
            precision_interval=precision.interval,
        )
    return groups


def measure_gap(aligned: Aligned, faces: face_set.FaceSet, name: str, *, parts: Mapping[str, Share]) -> Parting:
    """Worst to best of these parts, and fairlearn's differences between them."""
    gap = fairness.find_gap(parts)
    if name == aligned.grouping.attribute:  # groups that differ in the very label that is predicted have no parity
        return Parting(gap)
    groups, names = faces.targets[name][aligned.rows], aligned.grouping.names
    return Parting(gap, fairness.compare_rates(aligned.predicted, aligned.actual, names=names, groups=groups))


def measure_intersections(aligned: Aligned, faces: face_set.FaceSet) -> dict[str, tuple[Cell, ...]]:
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
        found[" x ".join(crossed)] = tuple(
            Cell(
                {name: faces.classes[name].names[place] for name, place in zip(crossed, cell, strict=True)},
                share_of(right[which == number]),
            )
            for number, cell in enumerate(cells.tolist())
        )
    return found


def measure_slices(aligned: Aligned, slicing: slices.Slicing) -> dict[str, Share]:
    """The accuracy in each part."""
    places = slicing.places[aligned.rows]
    return {name: share_of(aligned.right[places == place]) for place, name in enumerate(slicing.names)}


def measure_label_gap(aligned: Aligned, faces: face_set.FaceSet) -> dict[str, PairGap]:
    """Of two labels the recall in each group, and the difference."""
    groups, names = faces.targets[labels.BY][aligned.rows], aligned.grouping.names
    gaps = {}
    for place, group in enumerate(faces.classes[labels.BY].names):
        actual = aligned.actual[groups == place]
        first, second = metrics.by_group(aligned.predicted[groups == place], actual, groups=actual, count=2)
        recall = {names[0]: rounded(first), names[1]: rounded(second)}
        gaps[group] = PairGap(recall, rounded(first - second))
    return gaps


def measure_years(predictions: Predictions, faces: face_set.FaceSet, *, found: np.ndarray) -> Years | None:
    """The error of the age in years; None where one side does not tell it."""
    if predictions.years is None or faces.years is None:
        return None
    said = np.where(found >= 0, predictions.years[found], np.nan)
    errors = said - faces.years
    known = ~np.isnan(errors)
    if not known.any():
        return None
    inside = None
    if predictions.ranges is not None:
        low, high = np.rint(predictions.ranges[found]).T  # as they are told
        inside = (low <= faces.years) & (faces.years <= high)

    def part(among: np.ndarray) -> YearsError:
        here = errors[among & known]
        if not len(here):
            return YearsError(0, None, None)
        share = None if inside is None else rounded(inside[among & known].mean())
        return YearsError(len(here), round(float(np.abs(here).mean()), 2), round(float(here.mean()), 2), share)

    overall = part(known)
    return Years(
        mean_absolute_error_years=overall.mean_absolute_error,
        bias_years=overall.bias,
        inside=overall.inside,
        by={
            name: {label: part(faces.targets[name] == place) for place, label in enumerate(of.names)}
            for name, of in faces.classes.items()
        },
    )
