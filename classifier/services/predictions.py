"""A model's vectors for one face: stored with the columns that filters need, and described for pages and API."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from classifier.models import Face, ModelVersion, Prediction
from ml import labels

Vector = tuple[float, ...] | list[float]


def store_predictions(
    vectors_of: Mapping[Face, Mapping[str, Vector]], *, model_version: ModelVersion, are_first: bool = False
) -> None:
    """Keep what a model version said of some faces and make it their current prediction.

    For each face, `vectors_of` maps an attribute to its calibrated probabilities in `ml.labels` order; an attribute
    that is absent was switched off and stays null. The same version speaking again replaces its own earlier words;
    `are_first` says that nobody spoke of these faces before.
    """
    rows = [
        Prediction(
            face=face,
            model_version=model_version,
            is_current=True,
            **_race_columns(model_version, vectors.get("race")),
            **_gender_columns(model_version, vectors.get("gender")),
            **_age_columns(model_version, vectors.get("age")),
        )
        for face, vectors in vectors_of.items()
    ]
    with transaction.atomic(savepoint=False):
        if not are_first:
            Prediction.objects.filter(face__in=list(vectors_of), is_current=True).update(is_current=False)
        Prediction.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["face", "model_version"],
            update_fields=[name for name in _COLUMNS if name not in ("id", "face", "model_version", "created_at")],
        )


def forget_attributes(predictions: QuerySet[Prediction], *, attributes: Iterable[str]) -> int:
    """Remove what was said of these attributes, as if they had been switched off from the first; how many had it."""
    count = 0
    empty: dict[str, Any] = {}
    for attribute in attributes:
        count = max(count, predictions.filter(**{f"{attribute}_vector__isnull": False}).count())
        empty |= _EMPTY_COLUMNS[attribute]
    if empty:
        predictions.update(**empty)
    return count


_COLUMNS = [field.name for field in Prediction._meta.concrete_fields]


# What a prediction holds of an attribute that is switched off.
_EMPTY_COLUMNS: dict[str, dict[str, Any]] = {
    "race": {"race_vector": None, "predicted_race": "", "race_probability": None, "race_groups": {}},
    "gender": {"gender_vector": None, "predicted_gender": "", "gender_probability": None, "gender_unsure": False},
    "age": {
        "age_vector": None,
        "predicted_age": "",
        "age_probability": None,
        "age_unsure": False,
        "predicted_years": None,
        "predicted_years_low": None,
        "predicted_years_high": None,
    },
}


def _race_columns(model_version: ModelVersion, vector: Vector | None) -> dict[str, Any]:
    if vector is None:
        return _EMPTY_COLUMNS["race"]
    groups = {}
    for taxonomy in labels.TAXONOMIES:
        label, probability = labels.top_group("race", vector, taxonomy=taxonomy)
        unsure = probability < model_version.threshold("race", taxonomy=taxonomy)
        groups[taxonomy] = {"label": label, "probability": probability, "unsure": unsure}
    finest = groups[labels.FINEST]
    return {
        "race_vector": list(vector),
        "predicted_race": finest["label"],
        "race_probability": finest["probability"],
        "race_groups": groups,
    }


def _gender_columns(model_version: ModelVersion, vector: Vector | None) -> dict[str, Any]:
    if vector is None:
        return _EMPTY_COLUMNS["gender"]
    label, probability = labels.top_group("gender", vector)
    return {
        "gender_vector": list(vector),
        "predicted_gender": label,
        "gender_probability": probability,
        "gender_unsure": probability < model_version.threshold("gender", taxonomy="gender"),
    }


def _age_columns(model_version: ModelVersion, vector: Vector | None) -> dict[str, Any]:
    if vector is None:
        return _EMPTY_COLUMNS["age"]
    label, probability = labels.top_group("age", vector)
    low, high = labels.age_range(vector)
    return {
        "age_vector": list(vector),
        "predicted_age": label,
        "age_probability": probability,
        "age_unsure": probability < model_version.threshold("age", taxonomy="age"),
        "predicted_years": labels.age_years(vector),
        "predicted_years_low": low,
        "predicted_years_high": high,
    }


def describe_prediction(prediction: Prediction, *, taxonomy: str = labels.FINEST) -> dict[str, Any]:
    """The prediction as pages and API tell it: attribute -> label, probability, unsure, probabilities (and years).

    Attributes that were switched off are absent. Raises KeyError for a taxonomy that does not exist.
    """
    described: dict[str, Any] = {}
    if prediction.race_vector is not None:
        names = labels.groups_of("race", taxonomy=taxonomy)
        shares = labels.aggregate(prediction.race_vector, taxonomy=taxonomy)
        threshold = prediction.model_version.threshold("race", taxonomy=taxonomy)
        described["race"] = {"taxonomy": taxonomy, **_describe(names, shares, threshold=threshold)}
    for attribute, vector in (("gender", prediction.gender_vector), ("age", prediction.age_vector)):
        if vector is not None:
            threshold = prediction.model_version.threshold(attribute, taxonomy=attribute)
            described[attribute] = _describe(labels.groups_of(attribute), vector, threshold=threshold)
    if "age" in described:
        described["age"] |= {
            "years": round(prediction.predicted_years or 0.0, 1),
            "low": round(prediction.predicted_years_low or 0.0),
            "high": round(prediction.predicted_years_high or 0.0),
        }
    return described


def _describe(names: tuple[str, ...], vector: Vector, *, threshold: float) -> dict[str, Any]:
    label, probability = labels.top(vector, labels=names)
    return {
        "label": label,
        "probability": round(probability, 4),
        "unsure": probability < threshold,
        "probabilities": {name: round(float(p), 4) for name, p in zip(names, vector, strict=True)},
    }
