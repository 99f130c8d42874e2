"""The gallery's filters: by a photo's state, and by what the model said of one of its faces."""

from typing import Any

import django_filters
from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet

from classifier.models import PENDING, Face, Guess, Photo, Prediction, State
from classifier.models.faces import SMALL_FACE_PX
from classifier.templatetags.facet import group_label
from ml import labels
from ml.attributes import ATTRIBUTES, Attribute

STATES = [
    ("pending", "waiting or running"),
    ("done", "done"),
    ("no_face", "no face found"),
    ("failed", "failed"),
]
CERTAINTIES = [
    ("sure", "sure of everything"),
    ("unsure", "unsure of something"),
    *((f"unsure-{attribute.short}", f"unsure of the {attribute.short}") for attribute in ATTRIBUTES.values()),
]
SIZES = [("small", f"small, under {SMALL_FACE_PX} px"), ("large", f"{SMALL_FACE_PX} px and wider")]
# What the address says -> the column to sort by.
SORTS = {"newest": "-received_at", "oldest": "received_at", "faces": "-face_count", "name": "name_key"}


BY_SHORT = {attribute.short: attribute for attribute in ATTRIBUTES.values()}


def choice(title: str, *, empty: str, choices: list[tuple[str, str]] | None = None) -> Any:
    return django_filters.ChoiceFilter(
        label=title.capitalize(), empty_label=empty, choices=choices or [], method="keep"
    )


class PhotoFilter(django_filters.FilterSet):
    """One filter for each attribute, called by its short word, between the state and the others.

    Face filters hold together for one face: group Black and gender Female is one person, not two.
    """

    state = choice("state", empty="any state", choices=STATES)
    sure = choice("certainty", empty="sure or unsure", choices=CERTAINTIES)
    size = choice("face size", empty="any size", choices=SIZES)

    class Meta:
        model = Photo
        fields: list[str] = []

    @classmethod
    def get_filters(cls) -> dict[str, Any]:
        filters = super().get_filters()
        labels_of = {short: choice(found.title, empty=f"any {short}") for short, found in BY_SHORT.items()}
        return {"state": filters.pop("state"), **labels_of, **filters}

    def __init__(self, *args: Any, taxonomy: str, attributes: list[str], **kwargs: Any) -> None:
        """`taxonomy` is how the attribute that has it is told; filters of attributes that are off are left out."""
        super().__init__(*args, **kwargs)
        self.taxonomy = taxonomy
        for short, attribute in BY_SHORT.items():
            if attribute.name not in attributes:
                del self.filters[short]
                continue
            names = labels.groups_of(attribute.name, taxonomy=attribute.way(taxonomy))
            self.filters[short].extra["choices"] = [(label, group_label(label)) for label in names]

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
            about_face &= self._label(BY_SHORT[name], value) if name in BY_SHORT else getattr(self, f"_{name}")(value)
        if about_face:
            faces = Face.objects.counted().filter(about_face, photo=OuterRef("pk"))
            queryset = queryset.filter(Exists(faces))
        return queryset

    def _label(self, attribute: Attribute, label: str) -> Q:
        return _said(Guess.objects.saying(attribute, taxonomy=self.taxonomy, label=label))

    def _sure(self, value: str) -> Q:
        if value in ("sure", "unsure"):
            doubts = _said(Guess.objects.unsure_of(*ATTRIBUTES.values(), taxonomy=self.taxonomy))
            told = Exists(Prediction.objects.filter(face=OuterRef("pk"), is_current=True))
            return doubts if value == "unsure" else Q(told) & ~doubts
        attribute = BY_SHORT[value.removeprefix("unsure-")]
        return _said(Guess.objects.unsure_of(attribute, taxonomy=self.taxonomy))

    def _size(self, value: str) -> Q:
        return Q(size_px__lt=SMALL_FACE_PX) if value == "small" else Q(size_px__gte=SMALL_FACE_PX)


def _said(guesses: QuerySet[Guess]) -> Q:
    """Faces that have one of these guesses."""
    return Q(Exists(guesses.filter(face=OuterRef("pk"))))


def _state(value: str) -> Q:
    if value == "pending":
        return Q(state__in=PENDING)
    if value == "no_face":
        return Q(state=State.DONE, code=Photo.Code.NO_FACE)
    return Q(state=value) if value else Q()
