"""Draws and what people said: looked at here, never edited; faces that are none are retired from here."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from classifier.admin import not_faces, review_queue
from classifier.admin.base import ReadOnlyAdmin, link_to, record
from classifier.admin.photos import CollectionFilter
from classifier.models import CANNOT_TELL, Draw, PhotoReview, Review
from classifier.services.reviews import exporting, results, standing
from classifier.templatetags.facet import attribute_label, group_label
from ml.attributes import ATTRIBUTES, Attribute


class FacesCollectionFilter(CollectionFilter):
    parameter_name = "collection"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.chosen()
        return queryset if chosen is None else queryset.filter(face__photo__collection=chosen)


class AnswerFilter(admin.SimpleListFilter):
    """Reviews by what they say of one attribute."""

    attribute: Attribute

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((label, group_label(label)) for label in self.attribute.labels), (CANNOT_TELL, "cannot tell")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Review]) -> QuerySet[Review]:
        chosen = self.value()
        return queryset.filter(**{f"answers__{self.attribute.name}": chosen}) if chosen else queryset


def _filter_by(attribute: Attribute) -> type[AnswerFilter]:
    name = attribute.name
    about = {"attribute": attribute, "title": f"reviewed {attribute_label(name)}", "parameter_name": f"said_{name}"}
    return type(f"Said{name.capitalize()}Filter", (AnswerFilter,), about)


@admin.register(Draw)
class DrawAdmin(ReadOnlyAdmin):
    change_list_template = "admin/facet/reviews.html"
    change_form_template = "admin/facet/draw.html"
    list_display = (
        "__str__",
        "collection",
        "kind",
        "size",
        "answered",
        "reviewers",
        "created_by",
        "created_at",
        "ended",
    )
    list_filter = ("kind", "ended")
    list_select_related = ("collection", "created_by")
    show_full_result_count = False
    search_fields = ("uid", "collection__name", "collection__owner__username")
    fields = (
        *("uid", "collection", "kind", "filter", "narrowest_px", "strata_attribute", "strata", "attributes"),
        *("allocation", "seed", "size", "codebook", "declared_by", "created_by", "created_at", "ended"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Draw]:
        told = Q(reviews__is_standing=True, reviews__verdict__in=("face", "not_a_face"))
        draws: QuerySet[Draw] = super().get_queryset(request)
        return draws.filter(collection__deleting_at=None).annotate(
            answered_count=Count("reviews__face", filter=told, distinct=True) + _count_photo_reviews("drawn_photo"),
            reviewer_count=Count("reviews__reviewer_uid", filter=told, distinct=True)
            + _count_photo_reviews("reviewer_uid"),
        )

    @admin.display(description="answered", ordering="answered_count")
    def answered(self, draw: Any) -> str:
        return f"{draw.answered_count:,}"

    @admin.display(description="reviewers", ordering="reviewer_count")
    def reviewers(self, draw: Any) -> int:
        count: int = draw.reviewer_count
        return count

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """With how far it is, who answered, and how well they agree."""
        draw = self.get_object(request, unquote(object_id))
        context = dict(extra_context or {})
        if draw and self.has_view_permission(request, draw):
            told = results.tell(draw)
            widths = {name: _tell_widths(of) for name, of in told.get("attributes", {}).items()}
            context |= {"told": told, "widths": widths, "people": standing.list_reviewers(draw)}
        return super().change_view(request, object_id, form_url, context)


def _count_photo_reviews(column: str) -> Coalesce:
    """How many photos of a draw, or people, its answers about photos name; none in a draw of faces."""
    told = PhotoReview.objects.filter(drawn_photo__draw=OuterRef("pk"), is_standing=True, is_skip=False)
    counted = told.order_by().values("drawn_photo__draw").annotate(found=Count(column, distinct=True))
    return Coalesce(Subquery(counted.values("found")), 0)


def _tell_widths(of: dict[str, Any]) -> dict[str, Any]:
    """An attribute of a draw: its answers, and the widest half interval in points, now and after two steps more."""
    later = [f"± {step['half_width'] * 100:.1f} after {step['more']:,} more" for step in of["later"][:2]]
    now = "none yet: each group needs an answer" if of["half_width"] is None else f"± {of['half_width'] * 100:.1f}"
    return {"answered": of["answered"], "waiting": of["waiting"], "now": now, "later": ", ".join(later)}


@admin.register(Review)
class ReviewAdmin(ReadOnlyAdmin):
    change_list_template = "admin/facet/reviews.html"
    list_display = ("face_link", "verdict", "answers", "said_by_whom", "draw", "was_blind", "is_standing", "at")
    list_display_links = ("verdict",)
    list_filter = (
        *("verdict", "source", "was_blind", "is_standing", "adjudicates", FacesCollectionFilter),
        *map(_filter_by, ATTRIBUTES.values()),
    )
    list_select_related = ("face", "reviewer", "draw__collection")
    show_full_result_count = False
    search_fields = ("uid", "face__uid", "reviewer__username", "face__photo__collection__name")
    date_hierarchy = "at"
    actions = ("retire_faces", "export")
    fields = (
        *("uid", "face_link", "draw", "said_by_whom", "source", "verdict", "answers", "comment", "was_blind"),
        *("adjudicates", "seconds", "at", "replaces", "is_standing"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Review]:
        reviews: QuerySet[Review] = super().get_queryset(request)
        return reviews.filter(face__photo__deleting_at=None)

    @admin.display(description="face")
    def face_link(self, review: Review) -> str:
        return link_to(review.face)

    @admin.display(description="reviewer")
    def said_by_whom(self, review: Review) -> str:
        return review.tell_reviewer()

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        return lookup == "draw__id__exact" or super().lookup_allowed(lookup, value, request)

    def has_retire_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(not_faces.RETIRES)

    def get_urls(self) -> list[URLPattern]:
        pages = {"queue": self.queue_view, "not-faces": self.not_faces_view}
        own = [
            path(f"{word}/", self.admin_site.admin_view(view), name=f"classifier_review_{word.replace('-', '_')}")
            for word, view in pages.items()
        ]
        return [*own, *super().get_urls()]

    def queue_view(self, request: HttpRequest) -> HttpResponse:
        self._check_view(request)
        return review_queue.show_queue(request, site=self.admin_site)

    def not_faces_view(self, request: HttpRequest) -> HttpResponse:
        self._check_view(request)
        return not_faces.show_not_faces(request, site=self.admin_site)

    def _check_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    @admin.action(description="Retire the faces that are said to be none", permissions=["retire"])
    def retire_faces(self, request: HttpRequest, queryset: QuerySet[Review]) -> None:
        not_faces.retire(request, faces=list(queryset.order_by().values_list("face_id", flat=True)))

    @admin.action(description="Export as CSV")
    def export(self, request: HttpRequest, queryset: QuerySet[Review]) -> HttpResponse:
        answer = HttpResponse("".join(exporting.write_rows(queryset)), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = 'attachment; filename="reviews.csv"'
        record(request, "reviews exported", rows=[], reviews=queryset.count())
        return answer
