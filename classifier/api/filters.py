"""What lists can be narrowed to. A collection or photo that the person may not see is 404, as everywhere."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import django_filters
from django import forms
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import exceptions, status

from classifier.api import errors, parameters
from classifier.models import Collection, Face, Guess, Photo, State
from ml import labels
from ml.attributes import ATTRIBUTES, Attribute

WIDEST_PX = 100_000


class NoSuchGroup(errors.ApiError):
    """A group of another taxonomy than the one asked for: nothing to be found there, so 404."""

    status_code = status.HTTP_404_NOT_FOUND
    default_code = "no_such_group"

    def __init__(self, group: str, *, attribute: str, taxonomy: str) -> None:
        groups = ", ".join(labels.groups_of(attribute, taxonomy=taxonomy))
        message = f"{taxonomy} has no group {group}; it has the groups {groups}."
        super().__init__(message, details={attribute: [message]})


def choices(names: Any) -> list[tuple[str, str]]:
    return [(name, name) for name in names]


class MomentField(django_filters.fields.IsoDateTimeField):
    def clean(self, value: Any) -> datetime | None:
        moment: datetime | None = super().clean(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError:  # the first and the last day of all may have no name in UTC
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from None


class MomentFilter(django_filters.IsoDateTimeFilter):
    """A time as ISO 8601 that the database can tell, whatever zone it came in."""

    field_class = MomentField


@extend_schema_field({"type": "number", "minimum": 0, "maximum": WIDEST_PX})
class WidthFilter(django_filters.NumberFilter):
    """Pixels of a photo."""


@extend_schema_field({"type": "string", "minLength": 1, "pattern": r"^[^\x00]+$"})
class FolderFilter(django_filters.CharFilter):
    """A path, told so that a client knows that no filter is left out, not sent empty."""


class ApiFilterSet(django_filters.FilterSet):
    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows kept. An empty filter (a script's unset variable, say) is refused: it would keep everything."""
        if empty := [name for name in self.filters if (self.data or {}).get(name) == ""]:
            raise exceptions.ValidationError({name: ["Empty; leave it out to have no such filter."] for name in empty})
        kept: QuerySet[Any] = super().filter_queryset(queryset)
        return kept

    def find_one(self, rows: QuerySet[Any], uid: UUID, *, what: str) -> Any:
        found = rows.filter(uid=uid).first()
        if found is None:
            raise exceptions.NotFound(f"There is no {what} {uid} that you may see.")
        return found


class PhotoFilter(ApiFilterSet):
    collection = django_filters.UUIDFilter(method="keep_collection", label="Uid of a collection.")
    state = django_filters.ChoiceFilter(choices=State.choices)
    code = django_filters.ChoiceFilter(choices=Photo.Code.choices)
    received_after = MomentFilter(field_name="received_at", lookup_expr="gt", label="ISO 8601.")
    received_before = MomentFilter(field_name="received_at", lookup_expr="lt", label="ISO 8601.")

    folder = FolderFilter(label="Exactly this folder, `1999/May` say.")
    captured_after = django_filters.DateFilter(field_name="captured_on", lookup_expr="gte", label="That day or later.")
    captured_before = django_filters.DateFilter(
        field_name="captured_on", lookup_expr="lte", label="That day or earlier."
    )

    class Meta:
        model = Photo
        fields: list[str] = []

    def keep_collection(self, photos: QuerySet[Photo], name: str, uid: UUID) -> QuerySet[Photo]:
        visible = Collection.objects.visible_to(self.request.user)
        return photos.filter(collection=self.find_one(visible, uid, what="collection"))


def _filter_by(attribute: Attribute) -> Any:
    about: dict[str, Any] = {"field_name": attribute.name, "method": "keep_label"}
    if not attribute.taxonomies:
        return django_filters.ChoiceFilter(choices=choices(attribute.labels), **about)
    about["label"] = "A group of the `taxonomy` asked for."
    return django_filters.ChoiceFilter(choices=choices(sorted(attribute.all_groups)), **about)


class FaceFilter(ApiFilterSet):
    """A filter for each attribute; labels are those of the best guess, in the grouping of `?taxonomy=` if it has it."""

    collection = django_filters.UUIDFilter(method="keep_collection", label="Uid of a collection.")
    photo = django_filters.UUIDFilter(method="keep_photo", label="Uid of a photo.")
    min_size_px = WidthFilter(
        field_name="size_px", lookup_expr="gte", min_value=0, max_value=WIDEST_PX, label="Least width of the box."
    )

    class Meta:
        model = Face
        fields: list[str] = []

    @classmethod
    def get_filters(cls) -> dict[str, Any]:
        return {**super().get_filters(), **{name: _filter_by(attribute) for name, attribute in ATTRIBUTES.items()}}

    def keep_collection(self, faces: QuerySet[Face], name: str, uid: UUID) -> QuerySet[Face]:
        visible = Collection.objects.visible_to(self.request.user)
        return faces.filter(photo__collection=self.find_one(visible, uid, what="collection"))

    def keep_photo(self, faces: QuerySet[Face], name: str, uid: UUID) -> QuerySet[Face]:
        visible = Photo.objects.visible_to(self.request.user)
        return faces.filter(photo=self.find_one(visible, uid, what="photo"))

    def keep_label(self, faces: QuerySet[Face], name: str, label: str) -> QuerySet[Face]:
        attribute, taxonomy = ATTRIBUTES[name], parameters.read_taxonomy(self.request)
        way = attribute.way(taxonomy)
        if label not in attribute.groups_in(way):
            raise NoSuchGroup(label, attribute=name, taxonomy=way)
        said = Guess.objects.saying(attribute, taxonomy=taxonomy, label=label)
        return faces.filter(pk__in=said.values("face_id"))
