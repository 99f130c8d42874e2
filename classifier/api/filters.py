"""What lists can be narrowed to. A collection or photo that the person may not see is 404, as everywhere."""

from datetime import UTC, datetime
from itertools import chain
from typing import Any
from uuid import UUID

import django_filters
from django import forms
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import exceptions, status

from classifier.api import errors, parameters
from classifier.models import Collection, Face, Photo, Prediction, State
from ml import labels

RACE_GROUPS = {name: labels.groups_of("race", taxonomy=name) for name in labels.TAXONOMIES}

WIDEST_PX = 100_000


class NoSuchGroup(errors.ApiError):
    """A group of another taxonomy than the one asked for: nothing to be found there, so 404."""

    status_code = status.HTTP_404_NOT_FOUND
    default_code = "no_such_group"

    def __init__(self, group: str, *, taxonomy: str) -> None:
        groups = ", ".join(RACE_GROUPS[taxonomy])
        message = f"{taxonomy} has no group {group}; it has the groups {groups}."
        super().__init__(message, details={"race": [message]})


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

    class Meta:
        model = Photo
        fields: list[str] = []

    def keep_collection(self, photos: QuerySet[Photo], name: str, uid: UUID) -> QuerySet[Photo]:
        visible = Collection.objects.visible_to(self.request.user)
        return photos.filter(collection=self.find_one(visible, uid, what="collection"))


class FaceFilter(ApiFilterSet):
    """Labels are those of the best guess, race in the grouping of `?taxonomy=`."""

    collection = django_filters.UUIDFilter(method="keep_collection", label="Uid of a collection.")
    photo = django_filters.UUIDFilter(method="keep_photo", label="Uid of a photo.")
    race = django_filters.ChoiceFilter(
        choices=choices(sorted({*chain(*RACE_GROUPS.values())})),
        method="keep_race",
        label="A group of the `taxonomy` asked for.",
    )
    gender = django_filters.ChoiceFilter(choices=choices(labels.GENDER), method="keep_label")
    age = django_filters.ChoiceFilter(choices=choices(labels.AGE), method="keep_label")
    min_size_px = WidthFilter(
        field_name="size_px", lookup_expr="gte", min_value=0, max_value=WIDEST_PX, label="Least width of the box."
    )

    class Meta:
        model = Face
        fields: list[str] = []

    def keep_collection(self, faces: QuerySet[Face], name: str, uid: UUID) -> QuerySet[Face]:
        visible = Collection.objects.visible_to(self.request.user)
        return faces.filter(photo__collection=self.find_one(visible, uid, what="collection"))

    def keep_photo(self, faces: QuerySet[Face], name: str, uid: UUID) -> QuerySet[Face]:
        visible = Photo.objects.visible_to(self.request.user)
        return faces.filter(photo=self.find_one(visible, uid, what="photo"))

    def keep_race(self, faces: QuerySet[Face], name: str, group: str) -> QuerySet[Face]:
        taxonomy = parameters.read_taxonomy(self.request)
        if group not in RACE_GROUPS[taxonomy]:
            raise NoSuchGroup(group, taxonomy=taxonomy)
        if taxonomy == labels.FINEST:
            return self.keep_label(faces, name, group)
        return self._keep(faces, **{f"race_groups__{taxonomy}__label": group})

    def keep_label(self, faces: QuerySet[Face], name: str, label: str) -> QuerySet[Face]:
        return self._keep(faces, **{f"predicted_{name}": label})

    def _keep(self, faces: QuerySet[Face], **condition: str) -> QuerySet[Face]:
        said = Prediction.objects.filter(is_current=True, **condition)
        return faces.filter(pk__in=said.values("face_id"))
