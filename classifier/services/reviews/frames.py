"""The faces that a draw is drawn from, and the strata they are in: all of it in the database."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from django.db import connection
from django.db.models import Case, Count, Exists, OuterRef, PositiveSmallIntegerField, Q, QuerySet, Value, When
from django.utils.dateparse import parse_date

from classifier.models import Collection, Draw, Face, FrameFace, Guess, Photo, State
from classifier.services.reviews.refusals import BadDraw
from ml.attributes import ATTRIBUTES
from ml.labels import TAXONOMIES, taxonomies_of

# Strata of age: nine bins are told apart too badly, and would spread a draw thin. The bands of `ml.shares.schemes`.
AGE_BANDS = {
    "0-9": ("0-2", "3-9"),
    "10-19": ("10-19",),
    "20-39": ("20-29", "30-39"),
    "40-59": ("40-49", "50-59"),
    "60+": ("60-69", "more than 70"),
}
ALL = "all"  # the one stratum of a simple draw


def strata_of(attribute: str) -> dict[str, tuple[str, ...]]:
    """Stratum -> the guesses that are in it."""
    is_in_bins = ATTRIBUTES[attribute].scale is not None
    return dict(AGE_BANDS) if is_in_bins else {label: (label,) for label in ATTRIBUTES[attribute].labels}


def select_faces(collection: Collection, *, narrowest_px: float, chosen: Mapping[str, Any] | None = None) -> Any:
    """The counted faces of a collection that are wide enough and in what a filter chose. Raises BadDraw."""
    photos, faces = _narrow(collection, chosen=chosen)
    return faces.filter(photo__in=photos.order_by().values("pk"), size_px__gte=narrowest_px)


def select_photos(collection: Collection, *, chosen: Mapping[str, Any] | None = None) -> QuerySet[Photo]:
    """The photos of a collection that were read, in what a filter chose. Raises BadDraw("unknown_filter").

    Where the filter is about faces, these are the photos with at least one that it holds for.
    """
    return _narrow(collection, chosen=chosen)[0]


def keep_filter(collection: Collection, *, chosen: Mapping[str, Any] | None) -> dict[str, str]:
    """A filter as a draw keeps it: with the grouping that its labels are of, since a collection's may change."""
    kept = {name: str(value) for name, value in (chosen or {}).items()}
    return kept | {TAXONOMY: kept.get(TAXONOMY) or collection.taxonomy} if kept.keys() - RECEIVED.keys() else kept


def selects_same(kept: Mapping[str, Any], *, chosen: Mapping[str, Any] | None, taxonomy: str) -> bool:
    """Whether a draw's filter is the one that is asked for, whose labels are of this grouping where it names groups."""
    asked = {name: str(value) for name, value in (chosen or {}).items() if name != TAXONOMY}
    if {name: value for name, value in kept.items() if name != TAXONOMY} != asked:
        return False
    return not TOLD_IN_GROUPS & asked.keys() or kept.get(TAXONOMY) == taxonomy


def _narrow(collection: Collection, *, chosen: Mapping[str, Any] | None) -> tuple[QuerySet[Photo], QuerySet[Face]]:
    photos: QuerySet[Photo] = Photo.objects.filter(collection=collection, deleting_at=None, state=State.DONE)
    others = {name: str(value) for name, value in (chosen or {}).items()}
    for name in RECEIVED.keys() & others.keys():
        photos = photos.filter(**{RECEIVED[name]: _read_day(name, others.pop(name))})
    taxonomy = others.pop(TAXONOMY, collection.taxonomy)
    if taxonomy not in TAXONOMIES:
        raise BadDraw("unknown_filter", "Faces are not told in this grouping.")
    faces: QuerySet[Face] = Face.objects.counted()
    unknown = set(others)
    for narrow in narrowing if others else ():
        photos, faces, unknown = narrow(photos, collection, others, taxonomy)
    if unknown:
        names = ", ".join(sorted(unknown))
        raise BadDraw("unknown_filter", f"Faces cannot be chosen by {names}: there is no such filter or value here.")
    return photos, faces


STANDS = Q(face__retired_at=None) | Q(face__retired_because=Face.Retired.NOT_A_FACE)
RECEIVED = {"received_from": "received_at__date__gte", "received_to": "received_at__date__lte"}
TAXONOMY = "taxonomy"
# Filters whose values mean something else in another grouping.
TOLD_IN_GROUPS = {"sure", *(of.short for of in ATTRIBUTES.values() if len(taxonomies_of(of.name)) > 1)}
# Photos, collection, filters and grouping -> the photos and faces they keep, and the filters that hold for nothing.
Narrow: TypeAlias = Callable[
    [QuerySet[Photo], Collection, dict[str, str], str], tuple[QuerySet[Photo], QuerySet[Face], set[str]]
]
narrowing: list[Narrow] = []  # the gallery's filters, which the site puts here when it starts


def _read_day(name: str, value: Any) -> Any:
    try:
        day = parse_date(str(value))
    except ValueError:
        day = None
    if day is None:
        raise BadDraw("unknown_filter", f"{name} is no day: write it as 2025-12-31.")
    return day


def freeze(draw: Draw, *, faces: QuerySet[Face], first: int = 0) -> dict[int, int]:
    """Keep the frame of a draw, or of the part that is added to it: stratum -> number of faces.

    Strata are numbered from `first`. Faces without a guess of the draw's attribute are in no stratum, and left out.
    """
    guesses = Guess.objects.filter(attribute=draw.strata_attribute, face__in=faces).order_by()
    if draw.allocation == Draw.Allocation.SIMPLE:
        stratum: Any = Value(first, output_field=PositiveSmallIntegerField())
    else:
        of = strata_of(draw.strata_attribute)
        places = (When(label__in=labels, then=Value(first + place)) for place, labels in enumerate(of.values()))
        stratum = Case(*places, output_field=PositiveSmallIntegerField())
    rows = guesses.annotate(place=stratum, of_draw=Value(draw.pk)).values_list("of_draw", "face_id", "place")
    sql, parameters = rows.query.sql_with_params()
    table = connection.ops.quote_name(FrameFace._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} (draw_id, face_id, stratum) {sql}", parameters)
    return count_frame(draw, first=first)


def count_frame(draw: Draw, *, first: int = 0) -> dict[int, int]:
    """Stratum -> the faces that are there now: those deleted, moved or found anew have left."""
    rows = standing_frame(draw).filter(stratum__gte=first).order_by().values_list("stratum")
    return dict(rows.annotate(Count("pk")).values_list("stratum", "pk__count"))


def standing_frame(draw: Draw) -> QuerySet[FrameFace]:
    """The rows of the frame whose faces still count, or turned out to be none: of them the draw has to tell how many.

    Faces that were deleted, or replaced when a photo's faces were found anew, have left.
    """
    return FrameFace.objects.filter(STANDS, draw=draw, face__photo__deleting_at=None)


def later_faces(draw: Draw) -> QuerySet[Face]:
    """Faces that the draw would have been drawn from, had they been there: of photos that came later."""
    faces = select_faces(draw.collection, narrowest_px=draw.narrowest_px, chosen=draw.filter)
    inside = FrameFace.objects.filter(draw=draw, face=OuterRef("pk"))
    guessed = Guess.objects.filter(attribute=draw.strata_attribute, face=OuterRef("pk"))
    found: QuerySet[Face] = faces.filter(~Exists(inside), Exists(guessed))
    return found


def name_strata(counts: Mapping[int, int], *, labels: Sequence[str], part: int, first: int = 0) -> list[dict[str, Any]]:
    """The strata of a part of a draw as the draw keeps them."""
    return [{"label": label, "part": part, "faces": counts.get(first + place, 0)} for place, label in enumerate(labels)]


def count_faces(photos: Sequence[int], *, narrowest_px: float) -> dict[int, int]:
    """Photo -> its counted faces that are wide enough; photos without any are absent."""
    faces = Face.objects.counted().filter(photo__in=photos, size_px__gte=narrowest_px).order_by()
    return dict(faces.values_list("photo").annotate(Count("pk")).values_list("photo", "pk__count"))
