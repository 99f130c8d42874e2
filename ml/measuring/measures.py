"""Every measure of predictions against labels."""

from collections.abc import Mapping

import numpy as np

from ml import labels, metrics
from ml.attributes import ATTRIBUTES
from ml.calibration import Calibration
from ml.datasets import face_set
from ml.measuring import breakdowns, slices, tables
from ml.measuring.alignment import NO_ANSWER, Aligned, align
from ml.measuring.grouping import NothingInCommon
from ml.measuring.predictions import Predictions
from ml.measuring.sureness import measure_range, measure_sure

SUREST_SHARE = 0.8
COVERAGE_SHARES = tuple(step / 20 for step in range(20, 0, -1))


def measure(
    predictions: Predictions, faces: face_set.FaceSet, *, calibration: Calibration | None = None
) -> tables.Measures:
    """All measures.

    Predictions and labels are first brought to the finest grouping that both can say; files that only one side has are
    counted. `calibration` says what is sure, and which labels a set holds. Raises BadData where nothing can be
    measured.
    """
    found = predictions.find(faces.files)
    if not (found >= 0).any():
        told = f"the predictions name theirs like {predictions.files[0]}" if predictions.files else "there are none"
        wanted = f", such as {faces.files[0]}," if faces.files else ""
        raise face_set.BadData(f"None of the {len(faces)} faces{wanted} is predicted: {told}")
    attributes: dict[str, tables.AttributeMeasures] = {}
    not_measured: dict[str, str] = {}
    sure: dict[str, dict[str, tables.Sure]] = {}
    quality = slices.slice_by_quality(faces, rows=np.flatnonzero(found >= 0))
    for attribute in predictions.classes:
        try:
            attributes[attribute] = _measure_attribute(predictions, faces, attribute, found=found, quality=quality)
        except (NothingInCommon, face_set.EmptySet) as error:
            not_measured[attribute] = str(error)
            continue
        if calibration:
            sure[attribute] = measure_sure(predictions, faces, attribute, found=found, calibration=calibration)
    if not attributes:
        reasons = [f"{reason} ({', '.join(names)})" for reason, names in group_reasons(not_measured).items()]
        raise face_set.BadData("Nothing can be measured", names=reasons)
    return tables.Measures(
        name=predictions.name,
        images=int((found >= 0).sum()),
        faces=len(faces),
        unpredicted=int((found < 0).sum()),
        left_out=dict(faces.left_out),
        not_measured=not_measured,
        sure={name: by_taxonomy for name, by_taxonomy in sure.items() if by_taxonomy},
        attributes=attributes,
    )


def group_reasons(not_measured: Mapping[str, str]) -> dict[str, list[str]]:
    """By each reason the attributes that are not measured for it."""
    found: dict[str, list[str]] = {}
    for attribute, reason in not_measured.items():
        found.setdefault(reason, []).append(attribute)
    return found


def _measure_attribute(
    predictions: Predictions,
    faces: face_set.FaceSet,
    attribute: str,
    *,
    found: np.ndarray,
    quality: list[slices.Slicing],
) -> tables.AttributeMeasures:
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
    declared = ATTRIBUTES.get(attribute)
    in_taxonomies = declared is not None and bool(declared.taxonomies)
    of_two = declared is not None and declared.is_of_two and len(names) == 2 and labels.BY in faces.classes
    return tables.AttributeMeasures(
        grouping=aligned.grouping.taxonomy,
        names=tuple(names),
        images=overall.n,
        left_out=aligned.left_out,
        labels_only=aligned.labels_only,
        accuracy=overall.accuracy,
        accuracy_interval=overall.interval,
        balanced_accuracy=breakdowns.rounded(
            metrics.balanced_accuracy(aligned.predicted, aligned.actual, count=len(names))
        ),
        unanswered=int((aligned.predicted == NO_ANSWER).sum()),
        groups=breakdowns.measure_groups(aligned),
        confusion=tuple(tuple(row) for row in aligned.confusion.tolist()),
        parts=parts,
        gaps={name: breakdowns.measure_gap(aligned, faces, name, parts=of) for name, of in parts.items()},
        intersections=breakdowns.measure_intersections(aligned, faces),
        slices={slicing.name: breakdowns.measure_slices(aligned, slicing) for slicing in quality},
        confidence=None if aligned.labels_only else _measure_confidence(aligned),
        taxonomies=_measure_taxonomies(predictions, faces, aligned, found=found) if in_taxonomies else None,
        label_gap=breakdowns.measure_label_gap(aligned, faces) if of_two else None,
        steps=_measure_steps(aligned) if aligned.grouping.ordered else None,
        years=breakdowns.measure_years(predictions, faces, found=found) if attribute == labels.IN_YEARS else None,
        range=measure_range(predictions, aligned, found=found) if attribute == labels.IN_YEARS else None,
    )


def _measure_steps(aligned: Aligned) -> tables.Steps:
    off = np.abs(aligned.predicted - aligned.actual)[aligned.predicted != NO_ANSWER]
    return tables.Steps(
        within_one_bin=breakdowns.rounded((off <= 1).sum() / len(aligned.rows)),
        mean_bins_off=breakdowns.rounded(off.mean()) if len(off) else None,
    )


def _measure_confidence(aligned: Aligned) -> tables.Confidence:
    bins = metrics.reliability_bins(aligned.vectors, aligned.actual)
    edges = np.linspace(0, 1, len(bins.counts) + 1)
    curve = metrics.coverage_curve(aligned.vectors, aligned.actual, shares=COVERAGE_SHARES)
    return tables.Confidence(
        ece=breakdowns.rounded(metrics.calibration_error(aligned.vectors, aligned.actual)),
        reliability=tuple(
            tables.Bin(
                low=round(float(edges[number]), 4),
                high=round(float(edges[number + 1]), 4),
                n=int(count),
                confidence=breakdowns.rounded(bins.confidence[number]),
                accuracy=breakdowns.rounded(bins.accuracy[number]),
            )
            for number, count in enumerate(bins.counts)
        ),
        accuracy_of_surest_80_percent=breakdowns.rounded(
            metrics.accuracy_of_surest(aligned.vectors, aligned.actual, share=SUREST_SHARE)
        ),
        coverage=tuple(
            tables.Point(
                share=point.share,
                n=point.count,
                threshold=breakdowns.rounded(point.threshold),
                accuracy=breakdowns.rounded(point.accuracy),
            )
            for point in curve
        ),
    )


def _measure_taxonomies(
    predictions: Predictions, faces: face_set.FaceSet, aligned: Aligned, *, found: np.ndarray
) -> dict[str, tables.Taxonomy]:
    measured = {}
    for taxonomy in labels.taxonomies_of(aligned.grouping.attribute):
        coarse = aligned.grouping.coarsen(taxonomy)
        if coarse is None:
            continue
        told = align(predictions, faces, attribute=aligned.grouping.attribute, grouping=coarse, found=found)
        part = breakdowns.share_of(told.right)
        recall = metrics.by_group(told.predicted, told.actual, groups=told.actual, count=len(coarse.names))
        measured[taxonomy] = tables.Taxonomy(
            images=part.n,
            accuracy=part.accuracy,
            low=part.low,
            high=part.high,
            balanced_accuracy=breakdowns.rounded(
                metrics.balanced_accuracy(told.predicted, told.actual, count=len(coarse.names))
            ),
            recall={name: breakdowns.rounded(value) for name, value in zip(coarse.names, recall, strict=True)},
        )
    return measured
