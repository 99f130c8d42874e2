"""How well a calibration holds for faces that it was not fitted to: each fifth judged by a fit to the other four."""

import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml import labels, metrics
from ml.attributes import ATTRIBUTES
from ml.calibration import Calibration
from ml.measuring import number_fit
from ml.measuring.alignment import Aligned
from ml.measuring.asking import Asked
from ml.measuring.calibration_fit import Answers, Fit, fit_attribute
from ml.measuring.grouping import Grouping
from ml.measuring.sureness import Sureness, judge
from ml.model.card import ModelCard

FOLDS = 5

Values = dict[str, Any]


@dataclass(frozen=True)
class Judged:
    """Faces of one way with what the fit to the others said of them, in one grouping."""

    told: Aligned
    sureness: Sureness
    numbers: np.ndarray | None


def cross_fit(
    card: ModelCard, asked: Sequence[Asked], *, attribute: str, grouping: Grouping, targets: Mapping[str, float]
) -> Values:
    """What a card keeps of it, by way: calibration error, and by grouping and label the sure and the sets.

    A face is in the same part in both ways. Shares in 0..1; None of no face.
    """
    parts: dict[str, dict[str, list[Judged]]] = {way.way: {} for way in asked}
    for fold in range(FOLDS):
        inside = [_find_fold(way) == fold for way in asked]
        rest = [way.take(np.flatnonzero(~mask)) for way, mask in zip(asked, inside, strict=True)]
        left = [way.take(np.flatnonzero(mask)) for way, mask in zip(asked, inside, strict=True)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = fit_attribute(card, rest, attribute=attribute, grouping=grouping, targets=targets)
        for name, coarse in _groupings(card, fit, finest=grouping):
            told = Answers(card, attribute, left, fit.temperatures[1]).align(coarse)
            for way, of in zip(left, told, strict=True):
                parts[way.way].setdefault(name, []).append(_judge(fit, of, name=name, is_finest=coarse is grouping))
    return {"folds": FOLDS} | {way: _summarise(found, attribute=attribute) for way, found in parts.items()}


def _find_fold(asked: Asked) -> np.ndarray:
    return np.array([zlib.crc32(name.encode()) % FOLDS for name in asked.faces.files])


def _groupings(card: ModelCard, fit: Fit, *, finest: Grouping) -> list[tuple[str, Grouping]]:
    """Those that the labels can tell; the finest first."""
    if not labels.is_told_in_taxonomies(finest.attribute, card.labels[finest.attribute]):
        return [(name, finest) for name in fit.sets]
    found = [(name, finest.coarsen(name)) for name in fit.sets]
    return [(name, finest if of is not None and of.names == finest.names else of) for name, of in found if of]


def _judge(fit: Fit, told: Aligned, *, name: str, is_finest: bool) -> Judged:
    attribute = told.grouping.attribute
    rules = Calibration(
        thresholds={attribute: {name: fit.thresholds[name].value}}, sets={attribute: {name: fit.sets[name]}}
    )
    numbers = None
    if fit.number and is_finest:
        numbers = fit.number.read(told.vectors, edges=labels.scale_of(attribute).edges)
    return Judged(told, judge(told, calibration=rules, taxonomy=name), numbers)


def _summarise(found: Mapping[str, Sequence[Judged]], *, attribute: str) -> Values:
    values: Values = {}
    for name, parts in found.items():
        names = parts[0].told.grouping.names
        actual, predicted, right = (
            np.concatenate([getattr(of.told, what) for of in parts]) for what in ("actual", "predicted", "right")
        )
        sureness = Sureness(
            sure=np.concatenate([of.sureness.sure for of in parts]),
            members=np.concatenate([of.sureness.members for of in parts]),
        )
        if not values:
            vectors = np.concatenate([of.told.vectors for of in parts])
            values = {"ece": _round(metrics.calibration_error(vectors, actual)), "groupings": {}}
        covered = sureness.members[np.arange(len(actual)), actual]
        sure = sureness.sure
        values["groupings"][name] = {
            "sure": _mean(sure),
            "accuracy_of_sure": _mean(right[sure]),
            "set_coverage": _mean(covered),
            "set_size": _mean(sureness.members.sum(axis=1)),
            "labels": {
                label: {
                    "sure": int((sure & (predicted == place)).sum()),
                    "precision_of_sure": _mean(right[sure & (predicted == place)]),
                    "set_coverage": _mean(covered[actual == place]),
                }
                for place, label in enumerate(names)
            },
        }
        numbers = [of.numbers for of in parts]
        if (scale := getattr(ATTRIBUTES.get(attribute), "scale", None)) and all(of is not None for of in numbers):
            read = np.concatenate([of for of in numbers if of is not None])
            errors = number_fit.errors_of(read[:, 0], actual, scale=scale)
            inside = number_fit.cover(read, actual, scale=scale)
            of_bin = [actual == place for place in np.unique(actual)]
            values["number"] = {
                "mean_error": _mean(errors),
                "mean_error_of_bins": _mean(np.array([errors[mask].mean() for mask in of_bin])),
                "coverage": _mean(inside),
                "coverage_of_bins": _mean(np.array([inside[mask].mean() for mask in of_bin])),
                "width": _mean(read[:, 2] - read[:, 1]),
            }
    return values


def _mean(values: np.ndarray) -> float | None:
    return _round(float(values.mean())) if len(values) else None


def _round(value: float) -> float:
    return metrics.shorten(value)
