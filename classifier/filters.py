"""The gallery's filters: by a photo's state, and by what the model said of one of its faces."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import django_filters
from django import forms
from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.forms.utils import flatatt
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from classifier.models import PENDING, Collection, Face, Guess, Photo, PhotoTag, Prediction, State, TagColumn
from classifier.models.faces import SMALL_FACE_PX
from classifier.services import folders, matches
from classifier.services.reports.questions import TAG, Question
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
SELECTED = mark_safe(" selected")
EMPTY: tuple[Any, ...] = (None, "", [], slice(None, None))
# What the address says -> the column to sort by.
SORTS = {"newest": "-received_at", "oldest": "received_at", "faces": "-face_count", "name": "name_key"}
SORT_WORDS = {"newest": "newest first", "oldest": "oldest first", "faces": "most faces first", "name": "by name"}


BY_SHORT = {attribute.short: attribute for attribute in ATTRIBUTES.values()}
FEW = 1_000  # rows that are faster looked up one by one than met on the way through a collection in its order
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


class OpenChoiceField(django_filters.fields.ChoiceField):
    """One of those offered, or any other: a large archive has more folders than are offered, and one may be gone."""

    def valid_value(self, value: Any) -> bool:
        return True


class LongSelect(forms.Select):
    """As it is drawn by Django, without a template for each of hundreds of options."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        chosen = "" if value is None else str(value)
        options = format_html_join(
            "",
            '<option value="{}"{}>{}</option>',
            ((key, SELECTED if str(key) == chosen else "", words) for key, words in self.choices),
        )
        told = flatatt(self.build_attrs(self.attrs, attrs))
        return format_html('<select name="{}"{}>{}</select>', name, told, options)


class OpenChoiceFilter(django_filters.ChoiceFilter):
    field_class = OpenChoiceField


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

    def __init__(self, *args: Any, taxonomy: str, collection: Collection, **kwargs: Any) -> None:
        """`taxonomy` is how the attribute that has it is told; filters of attributes that are off are left out."""
        super().__init__(*args, **kwargs)
        self.taxonomy = taxonomy
        self.collection = collection
        self._folders: list[str] = []
        self._columns: dict[str, TagColumn] = {}
        self._offer_origins()
        for short, attribute in BY_SHORT.items():
            if attribute.name not in collection.attributes:
                del self.filters[short]
                continue
            names = labels.groups_of(attribute.name, taxonomy=attribute.way(taxonomy))
            self.filters[short].extra["choices"] = [(label, group_label(label)) for label in names]

    def _offer_origins(self) -> None:
        """Filters by where photos came from, as far as the collection knows it."""
        added: dict[str, Any] = {}
        if self.collection.keeps_capture_dates:
            for name, words in (("taken_from", "taken from"), ("taken_to", "taken until")):
                widget = forms.DateInput(attrs={"type": "date"})
                added[name] = django_filters.DateFilter(label=words.capitalize(), method="keep", widget=widget)
        if self.collection.has_origins:
            self._folders = folders.list_folders(self.collection)
            if self._folders or self.data.get("folder"):
                added["folder"] = self._open_choice("folder", "Folder", offered=folders.add_parents(self._folders))
            self._columns = {f"{TAG}{column.name}": column for column in self.collection.tag_columns.all()}
            for name, column in self._columns.items():
                added[name] = self._open_choice(name, column.name, offered=column.values)
        for each in added.values():
            each.parent, each.model = self, Photo
        self.filters |= added

    def _open_choice(self, name: str, title: str, *, offered: list[str]) -> Any:
        asked = self.data.get(name) or ""
        names = offered if not asked or asked in offered else [*offered, asked]
        return OpenChoiceFilter(
            label=title,
            empty_label=f"any {title.lower()}",
            choices=[(each, each) for each in names],
            method="keep",
            widget=LongSelect(),
        )

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

    def find_faces(self, *, to_count: bool = False) -> QuerySet[Face]:
        """The counted faces that all filters about a face hold for: every one where no such filter is set.

        `to_count` all of them, SQLite goes through what has a label instead of asking each face of the collection what
        it is, which takes it half as long. PostgreSQL chooses between the two by itself.
        """
        is_whole = to_count and connection.vendor == "sqlite"
        # A key as it stands would be looked for with each photo, in all of the list that it has to be in.
        faces: QuerySet[Face] = Face.objects.counted().alias(key=F("pk") + 0)
        is_led = False  # by the faces of a label
        for name, value in self.chosen.items():
            if attribute := BY_SHORT.get(name):
                said = Guess.objects.saying(attribute, taxonomy=self.taxonomy, label=value)
                is_listed = is_whole and self._is_indexed(attribute) and self._are_ours(said)
                if is_listed and not is_led:
                    faces = faces.filter(guesses__attribute=attribute.name, guesses__label=value)  # of a face one
                    is_led = True
                else:
                    faces = faces.filter(_have(said, is_listed=is_listed))
            elif name == "sure":
                faces = self._keep_sure(faces, value, is_whole=is_whole, is_led=is_led)
            elif name == "size":
                faces = faces.filter(self._size(value))
        return faces

    def is_about_photos(self) -> bool:
        """Whether some photos are left out whatever their faces are."""
        return bool(self.chosen.keys() - ABOUT_FACES)

    def is_about_faces(self) -> bool:
        """Whether some faces of the photos that are kept may be others than those asked for."""
        return bool(ABOUT_FACES & self.chosen.keys())

    def keep(self, queryset: QuerySet[Photo], name: str, value: str) -> QuerySet[Photo]:
        """One filter alone changes nothing: `filter_queryset` puts those about a face together."""
        return queryset

    def filter_queryset(self, queryset: QuerySet[Photo]) -> QuerySet[Photo]:
        queryset = self.filter_photos(queryset)
        if self.is_about_faces():
            rare = self._find_rare()
            matching = Q(Exists(self.find_faces().filter(photo=OuterRef("pk")))) if rare is None else Q(pk__in=rare)
            queryset = queryset.filter(matching)
        return queryset

    def filter_photos(self, queryset: QuerySet[Photo]) -> QuerySet[Photo]:
        """Keep the photos that the filters about photos hold for, whatever their faces are."""
        return queryset.filter(_state(self.chosen.get("state", "")) & self._origin())

    def _origin(self) -> Q:
        """Photos by folder, day and tags."""
        origin, chosen = Q(), self.chosen
        if folder := chosen.get("folder"):
            below = {folder, *(each for each in self._folders if folders.is_below(each, top=folder))}
            origin &= self._where(Q(folder__in=below))
        ends = {"gte": chosen.get("taken_from"), "lte": chosen.get("taken_to")}
        if days := {f"captured_on__{end}": day for end, day in ends.items() if day}:
            origin &= self._where(Q(**days))
        for name, column in self._columns.items():
            if value := chosen.get(name):
                tagged = PhotoTag.objects.filter(column=column, value=value).order_by()
                few = _list_few(tagged, "photo")
                origin &= Q(Exists(tagged.filter(photo=OuterRef("pk")))) if few is None else Q(pk__in=few)
        return origin

    def _where(self, condition: Q) -> Q:
        few = _list_few(Photo.objects.filter(condition, collection=self.collection).order_by(), "pk")
        return condition if few is None else Q(pk__in=few)

    def _find_rare(self) -> list[int] | None:
        """The photos with the faces asked for, where one of the labels asked for is rare; else None.

        Of any collection: what is asked of few faces by their keys alone never leads through a whole collection.
        """
        for name, label in self.chosen.items():
            attribute = BY_SHORT.get(name)
            if attribute and self._is_indexed(attribute):
                said = Guess.objects.saying(attribute, taxonomy=self.taxonomy, label=label)
                if (few := _list_few(said, "face")) is not None:
                    return list(self.find_faces().filter(pk__in=few).order_by().values_list("photo", flat=True))
        return None

    def _keep_sure(self, faces: QuerySet[Face], value: str, *, is_whole: bool, is_led: bool) -> QuerySet[Face]:
        about = [*ATTRIBUTES.values()] if value in ("sure", "unsure") else [BY_SHORT[value.removeprefix("unsure-")]]
        unsure = Guess.objects.unsure_of(*about, taxonomy=self.taxonomy)
        is_listed = is_whole and all(map(self._is_indexed, about)) and self._are_ours(unsure)
        doubts = _have(unsure, is_listed=is_listed)
        if value != "sure":
            return faces.filter(doubts)
        told = Prediction.objects.filter(is_current=True)
        if is_listed and not is_led and self._are_ours(told):
            return faces.filter(~doubts, predictions__is_current=True)  # of a face there is one
        return faces.filter(_have(told) & ~doubts)

    def _are_ours(self, rows: QuerySet[Any]) -> bool:
        """Whether other collections have not most of these rows about faces."""
        return not rows.order_by().values_list("pk", flat=True)[self._most_rows : self._most_rows + 1]

    @cached_property
    def _most_rows(self) -> int:
        return 2 * matches.count_all_faces(self.collection) + FEW

    def _is_indexed(self, attribute: Attribute) -> bool:
        """Whether what is said of an attribute stands in indexes as it is told here; coarser groupings do not."""
        return attribute.way(self.taxonomy) == attribute.finest

    def _size(self, value: str) -> Q:
        return Q(size_px__lt=SMALL_FACE_PX) if value == "small" else Q(size_px__gte=SMALL_FACE_PX)


def _list_few(rows: QuerySet[Any], field: str) -> list[int] | None:
    """A field of some rows; None where they are more than few."""
    found = list(rows.values_list(field, flat=True)[: FEW + 1])
    return found if len(found) <= FEW else None


def _have(rows: QuerySet[Any], *, is_listed: bool = False) -> Q:
    """Faces that have one of these rows about a face; `is_listed`: all of the rows are gathered first."""
    if is_listed:
        return Q(key__in=rows.order_by().values("face"))
    return Q(Exists(rows.filter(face=OuterRef("pk"))))


def narrow(
    photos: QuerySet[Photo], collection: Collection, question: Question
) -> tuple[QuerySet[Photo], QuerySet[Face]]:
    """The photos and the counted faces that a report's filters keep."""
    found = PhotoFilter(question.filters, queryset=photos, taxonomy=question.taxonomy, collection=collection)
    return found.qs, found.find_faces()


def narrow_draw(
    photos: QuerySet[Photo], collection: Collection, chosen: dict[str, str], taxonomy: str
) -> tuple[QuerySet[Photo], QuerySet[Face], set[str]]:
    """The photos and the counted faces that a draw's filters keep, and those of its filters that hold for nothing."""
    found = PhotoFilter(chosen, queryset=photos, taxonomy=taxonomy, collection=collection)
    return found.qs, found.find_faces(), chosen.keys() - found.chosen.keys()


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
