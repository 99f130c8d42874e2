"""Temperature, thresholds, sets and number of one attribute, from labels that may be coarser than the network's."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ml import errors, labels, metrics
from ml.attributes import ATTRIBUTES
from ml.calibration import NumberRule, SetRule
from ml.datasets import face_set
from ml.measuring import conformal, label_thresholds, number_fit
from ml.measuring.alignment import Aligned, align
from ml.measuring.asking import Asked
from ml.measuring.grouping import Grouping, NothingInCommon, find_grouping
from ml.measuring.label_thresholds import LabelThreshold
from ml.measuring.predictions import Predictions
from ml.model import temperature_scaling
from ml.model.card import ModelCard

LEAST_IMAGES = 50  # with fewer an attribute is left as it was
FEW_IMAGES = 1000  # with fewer its numbers are told to be loose


@dataclass(frozen=True)
class Threshold:
    """From which probability the labels of one grouping are sure.

    `value` is as `ml.calibration.Thresholds` has it, and `labels` say on what it rests. `target` is the precision
    wanted of each label, None where the data set cannot tell this grouping: then the old thresholds were moved so that
    as many faces stay sure. `sure` is the share of these, `accuracy` theirs; nan of none.
    """

    value: float | dict[str, float | None]
    sure: float
    target: float | None = None
    accuracy: float | None = None
    labels: Mapping[str, LabelThreshold] = field(default_factory=dict)

    @property
    def is_reached(self) -> bool:
        """Whether any label may be sure."""
        return self.target is None or any(found.value is not None for found in self.labels.values())


@dataclass(frozen=True)
class Fit:
    """What was fitted to one attribute, and the calibration error and likelihood before and after it.

    `images` are faces, however many ways they came in; `number` is None of an attribute that tells none, or where a
    bin has too few faces.
    """

    images: int
    groups: tuple[str, ...]
    temperatures: tuple[float, float]
    errors: tuple[float, float]
    likelihoods: tuple[float, float]
    thresholds: dict[str, Threshold]
    sets: dict[str, SetRule]
    number: NumberRule | None


def groupings_of(card: ModelCard, attribute: str) -> tuple[str, ...]:
    """The groupings an attribute has thresholds in; of labels of its own only one, named after the attribute."""
    if labels.is_told_in_taxonomies(attribute, card.labels[attribute]):
        return labels.taxonomies_of(attribute)
    return (attribute,)


def find_labelled_groups(card: ModelCard, faces: face_set.FaceSet, *, attribute: str) -> Grouping | None:
    """The finest groups that labels and network can say; None, with a warning, where there is too little to fit on."""
    kept = f"{attribute} stays as it was"
    if attribute not in faces.classes:
        _warn(f"the images have no labels of {attribute}: {kept}")
        return None
    own, labelled = face_set.Classes(attribute, card.labels[attribute]), faces.classes[attribute]
    try:
        grouping = find_grouping([own, labelled])
    except NothingInCommon as error:
        _warn(f"{error}: {kept}")
        return None
    count = int(np.sum(grouping.place_labels(faces.targets[attribute], classes=labelled) != face_set.UNKNOWN))
    if count < LEAST_IMAGES:
        _warn(f"{count} images with a label of {attribute} are too few to calibrate it: {kept}")
        return None
    if count < FEW_IMAGES:
        _warn(f"{count} images are few to calibrate {attribute} on: other ones would give other numbers")
    return grouping


@dataclass(frozen=True)
class Answers:
    """What one attribute's logits say at a temperature, of the same faces in each way in which they came."""

    card: ModelCard
    attribute: str
    asked: Sequence[Asked]
    temperature: float

    def align(self, grouping: Grouping) -> list[Aligned]:
        """The faces of each way with a label in the grouping."""
        return [
            align(told, way.faces, attribute=self.attribute, grouping=grouping)
            for told, way in zip(self._predictions, self.asked, strict=True)
        ]

    def shares(self, groups: face_set.Classes) -> np.ndarray:
        """Probabilities (M, G) in these groups of all faces, labelled or not, in all ways; zeros where it has none."""
        own = face_set.Classes(self.attribute, self.card.labels[self.attribute])
        grouping = find_grouping([groups, own])
        parts = [grouping.sum_vectors(told.vectors[self.attribute], classes=own) for told in self._predictions]
        shares: np.ndarray = np.nan_to_num(np.concatenate(parts))
        return shares

    @property
    def _predictions(self) -> list[Predictions]:
        own = face_set.Classes(self.attribute, self.card.labels[self.attribute])
        return [
            Predictions(
                self.card.name,
                way.faces.files,
                {self.attribute: metrics.softmax(way.logits[self.attribute].astype(np.float64) / self.temperature)},
                {self.attribute: own},
            )
            for way in self.asked
        ]


def fit_attribute(
    card: ModelCard, asked: Sequence[Asked], *, attribute: str, grouping: Grouping, targets: Mapping[str, float]
) -> Fit:
    """All of one attribute, from its logits for the same faces in each way and their labels in these groups.

    `targets` are precisions by grouping, over `temperature_scaling.TARGETS`.
    """
    own = face_set.Classes(attribute, card.labels[attribute])
    old = card.temperatures.get(attribute, 1.0)
    before = Answers(card, attribute, asked, old)
    known = before.align(grouping)
    fitted_on = {
        "logits": np.concatenate([way.logits[attribute][of.rows] for way, of in zip(asked, known, strict=True)]),
        "actual": np.concatenate([of.actual for of in known]),
        "groups": grouping.place(own),
    }
    new = temperature_scaling.fit_temperature(**fitted_on)
    if temperature_scaling.is_at_limit(new):
        tried = temperature_scaling.TEMPERATURES
        _warn(f"{attribute}: no temperature from {tried} fits best, so these images are no measure")
    after = Answers(card, attribute, asked, new)
    thresholds, sets = _fit_groupings(before, after, finest=grouping, targets=targets)
    return Fit(
        images=len(known[0].rows),
        groups=grouping.names,
        temperatures=(old, new),
        errors=(_measure_error(known), _measure_error(after.align(grouping))),
        likelihoods=(
            temperature_scaling.negative_log_likelihood(temperature=old, **fitted_on),
            temperature_scaling.negative_log_likelihood(temperature=new, **fitted_on),
        ),
        thresholds=thresholds,
        sets=sets,
        number=_fit_number(after, grouping=grouping),
    )


def _measure_error(ways: Sequence[Aligned]) -> float:
    vectors, actual = (np.concatenate(parts) for parts in zip(*((of.vectors, of.actual) for of in ways), strict=True))
    return metrics.calibration_error(vectors, actual)


def _fit_groupings(
    before: Answers, after: Answers, *, finest: Grouping, targets: Mapping[str, float]
) -> tuple[dict[str, Threshold], dict[str, SetRule]]:
    """Per grouping; the thresholds of those that the labels cannot tell are moved along, and their sets are gone."""
    card, attribute = after.card, after.attribute
    thresholds: dict[str, Threshold] = {}
    sets: dict[str, SetRule] = {}
    has_own_labels = not labels.is_told_in_taxonomies(attribute, card.labels[attribute])
    for name in groupings_of(card, attribute):
        grouping = finest if has_own_labels else finest.coarsen(name)
        if grouping is not None:
            default = temperature_scaling.OWN_TARGET if has_own_labels else temperature_scaling.TARGETS[attribute][name]
            told, target = after.align(grouping), targets.get(name, default)
            thresholds[name] = fit_threshold(told, names=grouping.names, target=target)
            sets[name] = conformal.fit_rule([(of.vectors, of.actual) for of in told], names=grouping.names)
            if not thresholds[name].is_reached:
                _warn(f"{attribute} in {name} does not reach {target:.0%}: every face will be unsure")
        elif name in card.thresholds.get(attribute, {}):
            groups = face_set.classes_in(attribute, taxonomy=name)
            thresholds[name] = _move_threshold(before.shares(groups), after.shares(groups), groups=groups, card=card)
            _warn(f"these labels cannot tell {attribute} in {name}: as many faces stay unsure as before")
    return thresholds, sets


def fit_threshold(ways: Sequence[Aligned], *, names: Sequence[str], target: float) -> Threshold:
    """The thresholds of one grouping's labels, and what they bring in all ways together."""
    found, values = {}, np.full(len(names), np.inf)
    for place, name in enumerate(names):
        mine = [(of.vectors[of.predicted == place, place], of.right[of.predicted == place]) for of in ways]
        found[name] = label_thresholds.fit_label(mine, target=target)
        if (value := found[name].value) is not None:
            values[place] = value
    confidence = np.concatenate([of.vectors.max(axis=1) for of in ways])
    predicted, right = (np.concatenate([getattr(of, what) for of in ways]) for what in ("predicted", "right"))
    sure = confidence >= values[predicted]
    return Threshold(
        value={name: of.value for name, of in found.items()},
        sure=float(sure.mean()),
        target=target,
        accuracy=float(right[sure].mean()) if sure.any() else float("nan"),
        labels=found,
    )


def _move_threshold(before: np.ndarray, after: np.ndarray, *, groups: face_set.Classes, card: ModelCard) -> Threshold:
    """From shares (M, G) before and after: as many faces of each label stay sure."""
    old = card.thresholds[groups.attribute][taxonomy_of(groups)]
    if not isinstance(old, Mapping):
        confidence = [shares.max(axis=1) for shares in (before, after)]
        moved = temperature_scaling.move_threshold(*confidence, threshold=old)
        return Threshold(moved, float(np.mean(confidence[1] >= moved)))
    values: dict[str, float | None] = {}
    sure = np.zeros(len(after), dtype=bool)
    for place, name in enumerate(groups.names):
        value = old.get(name)
        mine = [shares[shares.argmax(axis=1) == place, place] for shares in (before, after)]
        if value is not None and all(map(len, mine)):
            value = temperature_scaling.move_threshold(*mine, threshold=value)
            sure |= (after.argmax(axis=1) == place) & (after[:, place] >= value)
        values[name] = value
    return Threshold(values, float(sure.mean()))


def taxonomy_of(groups: face_set.Classes) -> str:
    """The taxonomy whose groups these classes are. Raises StopIteration for others."""
    known = labels.taxonomies_of(groups.attribute)
    return next(name for name in known if labels.groups_of(groups.attribute, taxonomy=name) == groups.names)


def _fit_number(answers: Answers, *, grouping: Grouping) -> NumberRule | None:
    attribute = answers.attribute
    own = answers.card.labels[attribute]
    if not labels.is_told_in_taxonomies(attribute, own) or grouping.names != own:
        return None
    scale = ATTRIBUTES[attribute].scale
    ways = answers.align(grouping)
    if scale is None or not all(number_fit.can_fit(of.actual, count=len(own)) for of in ways):
        return None
    vectors, actual = (np.concatenate(parts) for parts in zip(*((of.vectors, of.actual) for of in ways), strict=True))
    return number_fit.fit_rule(vectors, actual, scale=scale)


def _warn(message: str) -> None:
    warnings.warn(message, errors.DataWarning, stacklevel=2)
