"""Of predictions beside labels: which a calibration calls sure, which labels their sets hold, and how often rightly."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ml import labels
from ml.calibration import Calibration, least_probabilities
from ml.datasets import face_set
from ml.measuring import breakdowns, number_fit, tables
from ml.measuring.alignment import Aligned, align
from ml.measuring.grouping import Grouping
from ml.measuring.predictions import Predictions


@dataclass(frozen=True)
class Sureness:
    """`sure` (M,) of each face, and `members` (M, G): whether a label is in its set; no column without a rule."""

    sure: np.ndarray
    members: np.ndarray


def judge(told: Aligned, *, calibration: Calibration, taxonomy: str) -> Sureness:
    """What a calibration says of these faces in a taxonomy of its attribute."""
    attribute, names = told.grouping.attribute, told.grouping.names
    least = least_probabilities(calibration.thresholds, attribute, taxonomy=taxonomy, names=names)
    sure = told.vectors.max(axis=1) >= least[told.vectors.argmax(axis=1)]
    if taxonomy not in calibration.sets.get(attribute, {}):
        return Sureness(sure, np.zeros((len(sure), 0), dtype=bool))
    members = np.zeros(told.vectors.shape, dtype=bool)
    places = {name: place for place, name in enumerate(names)}
    for row, shares in enumerate(told.vectors.tolist()):
        chosen = calibration.choose_set(attribute, shares, taxonomy=taxonomy, names=names)
        members[row, [places[name] for name in chosen]] = True
    return Sureness(sure, members)


def measure_sure(
    predictions: Predictions,
    faces: face_set.FaceSet,
    attribute: str,
    *,
    found: np.ndarray,
    calibration: Calibration,
) -> dict[str, tables.Sure]:
    """By each grouping that the calibration knows and the labels can tell; `found` as `align` takes it."""
    if attribute in predictions.labels_only:
        return {}
    finest = align(predictions, faces, attribute=attribute, found=found)
    measured = {}
    for taxonomy in calibration.thresholds.get(attribute, {}):
        grouping = _coarsen(finest.grouping, predictions, taxonomy=taxonomy)
        if grouping is None:
            continue
        told = align(predictions, faces, attribute=attribute, grouping=grouping, found=found)
        measured[taxonomy] = _measure_grouping(told, calibration=calibration, taxonomy=taxonomy)
    return measured


def _coarsen(finest: Grouping, predictions: Predictions, *, taxonomy: str) -> Grouping | None:
    attribute = finest.attribute
    if predictions.classes[attribute].names == labels.ATTRIBUTES.get(attribute):
        return finest.coarsen(taxonomy) if taxonomy in labels.taxonomies_of(attribute) else None
    # Of classes of its own the card knows one grouping, named after the attribute.
    return finest if taxonomy == attribute else None


def _measure_grouping(told: Aligned, *, calibration: Calibration, taxonomy: str) -> tables.Sure:
    attribute = told.grouping.attribute
    threshold = calibration.thresholds[attribute][taxonomy]
    found = judge(told, calibration=calibration, taxonomy=taxonomy)
    part = breakdowns.share_of(told.right[found.sure])
    rule = calibration.sets.get(attribute, {}).get(taxonomy)
    covered = found.members[np.arange(len(told.actual)), told.actual] if rule else np.zeros(0, dtype=bool)
    is_told = rule is not None and len(covered) > 0
    by_label = {}
    if isinstance(threshold, Mapping):
        for place, name in enumerate(told.grouping.names):
            mine = breakdowns.share_of(told.right[found.sure & (told.predicted == place)])
            of_label = covered[told.actual == place] if rule else covered
            by_label[name] = tables.SureLabel(
                threshold=threshold.get(name),
                n=mine.n,
                accuracy=mine.accuracy,
                low=mine.low,
                high=mine.high,
                set_coverage=breakdowns.rounded(of_label.mean()) if len(of_label) else None,
            )
    return tables.Sure(
        threshold=None if isinstance(threshold, Mapping) else threshold,
        images=len(found.sure),
        sure=breakdowns.rounded(found.sure.mean()) if len(found.sure) else None,
        accuracy_of_sure=part.accuracy,
        low=part.low,
        high=part.high,
        n=part.n,
        by_label=by_label,
        set_promise=rule.coverage if rule else None,
        set_coverage=breakdowns.rounded(covered.mean()) if is_told else None,
        set_size=breakdowns.rounded(found.members.sum(axis=1).mean()) if is_told else None,
    )


def measure_range(predictions: Predictions, told: Aligned, *, found: np.ndarray) -> tables.Range | None:
    """How often a number of which only the bin is labelled lies between low and high; None where that is not told."""
    attribute = told.grouping.attribute
    if predictions.ranges is None or told.grouping.names != labels.ATTRIBUTES.get(attribute) or not len(told.rows):
        return None
    ranges = predictions.ranges[found[told.rows]]
    read = np.column_stack([ranges[:, 0], ranges])  # the number itself is not looked at
    inside = number_fit.cover(read, told.actual, scale=labels.scale_of(attribute))
    return tables.Range(
        coverage=breakdowns.rounded(inside.mean()),
        width=breakdowns.rounded((ranges[:, 1] - ranges[:, 0]).mean()),
        by_bin={
            name: breakdowns.rounded(inside[told.actual == place].mean()) if (told.actual == place).any() else None
            for place, name in enumerate(told.grouping.names)
        },
    )
