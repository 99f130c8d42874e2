"""What the admin shows of each declared attribute: its columns of a prediction, and a filter by its label."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from classifier.models import Guess, Prediction
from classifier.services import predictions
from ml.attributes import ATTRIBUTES, Attribute

Column = Callable[[Prediction], Any]


class LabelFilter(admin.SimpleListFilter):
    """Predictions of the model that looked last, by the label of one attribute."""

    attribute: Attribute

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(label, label) for label in self.attribute.labels]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> QuerySet[Prediction]:
        if not self.value():
            return queryset
        said = Guess.objects.filter(attribute=self.attribute.name, label=self.value())
        return queryset.filter(is_current=True, face__in=said.values("face"))


def _filter_by(attribute: Attribute) -> type[LabelFilter]:
    name = attribute.name
    about = {"attribute": attribute, "title": f"predicted {name}", "parameter_name": f"predicted_{name}"}
    return type(f"{name.capitalize()}Filter", (LabelFilter,), about)


def _columns_of(attribute: Attribute) -> Iterator[Column]:
    """Label, probability, whether it is unsure, the vector, the coarser groupings; of an ordinal one its numbers."""
    name = attribute.name

    def vector(prediction: Prediction) -> str:
        return json.dumps(prediction.vectors.get(name))

    def groups(prediction: Prediction) -> str:
        return json.dumps(_guess(prediction).groups if name in prediction.vectors else {})

    def _guess(prediction: Prediction) -> Guess:
        told = prediction.vectors[name]
        version = prediction.model_version
        return predictions.make_guess(prediction.face, attribute=attribute, vector=told, model_version=version)

    def repeat(field: str) -> Column:
        return lambda prediction: getattr(_guess(prediction), field) if name in prediction.vectors else None

    yield _named(repeat("label"), f"predicted_{name}")
    yield _named(repeat("probability"), f"{name}_probability")
    if not attribute.taxonomies:
        yield _named(repeat("unsure"), f"{name}_unsure", boolean=True)
    yield _named(vector, f"{name}_vector")
    if attribute.taxonomies:
        yield _named(groups, f"{name}_groups")
    if attribute.scale:
        yield _named(repeat("expected"), f"predicted_{attribute.scale.unit}")
        for end in ("low", "high"):
            yield _named(repeat(end), f"predicted_{attribute.scale.unit}_{end}")


def _named(column: Column, name: str, *, boolean: bool = False) -> Column:
    column.__name__ = name
    return admin.display(column, boolean=boolean) if boolean else column


LABEL_FILTERS: Any = tuple(map(_filter_by, ATTRIBUTES.values()))
PREDICTED_COLUMNS: Any = tuple(column for attribute in ATTRIBUTES.values() for column in _columns_of(attribute))
