"""Every measure of predictions against labels, as values that JSON can hold."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ml import labels, metrics
from ml.attributes import ATTRIBUTES
from ml.datasets import face_set
from ml.measuring import breakdowns, slices
from ml.measuring.alignment import NO_ANSWER, Aligned, align
from ml.measuring.grouping import NothingInCommon
from ml.measuring.predictions import Predictions

SUREST_SHARE = 0.8
COVERAGE_SHARES = tuple(step / 20 for step in range(20, 0, -1))
# What a checkpoint's card keeps of each attribute.
RECORDED = (
    "accuracy",
    "balanced_accuracy",
    *(f"by_{name}" for name in (labels.BY, *labels.ORDERED)),
    "ece",
    "accuracy_of_surest_80_percent",
    "confusion",
    "by_taxonomy",
    f"gap_by_{labels.BY}",
    "within_one_bin",
    "mean_absolute_error_years",
)

Thresholds = Mapping[str, Mapping[str, float]]


def measure(
    predictions: Predictions, faces: face_set.FaceSet, *, thresholds: Thresholds | None = None
) -> dict[str, Any]:
    """All measures. Shares are 0..1 with 4 digits, intervals 95 % (Wilson), None what cannot be said.

    Predictions and labels are first brought to the finest grouping that both can say; files that only one side has are
    counted. Raises BadData where nothing can be measured. The keys:

    - `name` (whose predictions), `images` (labelled and predicted), `faces` (in the data set), `unpredicted` (faces
      without a prediction), `left_out` (by the data's reader, by reason), `not_measured` {attribute: why};
    - `sure` {attribute: {taxonomy: {threshold, images, sure (their share that is not "unsure"), accuracy_of_sure, low,
      high, n (of the sure)}}} for the `thresholds`;
    - one table for each attribute that both sides tell:
        - `grouping` (a taxonomy's name, or ""), `names`, `images`, `left_out` {reason: count}, `labels_only`;
        - `accuracy`, `accuracy_interval` [low, high], `balanced_accuracy`, `unanswered` (faces whose whole probability
          is in what the grouping leaves out: wrong);
        - `groups` {name: {labelled, predicted, recall, recall_interval, precision, precision_interval}};
        - `confusion` (rows are labels, columns predictions, both in the order of `names`);
        - `by_race`, `by_gender`, `by_age` {label: accuracy}, and `parts` {labelled attribute: {label: {n, accuracy,
          low, high}}}: the accuracy of this attribute among the faces labelled so, in the data's own classes;
        - `gaps` {labelled attribute: {worst, worst_accuracy, best, best_accuracy, gap, and unless it is this very
          attribute demographic_parity_difference and equalised_odds_difference, as `ml.measuring.fairness` says}};
        - `intersections` {"race x gender x age" and pairs: [{race, gender, age, n, accuracy, low, high}]};
        - `slices` {size, sharpness, brightness, colour: [{slice, n, accuracy, low, high}]};
        - where probabilities are told: `ece`, `reliability` [{low, high, n, confidence, accuracy}],
          `accuracy_of_surest_80_percent`, `coverage` [{share, n, threshold, accuracy}];
        - of what has taxonomies (race): `by_taxonomy` {taxonomy: accuracy}, `taxonomies` {taxonomy: {images, accuracy,
          low, high, balanced_accuracy, recall {group: share}}}, for each that is a sum of the grouping;
        - of what has two labels (gender): `gap_by_race` {race: {label: recall, label: recall, gap}} with the first
          label minus the second;
        - of what is ordinal (age): `within_one_bin`, `mean_bins_off`, and where years are told on both sides
          `mean_absolute_error_years`, `bias_years` (predicted minus true), `years_by` {labelled attribute: {label: {n,
          mean_absolute_error, bias}}}.
    """
    found = predictions.find(faces.files)
    if not (found >= 0).any():
        told = f"the predictions name theirs like {predictions.files[0]}" if predictions.files else "there are none"
        wanted = f", such as {faces.files[0]}," if faces.files else ""
        raise face_set.BadData(f"None of the {len(faces)} faces{wanted} is predicted: {told}")
    report: dict[str, Any] = {
        "name": predictions.name,
        "images": int((found >= 0).sum()),
        "faces": len(faces),
        "unpredicted": int((found < 0).sum()),
        "left_out": dict(faces.left_out),
        "not_measured": {},
        "sure": {},
    }
    quality = slices.slice_by_quality(faces, rows=np.flatnonzero(found >= 0))
    for attribute in predictions.classes:
        try:
            report[attribute] = _measure_attribute(predictions, faces, attribute, found=found, quality=quality)
        except (NothingInCommon, face_set.EmptySet) as error:
            report["not_measured"][attribute] = str(error)
            continue
        report["sure"][attribute] = _measure_sure(
            predictions, faces, attribute, found=found, thresholds=(thresholds or {}).get(attribute, {})
        )
    if not report["sure"]:
        reasons = [f"{reason} ({', '.join(names)})" for reason, names in group_reasons(report["not_measured"]).items()]
        raise face_set.BadData("Nothing can be measured", names=reasons)
    report["sure"] = {name: by_taxonomy for name, by_taxonomy in report["sure"].items() if by_taxonomy}
    return report


def shorten(report: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a report that a checkpoint's card keeps."""
    short: dict[str, Any] = {"images": report["images"]}
    for attribute in attributes_of(report):
        table = report[attribute]
        short[attribute] = {key: table[key] for key in RECORDED if key in table}
        short[attribute]["grouping"] = table["grouping"]
        if f"by_{attribute}" not in RECORDED:  # recall among its own labels, which that says of others
            short[attribute]["recall"] = {name: of["recall"] for name, of in table["groups"].items()}
    kept = ("threshold", "sure", "accuracy_of_sure")
    short["sure"] = {
        attribute: {taxonomy: {key: of[key] for key in kept} for taxonomy, of in by_taxonomy.items()}
        for attribute, by_taxonomy in report["sure"].items()
    }
    return short


def group_reasons(not_measured: Mapping[str, str]) -> dict[str, list[str]]:
    """By each reason the attributes that are not measured for it."""
    found: dict[str, list[str]] = {}
    for attribute, reason in not_measured.items():
        found.setdefault(reason, []).append(attribute)
    return found


def attributes_of(report: Mapping[str, Any]) -> list[str]:
    """The attributes that a report measures, in its order."""
    return [name for name, table in report.items() if isinstance(table, dict) and "accuracy" in table]


def _measure_attribute(
    predictions: Predictions,
    faces: face_set.FaceSet,
    attribute: str,
    *,
    found: np.ndarray,
    quality: list[slices.Slicing],
) -> dict[str, Any]:
    if attribute not in faces.classes:
        raise NothingInCommon("the data set has no such labels")
    aligned = align(predictions, faces, attribute=attribute, found=found)
    if not len(aligned.rows):
        raise face_set.EmptySet(f"not one face is both labelled and predicted; left out: {aligned.left_out}")
    names, right = aligned.grouping.names, aligned.right
    overall = breakdowns.share_of(right)
    parts = {
        name: {
            label: breakdowns.share_of(right[faces.targets[name][aligned.rows] == place])
            for place, label in enumerate(faces.classes[name].names)
        }
        for name in faces.classes
    }
    table: dict[str, Any] = {
        "grouping": aligned.grouping.taxonomy,
        "names": list(names),
        "images": overall["n"],
        "left_out": aligned.left_out,
        "labels_only": aligned.labels_only,
        "accuracy": overall["accuracy"],
        "accuracy_interval": [overall["low"], overall["high"]],
        "balanced_accuracy": breakdowns.rounded(
            metrics.balanced_accuracy(aligned.predicted, aligned.actual, count=len(names))
        ),
        "unanswered": int((aligned.predicted == NO_ANSWER).sum()),
        "groups": breakdowns.measure_groups(aligned),
        "confusion": aligned.confusion.tolist(),
        **{f"by_{name}": {label: part["accuracy"] for label, part in of.items()} for name, of in parts.items()},
        "parts": parts,
        "gaps": {name: breakdowns.measure_gap(aligned, faces, name, parts=of) for name, of in parts.items()},
        "intersections": breakdowns.measure_intersections(aligned, faces),
        "slices": {slicing.name: breakdowns.measure_slices(aligned, slicing) for slicing in quality},
    }
    if not aligned.labels_only:
        table |= _measure_confidence(aligned)
    declared = ATTRIBUTES.get(attribute)
    if declared and declared.taxonomies:
        table |= _measure_taxonomies(predictions, faces, aligned, found=found)
    if declared and declared.is_of_two and len(names) == 2 and labels.BY in faces.classes:
        table[f"gap_by_{labels.BY}"] = breakdowns.measure_label_gap(aligned, faces)
    if aligned.grouping.ordered:
        off = np.abs(aligned.predicted - aligned.actual)[aligned.predicted != NO_ANSWER]
        table["within_one_bin"] = breakdowns.rounded((off <= 1).sum() / len(aligned.rows))
        table["mean_bins_off"] = breakdowns.rounded(off.mean()) if len(off) else None
    if attribute == labels.IN_YEARS:
        table |= breakdowns.measure_years(predictions, faces, found=found)
    return table


def _measure_confidence(aligned: Aligned) -> dict[str, Any]:
    bins = metrics.reliability_bins(aligned.vectors, aligned.actual)
    edges = np.linspace(0, 1, len(bins.counts) + 1)
    curve = metrics.coverage_curve(aligned.vectors, aligned.actual, shares=COVERAGE_SHARES)
    return {
        "ece": breakdowns.rounded(metrics.calibration_error(aligned.vectors, aligned.actual)),
        "reliability": [
            {
                "low": breakdowns.rounded(edges[number]),
                "high": breakdowns.rounded(edges[number + 1]),
                "n": int(count),
                "confidence": breakdowns.rounded(bins.confidence[number]),
                "accuracy": breakdowns.rounded(bins.accuracy[number]),
            }
            for number, count in enumerate(bins.counts)
        ],
        "accuracy_of_surest_80_percent": breakdowns.rounded(
            metrics.accuracy_of_surest(aligned.vectors, aligned.actual, share=SUREST_SHARE)
        ),
        "coverage": [
            {
                "share": point.share,
                "n": point.count,
                "threshold": breakdowns.rounded(point.threshold),
                "accuracy": breakdowns.rounded(point.accuracy),
            }
            for point in curve
        ],
    }


def _measure_taxonomies(
    predictions: Predictions, faces: face_set.FaceSet, aligned: Aligned, *, found: np.ndarray
) -> dict[str, Any]:
    tables = {}
    for taxonomy in labels.taxonomies_of(aligned.grouping.attribute):
        coarse = aligned.grouping.coarsen(taxonomy)
        if coarse is None:
            continue
        told = align(predictions, faces, attribute=aligned.grouping.attribute, grouping=coarse, found=found)
        part = breakdowns.share_of(told.right)
        recall = metrics.by_group(told.predicted, told.actual, groups=told.actual, count=len(coarse.names))
        tables[taxonomy] = {
            "images": part["n"],
            "accuracy": part["accuracy"],
            "low": part["low"],
            "high": part["high"],
            "balanced_accuracy": breakdowns.rounded(
                metrics.balanced_accuracy(told.predicted, told.actual, count=len(coarse.names))
            ),
            "recall": {name: breakdowns.rounded(value) for name, value in zip(coarse.names, recall, strict=True)},
        }
    return {"by_taxonomy": {name: table["accuracy"] for name, table in tables.items()}, "taxonomies": tables}


def _measure_sure(
    predictions: Predictions,
    faces: face_set.FaceSet,
    attribute: str,
    *,
    found: np.ndarray,
    thresholds: Mapping[str, float],
) -> dict[str, dict[str, Any]]:
    if attribute in predictions.labels_only:
        return {}
    finest = align(predictions, faces, attribute=attribute, found=found)
    tables = {}
    for taxonomy, threshold in thresholds.items():
        if predictions.classes[attribute].names == labels.ATTRIBUTES.get(attribute):
            grouping = finest.grouping.coarsen(taxonomy) if taxonomy in labels.taxonomies_of(attribute) else None
        else:  # of classes of its own the card knows one grouping, named after the attribute
            grouping = finest.grouping if taxonomy == attribute else None
        if grouping is None:
            continue
        told = align(predictions, faces, attribute=attribute, grouping=grouping, found=found)
        sure = told.vectors.max(axis=1) >= threshold
        part = breakdowns.share_of(told.right[sure])
        tables[taxonomy] = {
            "threshold": threshold,
            "images": len(sure),
            "sure": breakdowns.rounded(sure.mean()) if len(sure) else None,
            "accuracy_of_sure": part["accuracy"],
            "low": part["low"],
            "high": part["high"],
            "n": part["n"],
        }
    return tables
