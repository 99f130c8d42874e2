"""A model's vectors for one face: stored with the guesses that filters need, and described for pages and API."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import F, Func, QuerySet, TextField, Value
from django.db.models.expressions import Combinable

from classifier.models import Face, Guess, ModelVersion, Prediction
from ml import labels
from ml.attributes import ATTRIBUTES, Attribute
from ml.labels import Vector


def store_predictions(
    vectors_of: Mapping[Face, Mapping[str, Vector]], *, model_version: ModelVersion, are_first: bool = False
) -> None:
    """Keep what a model version said of some faces and make it their current prediction.

    For each face, `vectors_of` maps an attribute to its calibrated probabilities in the order of its labels; one that
    is absent was switched off. The same version speaking again replaces its own earlier words; `are_first` says that
    nobody spoke of these faces before.
    """
    rows = [
        Prediction(
            face=face,
            model_version=model_version,
            is_current=True,
            vectors={name: list(vectors[name]) for name in ATTRIBUTES if name in vectors},
        )
        for face, vectors in vectors_of.items()
    ]
    guesses = [
        make_guess(row.face, attribute=ATTRIBUTES[name], vector=vector, model_version=model_version)
        for row in rows
        for name, vector in row.vectors.items()
    ]
    with transaction.atomic(savepoint=False):
        if not are_first:
            Prediction.objects.filter(face__in=list(vectors_of), is_current=True).update(is_current=False)
            Guess.objects.filter(face__in=list(vectors_of)).delete()
        Prediction.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["face", "model_version"],
            update_fields=["is_current", "vectors"],
        )
        Guess.objects.bulk_create(guesses)


def make_guess(face: Face, *, attribute: Attribute, vector: Vector, model_version: ModelVersion) -> Guess:
    """The row that repeats a vector of a face for filters; not stored yet."""
    told = {way: _guess(face, attribute, vector, taxonomy=way, model_version=model_version) for way in attribute.ways}
    guess = Guess(
        face=face, attribute=attribute.name, groups=told if attribute.taxonomies else {}, **told[attribute.finest]
    )
    if attribute.scale:
        numbers = model_version.calibration.read_number(attribute.name, vector)
        guess.expected, guess.low, guess.high = numbers
    return guess


def _guess(
    face: Face, attribute: Attribute, vector: Vector, *, taxonomy: str, model_version: ModelVersion
) -> dict[str, Any]:
    label, probability = labels.top_group(attribute.name, vector, taxonomy=taxonomy)
    unsure = face.cut_off or model_version.calibration.is_unsure(
        attribute.name, taxonomy=taxonomy, label=label, probability=probability
    )
    return {"label": label, "probability": probability, "unsure": unsure}


def forget_attributes(predictions: QuerySet[Prediction], *, attributes: Iterable[str]) -> int:
    """Remove what was said of these attributes, as if they had been switched off from the first; how many had it."""
    count, gone = 0, list(attributes)
    left: Combinable = F("vectors")
    for attribute in gone:
        count = max(count, predictions.filter(vectors__has_key=attribute).count())
        left = Without(left, Value(attribute, output_field=TextField()))
    Guess.objects.filter(face__in=predictions.values("face"), attribute__in=gone).delete()
    predictions.update(vectors=left)
    return count


class Without(Func):
    """A JSON object without one of its keys."""

    output_field = Prediction._meta.get_field("vectors")

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """`object - key`."""
        return self.as_sql(compiler, connection, template="(%(expressions)s)", arg_joiner=" - ", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """`JSON_REMOVE(object, '$.' || key)`."""
        return self.as_sql(
            compiler, connection, template="JSON_REMOVE(%(expressions)s)", arg_joiner=", '$.' || ", **context
        )


def describe_prediction(prediction: Prediction, *, taxonomy: str | None = None) -> dict[str, Any]:
    """The prediction as pages and API tell it: attribute -> label, probability, unsure, probabilities (and the number).

    An attribute is told in `taxonomy` if that is one of its own, else in its finest; an ordinal one with its expected
    number, called by its unit, `low` and `high`. All of a face that is cut off are unsure. Attributes that were
    switched off are absent. Raises KeyError for a taxonomy that does not exist.
    """
    if taxonomy is not None:
        labels.attribute_of(taxonomy)
    return {
        name: _describe(prediction, attribute, taxonomy=taxonomy)
        for name, attribute in ATTRIBUTES.items()
        if name in prediction.vectors and prediction.model_version.tells(attribute)
    }


def _describe(prediction: Prediction, attribute: Attribute, *, taxonomy: str | None) -> dict[str, Any]:
    vector, model_version = prediction.vectors[attribute.name], prediction.model_version
    way, calibration = attribute.way(taxonomy), model_version.calibration
    names = labels.groups_of(attribute.name, taxonomy=way)
    shares = labels.aggregate(vector, taxonomy=way) if attribute.taxonomies else vector
    label, probability = labels.top(shares, labels=names)
    described: dict[str, Any] = {"taxonomy": way} if attribute.taxonomies else {}
    described |= {
        "label": label,
        "probability": round(probability, 4),
        "unsure": prediction.face.cut_off
        or calibration.is_unsure(attribute.name, taxonomy=way, label=label, probability=probability),
        "probabilities": {name: round(float(p), 4) for name, p in zip(names, shares, strict=True)},
        **_describe_set(attribute, shares, taxonomy=way, model_version=model_version),
    }
    if attribute.scale:
        expected, low, high = calibration.read_number(attribute.name, vector)
        described |= {attribute.scale.unit: round(expected, 1), "low": round(low), "high": round(high)}
    return described


def _describe_set(
    attribute: Attribute, shares: Vector, *, taxonomy: str, model_version: ModelVersion
) -> dict[str, Any]:
    """The labels of its set and how often such sets hold the right one; None of a version that tells none."""
    names = labels.groups_of(attribute.name, taxonomy=taxonomy)
    chosen = model_version.calibration.choose_set(attribute.name, shares, taxonomy=taxonomy, names=names)
    if not chosen:
        return {"set": None, "set_coverage": None}
    coverage = model_version.calibration.sets[attribute.name][taxonomy].coverage
    return {"set": list(chosen), "set_coverage": coverage}
