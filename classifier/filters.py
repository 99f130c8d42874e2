"""The gallery's filters: by a photo's state, and by what the model said of one of its faces."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import django_filters
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.formats import date_format

from classifier.models import PENDING, Collection, Face, Guess, Photo, Prediction, State
from classifier.models.faces import SMALL_FACE_PX
from classifier.services.reports.questions import Question
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
EMPTY: tuple[Any, ...] = (None, "", [], slice(None, None))
# What the address says -> the column to sort by.
SORTS = {"newest": "-received_at", "oldest": "received_at", "faces": "-face_count", "name": "name_key"}
SORT_WORDS = {"newest": "newest first", "oldest": "oldest first", "faces": "most faces first", "name": "by name"}


BY_SHORT = {attribute.short: attribute for attribute in ATTRIBUTES.values()}
ABOUT_FACES = {*BY_SHORT, "sure", "size"}


@dataclass(frozen=True)
class ActiveFilter:
    """A filter that is set: what it is about and its value as people say them, and its name in the address."""

    label: str
    value: str
    name: str


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
    def chosen(self) -> dict[str, Any]:
        """Filter -> the value it is set to. What is not offered, or not valid, is not set."""
        self.form.errors  # noqa: B018 - cleans what was asked for
        cleaned: dict[str, Any] = getattr(self.form, "cleaned_data", {})
        return {name: value for name, value in cleaned.items() if name in self.filters and value not in EMPTY}

    def list_active(self) -> list[ActiveFilter]:
        """The filters that are set, in the order of the form: for chips, and to name what a report is about."""
        fields = self.form.fields
        return [
            ActiveFilter(label=str(fields[name].label), value=_say(fields[name], value), name=name)
            for name, value in self.chosen.items()
        ]

    def parameters_of(self, name: str) -> dict[str, str]:
        """What the address says of a filter: one parameter, or one for each end of a range."""
        suffixes = getattr(self.form.fields[name].widget, "suffixes", ())
        names = [name, *(f"{name}_{suffix}" for suffix in suffixes)]
        return {each: value for each in names if (value := self.data.get(each))}

    def find_faces(self) -> QuerySet[Face]:
        """The counted faces that all filters about a face hold for: every one where no such filter is set."""
        return Face.objects.counted().filter(self._about_face())

    def is_about_faces(self) -> bool:
        """Whether some faces of the photos that are kept may be others than those asked for."""
        return bool(ABOUT_FACES & self.chosen.keys())

    def keep(self, queryset: QuerySet[Photo], name: str, value: str) -> QuerySet[Photo]:
        """One filter alone changes nothing: `filter_queryset` puts those about a face together."""
        return queryset

    def filter_queryset(self, queryset: QuerySet[Photo]) -> QuerySet[Photo]:
        queryset = self.filter_photos(queryset)
        if self.is_about_faces():
            queryset = queryset.filter(Exists(self.find_faces().filter(photo=OuterRef("pk"))))
        return queryset

    def filter_photos(self, queryset: QuerySet[Photo]) -> QuerySet[Photo]:
        """Keep the photos that the filters about photos hold for, whatever their faces are."""
        return queryset.filter(_state(self.chosen.get("state", "")))

    def _about_face(self) -> Q:
        about_face = Q()
        for name, value in self.chosen.items():
            if name in BY_SHORT:
                about_face &= self._label(BY_SHORT[name], value)
            elif name in ABOUT_FACES:
                about_face &= getattr(self, f"_{name}")(value)
        return about_face

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


def narrow(
    photos: QuerySet[Photo], collection: Collection, question: Question
) -> tuple[QuerySet[Photo], QuerySet[Face]]:
    """The photos and the counted faces that a report's filters keep."""
    found = PhotoFilter(question.filters, queryset=photos, taxonomy=question.taxonomy, attributes=collection.attributes)
    return found.qs, found.find_faces()


def _say(field: Any, value: Any) -> str:
    """A filter's value as people say it."""
    if isinstance(value, slice):  # a range of which one end may be open
        ends = (("from", value.start), ("to", value.stop))
        return " ".join(f"{word} {_say(field, end)}" for word, end in ends if end is not None)
    if isinstance(value, date):
        return date_format(value, "j F Y")
    choices = dict(getattr(field, "choices", ()))
    return str(choices.get(value, value))


def _state(value: str) -> Q:
    if value == "pending":
        return Q(state__in=PENDING)
    if value == "no_face":
        return Q(state=State.DONE, code=Photo.Code.NO_FACE)
    return Q(state=value) if value else Q()
