"""What a checkpoint's calibration lets it say beyond probabilities: when it is sure, sets of labels, and numbers.

Light and without torch: the site reads it from a stored card, the commands from a checkpoint.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ml import labels

NEVER = math.inf  # the threshold of a label that may not be sure

# Attribute -> taxonomy -> the top probability under which it is "unsure", of all labels, or by predicted label: None
# where that is never sure.
Thresholds = Mapping[str, Mapping[str, float | Mapping[str, float | None]]]


@dataclass(frozen=True)
class SetRule:
    """Split conformal sets of one taxonomy: a set holds each label that is at least as probable as its `least`.

    Of the faces of any label, `coverage` (0..1) have it in their set (Vovk 2012, label-conditional; Sadinle, Lei and
    Wasserman 2019). A label without calibration faces has 0: no set leaves it out.
    """

    coverage: float
    least: Mapping[str, float]

    def choose(self, shares: Sequence[float], *, names: Sequence[str], is_ordered: bool = False) -> tuple[str, ...]:
        """The labels of a face's set in their order, from its probabilities (K,); never empty.

        The likeliest label is always in it. `is_ordered` fills gaps, so that bins of a number are one range: both can
        only make a set cover more.
        """
        top = max(range(len(names)), key=lambda i: shares[i])
        inside = [i for i, name in enumerate(names) if i == top or shares[i] >= self.least.get(name, 0.0)]
        if is_ordered:
            inside = list(range(inside[0], inside[-1] + 1))
        return tuple(names[i] for i in inside)


@dataclass(frozen=True)
class NumberRule:
    """How the bins of an ordinal attribute are read as a number, its ends not pulled to the middle.

    Each probability is raised to the power `sharpness` and weighed by its bin's weight, which undoes how rare the bin
    was among the calibration faces; of what comes of it, scaled to 1, the number is the mean of the bins' `centres`.
    `tails` are the shares under `low` and over `high`, each bin being taken as even: between them lie `coverage` (0..1)
    of the true numbers.
    """

    sharpness: float
    weights: tuple[float, ...]
    centres: tuple[float, ...]
    tails: tuple[float, float]
    coverage: float

    def read_one(self, vector: Sequence[float], *, attribute: str) -> tuple[float, float, float]:
        """As `read`, of one face's probabilities (K,): a worker asks face by face, and arrays of one take ten times as
        long."""
        weighed = [p**self.sharpness * weight for p, weight in zip(vector, self.weights, strict=True)]
        total = sum(weighed)
        shares = [value / total for value in weighed] if total > 0 else [math.nan] * len(weighed)
        number = sum(share * centre for share, centre in zip(shares, self.centres, strict=True))
        ends = (self.tails[0], 1 - self.tails[1])
        low, high = (labels.percentile(attribute, shares, fraction=of) for of in ends)
        return number, min(low, number), max(high, number)

    def read(self, vectors: np.ndarray, *, edges: Sequence[float]) -> np.ndarray:
        """(N, 3): number, low and high of probabilities (N, K); low <= number <= high. `edges` are those of the bins.

        A vector of zeros gives nan.
        """
        weighed = np.asarray(vectors, dtype=np.float64) ** self.sharpness * np.array(self.weights)
        with np.errstate(invalid="ignore"):
            weighed /= weighed.sum(axis=1, keepdims=True)
        number = weighed @ np.array(self.centres)
        low, high = (quantiles(weighed, edges=edges, fraction=of) for of in (self.tails[0], 1 - self.tails[1]))
        return np.stack([number, np.minimum(low, number), np.maximum(high, number)], axis=1)


def join_set(chosen: Sequence[str]) -> str:
    """A set in a cell of a table: its labels by |."""
    return "|".join(chosen)


def split_set(cell: str) -> tuple[str, ...]:
    """The reverse of `join_set`."""
    return tuple(cell.split("|")) if cell else ()


def quantiles(shares: np.ndarray, *, edges: Sequence[float], fraction: float) -> np.ndarray:
    """The numbers (N,) under which a `fraction` (0..1) of each row of shares (N, K) lies, even within each bin."""
    ends = shares.cumsum(axis=1)
    place = np.minimum((ends < fraction).sum(axis=1), shares.shape[1] - 1)
    rows = np.arange(len(shares))
    share = shares[rows, place]
    into = np.where(share > 0, (fraction - ends[rows, place] + share) / np.where(share > 0, share, 1), 0)
    begins = np.asarray(edges, dtype=np.float64)
    found: np.ndarray = begins[place] + into.clip(0, 1) * (begins[place + 1] - begins[place])
    return found


@dataclass(frozen=True)
class Calibration:
    """What was fitted of a checkpoint beside its temperatures; empty parts of one from before there were such.

    `sets` are per attribute and taxonomy, `numbers` per ordinal attribute.
    """

    thresholds: Thresholds = field(default_factory=dict)
    sets: Mapping[str, Mapping[str, SetRule]] = field(default_factory=dict)
    numbers: Mapping[str, NumberRule] = field(default_factory=dict)

    def threshold(self, attribute: str, *, taxonomy: str, label: str) -> float:
        """The top probability under which this label is "unsure": 0 if never set, NEVER if it may not be sure."""
        of_grouping = self.thresholds.get(attribute, {}).get(taxonomy, 0.0)
        found = of_grouping.get(label) if isinstance(of_grouping, Mapping) else of_grouping
        return NEVER if found is None else found

    def never_sure(self, attribute: str, *, taxonomy: str) -> tuple[str, ...]:
        """The labels that are called unsure whatever their probability."""
        found = self.thresholds.get(attribute, {}).get(taxonomy)
        return tuple(label for label, value in found.items() if value is None) if isinstance(found, Mapping) else ()

    def is_unsure(self, attribute: str, *, taxonomy: str, label: str, probability: float) -> bool:
        """Whether a label with this probability, the largest of a face, is to be called unsure."""
        return probability < self.threshold(attribute, taxonomy=taxonomy, label=label)

    def choose_set(
        self, attribute: str, shares: Sequence[float], *, taxonomy: str, names: Sequence[str]
    ) -> tuple[str, ...]:
        """The labels that one of is right with the coverage of the rule; empty without a rule."""
        rule = self.sets.get(attribute, {}).get(taxonomy)
        return rule.choose(shares, names=names, is_ordered=attribute in labels.ORDERED) if rule else ()

    def read_number(self, attribute: str, vector: Sequence[float]) -> tuple[float, float, float]:
        """Number, low and high of an ordinal attribute; without a rule the mean and the 10th and 90th percentile."""
        if rule := self.numbers.get(attribute):
            return rule.read_one(vector, attribute=attribute)
        return labels.expected(attribute, list(vector)), *labels.likely_range(attribute, list(vector))


def least_probabilities(thresholds: Thresholds, attribute: str, *, taxonomy: str, names: Sequence[str]) -> np.ndarray:
    """(K,) `Calibration.threshold` of each label."""
    known = Calibration(thresholds)
    return np.array([known.threshold(attribute, taxonomy=taxonomy, label=name) for name in names])


def parse_calibration(found: Mapping[str, Any]) -> Calibration:
    """The calibration in the values of a card's JSON, old or new.

    Raises KeyError, TypeError, ValueError or AttributeError for values that are none.
    """
    return Calibration(
        thresholds={
            attribute: {taxonomy: _parse_threshold(value) for taxonomy, value in of.items()}
            for attribute, of in found["thresholds"].items()
        },
        sets={
            attribute: {
                taxonomy: SetRule(
                    coverage=float(rule["coverage"]),
                    least={label: float(value) for label, value in rule["least"].items()},
                )
                for taxonomy, rule in of.items()
            }
            for attribute, of in found.get("sets", {}).items()
        },
        numbers={attribute: _parse_number(rule) for attribute, rule in found.get("numbers", {}).items()},
    )


def _parse_threshold(value: Any) -> float | dict[str, float | None]:
    if isinstance(value, Mapping):
        return {label: None if of is None else float(of) for label, of in value.items()}
    return float(value)


def _parse_number(rule: Mapping[str, Any]) -> NumberRule:
    under, over = map(float, rule["tails"])
    return NumberRule(
        sharpness=float(rule["sharpness"]),
        weights=tuple(map(float, rule["weights"])),
        centres=tuple(map(float, rule["centres"])),
        tails=(under, over),
        coverage=float(rule["coverage"]),
    )


def calibration_values(calibration: Calibration) -> dict[str, Any]:
    """The values of a card's JSON; parts that are empty are left out, so that the hash of an older card stays true."""
    # Numbers as they will be read, or the hash of what was read would be another than that of what was written.
    values: dict[str, Any] = {
        "thresholds": {
            attribute: {name: _parse_threshold(value) for name, value in of.items()}
            for attribute, of in calibration.thresholds.items()
        }
    }
    if calibration.sets:
        values["sets"] = {
            attribute: {
                name: {
                    "coverage": float(rule.coverage),
                    "least": {label: float(value) for label, value in rule.least.items()},
                }
                for name, rule in of.items()
            }
            for attribute, of in calibration.sets.items()
        }
    if calibration.numbers:
        values["numbers"] = {
            attribute: {
                "sharpness": float(rule.sharpness),
                "weights": list(map(float, rule.weights)),
                "centres": list(map(float, rule.centres)),
                "tails": list(map(float, rule.tails)),
                "coverage": float(rule.coverage),
            }
            for attribute, rule in calibration.numbers.items()
        }
    return values
