"""What a correction rests on: how far it would move if the model erred as on parts of the held-out faces; warnings.

A sensitivity range is no confidence interval and must never be called one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ml.shares import adjusted, counted, schemes
from ml.shares import faces as faces_
from ml.shares.errors import NoEvidence
from ml.shares.evidence import Evidence
from ml.shares.faces import MEASURES, Faces
from ml.shares.schemes import Scheme

LEAST_OF_A_CLASS = 10  # held-out faces of each true class from which on a part's matrix says more than chance
LARGEST_SHIFT = 0.25  # of a share of another attribute, in 0..1, from the held-out faces'
QUANTILES = (0.05, 0.95)  # of a measure of the held-out faces, between which a collection's median must lie

SHARES_DIFFER, PICTURES_DIFFER = "shares_differ", "pictures_differ"


@dataclass(frozen=True)
class Range:
    """Lowest and highest share (K,) over the matrices of parts of the held-out faces and of all of them.

    `parts` name those that were used ("gender: Female"), `left_out` those with too few faces of a class.
    """

    low: np.ndarray
    high: np.ndarray
    parts: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Caution:
    """One reason to doubt that the model errs here as on the held-out faces.

    `kind` SHARES_DIFFER: `subject` is an attribute and `label` one of its labels, `here` and `there` its shares (0..1).
    `kind` PICTURES_DIFFER: `subject` is one of MEASURES, `here` the median, `there` the nearer end of the held-out
    faces' 5th to 95th percentile, both in the measure's unit.
    """

    kind: str
    subject: str
    label: str
    here: float
    there: float


def find_range(faces: Faces, *, evidence: Evidence, scheme: Scheme, others: Sequence[Evidence] = ()) -> Range:
    """The corrected shares under matrices of the held-out faces of each label of the *other* attributes.

    Women, men and age bands for race; groups and age bands for gender. `others` is evidence of other data sets, as
    UTKFace's for a model with its groups. Raises what `adjusted.point_shares` raises for the whole evidence.
    """
    return find_range_of(
        lambda part: adjusted.point_shares(faces, evidence=part, scheme=scheme),
        evidence=evidence,
        scheme=scheme,
        others=others,
    )


def find_range_of(
    solve: Callable[[Evidence], np.ndarray], *, evidence: Evidence, scheme: Scheme, others: Sequence[Evidence] = ()
) -> Range:
    """The same of whatever `solve` makes of evidence: shares (K,). It raises NoEvidence where a part has too little."""
    found = [solve(evidence)]
    used, left_out = [], []
    for name, part in (*_split(evidence, scheme=scheme), *((other.name, other) for other in others)):
        if _is_too_small(part, scheme=scheme):
            left_out.append(name)
            continue
        try:
            found.append(solve(part))
        except NoEvidence:
            left_out.append(name)
        else:
            used.append(name)
    return Range(np.min(found, axis=0), np.max(found, axis=0), tuple(used), tuple(left_out))


def find_cautions(faces: Faces, *, evidence: Evidence, scheme: Scheme) -> tuple[Caution, ...]:
    """Where this collection is unlike the held-out faces in what the scheme does not tell: empty where it is not.

    Another attribute's shares, corrected (counted where that cannot be), that differ by more than 25 points; the median
    of size, sharpness or brightness outside of the held-out faces' 5th to 95th percentile. Raises NoFaces.
    """
    faces_.check_counted(faces, scheme=scheme)
    cautions = []
    for attribute in faces.predicted.keys() & evidence.actual.keys() - set(scheme.attributes):
        if faces.classes[attribute] == evidence.faces.classes[attribute]:
            cautions += _compare_shares(faces, evidence=evidence, attribute=attribute)
    cautions.sort(key=lambda caution: -abs(caution.here - caution.there))
    for measure in MEASURES:
        if measure in faces.measures and measure in evidence.faces.measures:
            cautions += _compare_measure(faces.measures[measure], evidence.faces.measures[measure], name=measure)
    return tuple(cautions)


def describe(caution: Caution, *, name: str) -> str:
    """A caution in a sentence; `name` is the data set of the evidence."""
    if caution.kind == SHARES_DIFFER:
        return (
            f"{caution.label} ({caution.subject}) make up {caution.here:.0%} of the faces here and {caution.there:.0%}"
            f" of {name}'s: the model may err otherwise here."
        )
    word = caution.subject.removesuffix("_px")
    side = "under" if caution.here < caution.there else "over"
    return f"The median {word} of the faces lies {side} what {name} shows: the model may err otherwise here."


def _split(evidence: Evidence, *, scheme: Scheme) -> list[tuple[str, Evidence]]:
    """The held-out faces of each label of each attribute that the scheme does not tell."""
    parts = []
    for attribute in _others(evidence.actual, scheme=scheme):
        other = schemes.single(attribute, classes=evidence.faces.classes[attribute])
        places = faces_.actual_places(evidence.actual, scheme=other)
        labels = other.labels
        parts += [(f"{attribute}: {label}", evidence.take(places == place)) for place, label in enumerate(labels)]
    return parts


def _is_too_small(part: Evidence, *, scheme: Scheme) -> bool:
    if not len(part) or not part.actual.keys() >= set(scheme.attributes):
        return True
    actual = faces_.actual_places(part.actual, scheme=scheme)
    return bool(np.bincount(actual[actual >= 0], minlength=scheme.solving_count).min() < LEAST_OF_A_CLASS)


def _compare_shares(faces: Faces, *, evidence: Evidence, attribute: str) -> list[Caution]:
    other = schemes.single(attribute, classes=faces.classes[attribute])
    if not (faces.predicted[attribute] >= 0).any():
        return []
    try:
        here = adjusted.point_shares(faces, evidence=evidence, scheme=other)
    except NoEvidence:
        here = counted.count_labels(faces, scheme=other).share
    actual = faces_.actual_places(evidence.actual, scheme=other)
    numbers = np.bincount(actual[actual >= 0], minlength=other.solving_count)
    there = other.fold_shares(numbers / max(1, numbers.sum()))
    return [
        Caution(SHARES_DIFFER, attribute, other.labels[k], float(here[k]), float(there[k]))
        for k in np.flatnonzero(np.abs(here - there) > LARGEST_SHIFT)
    ]


def _compare_measure(here: np.ndarray, there: np.ndarray, *, name: str) -> list[Caution]:
    """Nothing where one side does not know the measure, or where it does not vary, as the size of ready chips."""
    if np.isnan(here).all() or np.isnan(there).all():
        return []
    median = float(np.nanmedian(here))
    low, high = (float(value) for value in np.nanquantile(there, QUANTILES))
    if low == high or low <= median <= high:
        return []
    return [Caution(PICTURES_DIFFER, name, "", median, low if median < low else high)]


def _others(actual: Mapping[str, np.ndarray], *, scheme: Scheme) -> list[str]:
    return [attribute for attribute in actual if attribute not in scheme.attributes]
