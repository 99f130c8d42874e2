"""Draws and what people said: looked at here, never edited; faces that are none are retired from here."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse

from classifier.admin.base import ReadOnlyAdmin, administrator, link_to, record
from classifier.models import Draw, Review
from classifier.services.reviews import exporting, retiring


@admin.register(Draw)
class DrawAdmin(ReadOnlyAdmin):
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
        *("allocation", "seed", "size", "codebook", "created_by", "created_at", "ended"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Draw]:
        told = Q(reviews__is_standing=True, reviews__verdict__in=("face", "not_a_face"))
        draws: QuerySet[Draw] = super().get_queryset(request)
        return draws.filter(collection__deleting_at=None).annotate(
            answered_count=Count("reviews__face", filter=told, distinct=True),
            reviewer_count=Count("reviews__reviewer_uid", filter=told, distinct=True),
        )

    @admin.display(description="answered", ordering="answered_count")
    def answered(self, draw: Any) -> int:
        count: int = draw.answered_count
        return count

    @admin.display(description="reviewers", ordering="reviewer_count")
    def reviewers(self, draw: Any) -> int:
        count: int = draw.reviewer_count
        return count


@admin.register(Review)
class ReviewAdmin(ReadOnlyAdmin):
    list_display = ("face_link", "verdict", "answers", "said_by_whom", "draw", "was_blind", "is_standing", "at")
    list_filter = ("verdict", "source", "was_blind", "is_standing", "adjudicates")
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

    @admin.action(description="Retire the faces that are said to be none")
    def retire_faces(self, request: HttpRequest, queryset: QuerySet[Review]) -> None:
        faces = list(queryset.order_by().values_list("face_id", flat=True))
        count = retiring.retire_faces(faces=faces, actor=administrator(request))
        told = "1 face was retired." if count == 1 else f"{count} faces were retired."
        self.message_user(request, told, messages.SUCCESS if count else messages.WARNING)

    @admin.action(description="Export as CSV")
    def export(self, request: HttpRequest, queryset: QuerySet[Review]) -> HttpResponse:
        answer = HttpResponse("".join(exporting.write_rows(queryset)), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = 'attachment; filename="reviews.csv"'
        record(request, "reviews exported", rows=[], reviews=queryset.count())
        return answer
