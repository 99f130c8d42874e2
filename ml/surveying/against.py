"""A collection against another one, or against shares that are known, as a census's."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ml.shares import comparing, reviewed
from ml.shares.result import REVIEWED, Shares
from ml.shares.schemes import Scheme
from ml.surveying.errors import BadReferenceFile
from ml.surveying.estimating import Estimate
from ml.surveying.report import Comparison, DifferenceRow
from ml.surveying.reviewing import ReviewedDraw
from ml.surveying.tables import open_table

REFERENCE_COLUMNS = ("attribute", "label", "share")


@dataclass(frozen=True)
class Reference:
    """Known shares (0..1) per attribute and label; `name` is what they are called."""

    name: str
    shares: Mapping[str, Mapping[str, float]]


def is_reference(path: Path) -> bool:
    """Whether a CSV holds reference shares, not predictions. Raises BadTable and OSError."""
    return set(REFERENCE_COLUMNS) <= set(open_table(path).names)


def read_reference(path: Path) -> Reference:
    """A CSV with the columns attribute, label and share, 0 to 1 or per cent that add up to 100.

    Raises BadReferenceFile (`bad_number`, `label_twice`, `no_shares`), BadTable and OSError.
    """
    found: dict[str, dict[str, float]] = {}
    for part in open_table(path).read_parts():
        attributes, names = part.columns["attribute"], part.columns["label"]
        for row, share in enumerate(part.numbers("share")):
            attribute, label = attributes[row].strip(), names[row].strip()
            if math.isnan(share) or share < 0:
                raise BadReferenceFile("bad_number", f"line {part.lines[row]}: the share of {label} is none")
            if label in found.setdefault(attribute, {}):
                raise BadReferenceFile("label_twice", f"line {part.lines[row]}: {label} has a share already")
            found[attribute][label] = float(share)
    if not found:
        raise BadReferenceFile("no_shares", f"{path} has no share under its header")
    for attribute, shares in found.items():
        if abs(sum(shares.values()) - 100) < 1:
            found[attribute] = {label: share / 100 for label, share in shares.items()}
    return Reference(path.stem, found)


def compare_reference(
    found: Mapping[Scheme, Estimate], *, reference: Reference, reviews: ReviewedDraw | None = None
) -> tuple[Comparison, ...]:
    """Of each attribute that the reference tells. Counted labels are compared with nothing: they have no interval.

    Raises BadReferenceFile("unknown_attribute"), and BadReference where labels or sums do not fit.
    """
    by_name = {scheme.name: scheme for scheme in found}
    strangers = sorted(set(reference.shares) - set(by_name))
    if strangers:
        raise BadReferenceFile(
            "unknown_attribute", f"{reference.name} tells {', '.join(strangers)}, which was not predicted"
        )
    told = []
    for name, known in reference.shares.items():
        shares = _without_doubt(found[by_name[name]], reviews=reviews)
        if shares is not None:
            of = comparing.compare_reference(shares, reference=known)
            told.append(
                _tell(of, name=name, against=reference.name, kind="reference", estimators=(shares.estimator, ""))
            )
    return tuple(told)


def compare_surveys(
    found: Mapping[Scheme, Estimate],
    *,
    others: Mapping[Scheme, Estimate | None],
    name: str,
    reviews: ReviewedDraw | None = None,
) -> tuple[Comparison, ...]:
    """Of each attribute of which both sides have more than counted labels. Raises BadInput where labels differ."""
    told = []
    for scheme, estimate in found.items():
        other = others.get(scheme)
        first = _without_doubt(estimate, reviews=reviews)
        second = None if other is None else _without_doubt(other, reviews=None)
        if first is not None and second is not None:
            of = comparing.compare_two(first, second)
            estimators = (first.estimator, second.estimator)
            told.append(_tell(of, name=scheme.name, against=name, kind="collection", estimators=estimators))
    return tuple(told)


def _without_doubt(estimate: Estimate, *, reviews: ReviewedDraw | None) -> Shares | None:
    """The headline among those that could be told: "cannot tell" leaves the population. None of counted labels."""
    if estimate.shares is None or estimate.shares.estimator != REVIEWED:
        return estimate.shares
    if estimate.answers is None or reviews is None:
        return None
    return reviewed.estimate_shares(estimate.answers.told(), draw=reviews.draw, domain=reviews.within())


def _tell(of: comparing.Comparison, *, name: str, against: str, kind: str, estimators: tuple[str, str]) -> Comparison:
    columns = (of.first, of.second, of.difference, of.low, of.high, of.p_holm, of.h)
    rows = tuple(DifferenceRow(label, *(float(column[k]) for column in columns)) for k, label in enumerate(of.labels))
    return Comparison(name, against, kind, estimators, rows, None if math.isnan(of.w) else of.w, of.p_overall)
