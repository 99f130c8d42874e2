"""Two sides' predictions of the same faces, paired: who is right where the other is wrong, and how sure that is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from ml import metrics
from ml.datasets import face_set
from ml.measuring.alignment import NO_ANSWER, align
from ml.measuring.comparison_tables import (
    SIDES,
    Agreement,
    AttributeComparison,
    Both,
    Number,
    Paired,
    PairedGroup,
    Worst,
)
from ml.measuring.grouping import Grouping, NothingInCommon, find_grouping
from ml.measuring.predictions import Predictions

NONE_OF_THEM = "none of these groups"  # said of a face whose whole probability lies in what the grouping leaves out


@dataclass(frozen=True)
class Pairing:
    """An attribute of the faces that are labelled and that both sides predict, in the groups all three can say.

    `rows` (M,) are positions in the face set, `actual` (M,) groups; per side `vectors` (M, G) and `predicted` (M,)
    groups or NO_ANSWER, as in `alignment.Aligned`.
    """

    grouping: Grouping
    rows: np.ndarray
    actual: np.ndarray
    vectors: dict[str, np.ndarray]
    predicted: dict[str, np.ndarray]
    labels_only: frozenset[str]


@dataclass(frozen=True)
class Disagreement:
    """A face that the sides tell apart: `row` in the face set, and names with probabilities (None: none was told)."""

    row: int
    labelled: str
    said: dict[str, tuple[str, float | None]]


def pair(
    production: Predictions, candidate: Predictions, faces: face_set.FaceSet
) -> tuple[dict[str, Pairing], dict[str, str]]:
    """The attributes that can be compared, and why the others cannot. Raises NothingInCommon where none can."""
    pairings: dict[str, Pairing] = {}
    reasons: dict[str, str] = {}
    for attribute in dict.fromkeys((*faces.classes, *production.classes, *candidate.classes)):
        knowing = {"data set": faces.classes, "production": production.classes, "candidate": candidate.classes}
        silent = [name for name, classes in knowing.items() if attribute not in classes]
        if silent:
            reasons[attribute] = f"not told by {' and '.join(silent)}"
            continue
        try:
            found = _pair_attribute(attribute, production=production, candidate=candidate, faces=faces)
        except NothingInCommon as error:
            reasons[attribute] = str(error)
            continue
        if len(found.rows):
            pairings[attribute] = found
        else:
            reasons[attribute] = "there is no face with a label that both sides predict"
    if not pairings:
        told = "; ".join(f"{attribute}: {reason}" for attribute, reason in reasons.items())
        raise NothingInCommon(f"Nothing to compare ({told})")
    return pairings, reasons


def compare(pairings: dict[str, Pairing], faces: face_set.FaceSet) -> dict[str, AttributeComparison]:
    """All measures, per attribute."""
    return {attribute: _compare_attribute(pairing, faces) for attribute, pairing in pairings.items()}


def compare_shares(production_right: np.ndarray, candidate_right: np.ndarray) -> Paired:
    """Two sides on the same examples (N,) bool, of which there is at least one."""
    n = len(production_right)
    first = int(np.sum(production_right & ~candidate_right))
    second = int(np.sum(candidate_right & ~production_right))
    low, high = paired_interval(first, second, n)
    return Paired(
        images=n,
        production=_round(production_right.mean()),
        candidate=_round(candidate_right.mean()),
        difference=_round((second - first) / n),
        low=_round(low),
        high=_round(high),
        production_only=first,
        candidate_only=second,
        p=mcnemar(first, second),
    )


def mcnemar(production_only: int, candidate_only: int) -> float:
    """The two-sided exact p-value that the discordant pairs fall evenly to both sides (McNemar 1947); 1 without any."""
    discordant = production_only + candidate_only
    return float(binomtest(production_only, discordant).pvalue) if discordant else 1.0


def paired_interval(production_only: int, candidate_only: int, n: int) -> tuple[float, float]:
    """The 95 % interval of candidate minus production (Bonett and Price 2012, adjusted Wald); nan of nothing."""
    if n == 0:
        return math.nan, math.nan
    first, second = (production_only + 1) / (n + 2), (candidate_only + 1) / (n + 2)
    middle = second - first
    reach = metrics.Z_95 * math.sqrt((first + second - middle**2) / (n + 2))
    return max(-1.0, middle - reach), min(1.0, middle + reach)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number (Holm 1979), in the order given."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def find_disagreements(pairing: Pairing) -> list[Disagreement]:
    """The faces that the sides put in different groups; first where the less sure of the two is surest."""
    predicted, names = pairing.predicted, pairing.grouping.names
    apart = np.flatnonzero(predicted["production"] != predicted["candidate"])
    sureness = np.min([pairing.vectors[side][apart].max(axis=1) for side in SIDES], axis=0)
    return [
        Disagreement(
            row=int(pairing.rows[place]),
            labelled=names[pairing.actual[place]],
            said={side: _say(pairing, side=side, place=int(place)) for side in SIDES},
        )
        for place in apart[np.argsort(-sureness, kind="stable")]
    ]


def _say(pairing: Pairing, *, side: str, place: int) -> tuple[str, float | None]:
    group = pairing.predicted[side][place]
    if group == NO_ANSWER:
        return NONE_OF_THEM, None
    probability = None if side in pairing.labels_only else float(pairing.vectors[side][place].max())
    return pairing.grouping.names[group], probability


def _pair_attribute(
    attribute: str, *, production: Predictions, candidate: Predictions, faces: face_set.FaceSet
) -> Pairing:
    sides = dict(zip(SIDES, (production, candidate), strict=True))
    grouping = find_grouping([faces.classes[attribute], *(side.classes[attribute] for side in sides.values())])
    told = {name: align(side, faces, attribute=attribute, grouping=grouping) for name, side in sides.items()}
    rows = np.intersect1d(told["production"].rows, told["candidate"].rows, assume_unique=True)
    picks = {name: np.searchsorted(aligned.rows, rows) for name, aligned in told.items()}
    return Pairing(
        grouping=grouping,
        rows=rows,
        actual=told["production"].actual[picks["production"]],
        vectors={name: aligned.vectors[picks[name]] for name, aligned in told.items()},
        predicted={name: aligned.predicted[picks[name]] for name, aligned in told.items()},
        labels_only=frozenset(name for name, aligned in told.items() if aligned.labels_only),
    )


def _compare_attribute(pairing: Pairing, faces: face_set.FaceSet) -> AttributeComparison:
    attribute, names = pairing.grouping.attribute, pairing.grouping.names
    actual, predicted = pairing.actual, pairing.predicted
    right = {side: predicted[side] == actual for side in SIDES}
    labelled = pairing.grouping.place_labels(faces.targets[attribute], classes=faces.classes[attribute])
    by = {attribute: _by_group(right, groups=actual, names=names)}
    for other, classes in faces.classes.items():
        if other != attribute:
            by[other] = _by_group(right, groups=faces.targets[other][pairing.rows], names=classes.names)
    recalls = {side: _share(metrics.balanced_accuracy(predicted[side], actual, count=len(names))) for side in SIDES}
    return AttributeComparison(
        images=len(actual),
        not_compared=int(np.sum(labelled != face_set.UNKNOWN)) - len(actual),
        groups=tuple(names),
        taxonomy=pairing.grouping.taxonomy,
        overall=compare_shares(right["production"], right["candidate"]),
        balanced_accuracy=Both(**recalls),
        ece=Both(**{side: _measure_calibration(pairing, side=side) for side in SIDES}),
        worst_group=Both(**{side: _find_worst(by[attribute], side=side) for side in SIDES}),
        agreement=Agreement(
            same=_round(np.mean(predicted["production"] == predicted["candidate"])),
            both_right=_round(np.mean(right["production"] & right["candidate"])),
            both_wrong=_round(np.mean(~right["production"] & ~right["candidate"])),
        ),
        by={name: rows for name, rows in by.items() if rows},
    )


def _by_group(right: dict[str, np.ndarray], *, groups: np.ndarray, names: Sequence[str]) -> tuple[PairedGroup, ...]:
    """A comparison for each group that occurs."""
    found = {
        name: compare_shares(*(right[side][groups == place] for side in SIDES))
        for place, name in enumerate(names)
        if np.any(groups == place)
    }
    adjusted = holm([row.p for row in found.values()])
    return tuple(
        PairedGroup(group=name, p_holm=p, **vars(row)) for (name, row), p in zip(found.items(), adjusted, strict=True)
    )


def _find_worst(rows: Sequence[PairedGroup], *, side: str) -> Worst:
    worst = min(rows, key=lambda row: row.of(side))
    return Worst(worst.group, worst.of(side), worst.images)


def _measure_calibration(pairing: Pairing, *, side: str) -> Number:
    if side in pairing.labels_only:
        return None
    return _share(metrics.calibration_error(pairing.vectors[side], pairing.actual))


def _share(value: float) -> Number:
    return None if math.isnan(value) else _round(value)


def _round(value: float) -> float:
    return metrics.shorten(value, digits=5)
