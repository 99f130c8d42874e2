"""The gallery's filters: by a photo's state, and by what the model said of one of its faces."""

from typing import Any

import django_filters
from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet

from classifier.models import PENDING, Face, Photo, Prediction, State
from classifier.models.faces import SMALL_FACE_PX
from classifier.templatetags.facet import group_label
from ml import labels

STATES = [
    ("pending", "waiting or running"),
    ("done", "done"),
    ("no_face", "no face found"),
    ("failed", "failed"),
]
CERTAINTIES = [
    ("sure", "sure of everything"),
    ("unsure", "unsure of something"),
    ("unsure-group", "unsure of the group"),
    ("unsure-gender", "unsure of the gender"),
    ("unsure-age", "unsure of the age"),
]
SIZES = [("small", f"small, under {SMALL_FACE_PX} px"), ("large", f"{SMALL_FACE_PX} px and wider")]
# What the address says -> the column to sort by.
SORTS = {"newest": "-received_at", "oldest": "received_at", "faces": "-face_count", "name": "name"}


def choice(attribute: str, *, empty: str, choices: list[tuple[str, str]] | None = None) -> Any:
    return django_filters.ChoiceFilter(
        label=attribute.capitalize(), empty_label=empty, choices=choices or [], method="keep"
    )


class PhotoFilter(django_filters.FilterSet):
    """Face filters hold together for one face: group Black and gender Female is one person, not two."""

    state = choice("state", empty="any state", choices=STATES)
    group = choice("perceived group", empty="any group")
    gender = choice("perceived gender", empty="any gender")
    age = choice("perceived age", empty="any age")
    sure = choice("certainty", empty="sure or unsure", choices=CERTAINTIES)
    size = choice("face size", empty="any size", choices=SIZES)

    class Meta:
        model = Photo
        fields: list[str] = []

    def __init__(self, *args: Any, taxonomy: str, attributes: list[str], **kwargs: Any) -> None:
        """`taxonomy` is how the race groups are told; filters of attributes that are off are left out."""
        super().__init__(*args, **kwargs)
        self.taxonomy = taxonomy
        for name, attribute in (("group", "race"), ("gender", "gender"), ("age", "age")):
            if attribute not in attributes:
                del self.filters[name]
                continue
            names = labels.groups_of(attribute, taxonomy=taxonomy if attribute == "race" else None)
            self.filters[name].extra["choices"] = [(label, group_label(label)) for label in names]

    @property
    def form(self) -> forms.Form:
        form: forms.Form = super().form
        for name, field in form.fields.items():
            field.widget.attrs["class"] = "chip is-set" if self.data.get(name) else "chip"
        return form

    def keep(self, queryset: QuerySet[Photo], name: str, value: str) -> QuerySet[Photo]:
        """One filter alone changes nothing: `filter_queryset` puts those about a face together."""
        return queryset

    def filter_queryset(self, queryset: QuerySet[Photo]) -> QuerySet[Photo]:
        chosen = {name: value for name, value in self.form.cleaned_data.items() if value}
        queryset = queryset.filter(_state(chosen.pop("state", "")))
        about_face = Q()
        for name, value in chosen.items():
            about_face &= getattr(self, f"_{name}")(value)
        if about_face:
            faces = Face.objects.counted().filter(about_face, photo=OuterRef("pk"))
            queryset = queryset.filter(Exists(faces))
        return queryset

    def _said(self, condition: Q) -> Q:
        """Faces whose current prediction fulfils a condition."""
        said = Prediction.objects.filter(condition, face=OuterRef("pk"), is_current=True)
        return Q(Exists(said))

    def _group(self, label: str) -> Q:
        if self.taxonomy == labels.FINEST:
            return self._said(Q(predicted_race=label))
        return self._said(Q(**{f"race_groups__{self.taxonomy}__label": label}))

    def _gender(self, label: str) -> Q:
        return self._said(Q(predicted_gender=label))

    def _age(self, label: str) -> Q:
        return self._said(Q(predicted_age=label))

    def _sure(self, value: str) -> Q:
        unsure_group = Q(**{f"race_groups__{self.taxonomy}__unsure": True})
        unsure = {
            "unsure-group": unsure_group,
            "unsure-gender": Q(gender_unsure=True),
            "unsure-age": Q(age_unsure=True),
        }
        if value in unsure:
            return self._said(unsure[value])
        anything = unsure_group | Q(gender_unsure=True) | Q(age_unsure=True)
        return self._said(anything) if value == "unsure" else self._said(Q()) & ~self._said(anything)

    def _size(self, value: str) -> Q:
        return Q(size_px__lt=SMALL_FACE_PX) if value == "small" else Q(size_px__gte=SMALL_FACE_PX)


def _state(value: str) -> Q:
    if value == "pending":
        return Q(state__in=PENDING)
    if value == "no_face":
        return Q(state=State.DONE, code=Photo.Code.NO_FACE)
    return Q(state=value) if value else Q()
