"""Reports: of a collection as it is, its faces as CSV, and reports that were kept."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework import exceptions, generics, status
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from classifier import asking
from classifier.api import errors, parameters
from classifier.api import report_schema as schema
from classifier.api import report_serializers as serializers
from classifier.api.schema import JsonErrors
from classifier.api.views import ApiView
from classifier.asking import Asked
from classifier.filters import PhotoFilter
from classifier.models import Collection, KeptReport, RemovedReport
from classifier.services import audit
from classifier.services.reports import caching, exporting, keeping
from classifier.services.reviews import blinding

ASK_AGAIN_SECONDS = 2
# What an aggregate-only collection cannot be asked: its photos and faces are gone.
NOT_OF_SUMS = {*PhotoFilter.base_filters, "by", "other", "narrowest", "reference"}


class NothingCounted(errors.ApiError):
    """There is no report, since no face is counted; the message says why."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "nothing_counted"


class ReportFailed(errors.ApiError):
    """A worker gave this report up; POST asks for it once more."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "report_failed"


class NoSuchChoice(errors.ApiError):
    """A folder, column, group or collection that is not there to ask for."""

    status_code = status.HTTP_404_NOT_FOUND
    default_code = "no_such_choice"


class ReferenceRefused(errors.ApiError):
    """Shares to hold a report against that are no table of them, or not of what this collection tells."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "reference_refused"


class ReportRemoved(errors.ApiError):
    """A kept report that went with its collection; the details are what is left of it."""

    status_code = status.HTTP_410_GONE
    default_code = "report_removed"
    default_detail = "This report went with its collection. A copy of it can be checked by the hash in the details."


class ReportView(ApiView):
    serializer_class: Any = serializers.CurrentReportSerializer

    def find(self, uid: UUID) -> Collection:
        found: Collection = get_object_or_404(Collection.objects.visible_to(self.user), uid=uid)
        return found

    def ask(self, collection: Collection, *, data: Mapping[str, str]) -> Asked:
        """Raises ValidationError for what is malformed, NoSuchChoice for what this collection does not have.

        Raises ReferenceRefused for shares that cannot be held against what it tells.
        """
        asked = asking.read_asked(data, user=self.user, collection=collection)
        if collection.is_aggregate_only and (beyond := {name for name, value in data.items() if value} & NOT_OF_SUMS):
            raise NoSuchChoice(f"{min(beyond)}: this collection keeps only sums, of which nothing can be chosen.")
        wrong = {**asked.form.errors, **asked.filter.form.errors}
        if "narrowest" in wrong:
            raise exceptions.ValidationError({"narrowest": wrong["narrowest"]})
        offered = {*asked.filter.filters, *asked.form.fields}
        for name in {*PhotoFilter.base_filters, "by", "other"} & {name for name, value in data.items() if value}:
            if name not in offered:
                wrong[name] = ["This collection has nothing to choose here."]
        if wrong:
            name, (message, *_) = next(iter(wrong.items()))
            raise NoSuchChoice(f"{name}: {message}", details={name: list(texts) for name, texts in wrong.items()})
        if asked.refused:
            raise ReferenceRefused(asked.refused)
        if data.get("reference") and data.get("other"):
            raise ReferenceRefused("A report is held against shares or against another collection, not both.")
        return asked

    def answer(self, collection: Collection, *, asked: Asked) -> caching.Answer:
        """What is known by now. Raises NothingCounted, ReportFailed, StillBlind."""
        found = caching.read_answer(collection, question=asked.question, user=self.user)
        if found.are_withheld:
            raise blinding.StillBlind
        if found.nothing and found.state != "computing":
            raise NothingCounted(found.nothing)
        if found.state == "failed":
            raise ReportFailed(found.reason)
        return found

    def tell_waiting(self, found: caching.Answer) -> Response:
        body = {"state": "computing", "progress": found.progress, "is_attended": found.is_attended}
        return Response(body, status=status.HTTP_202_ACCEPTED, headers={"Retry-After": str(ASK_AGAIN_SECONDS)})


class CollectionReport(ReportView):
    @schema.report_detail
    def get(self, request: Request, uid: UUID) -> Response:
        collection = self.find(uid)
        return self.tell(collection, asked=self.ask(collection, data=request.query_params))

    @schema.report_again
    def post(self, request: Request, uid: UUID) -> Response:
        collection = self.find(uid)
        asked = self.ask(collection, data=request.query_params)
        caching.ask_again(collection, question=asked.question, user=self.user)
        return self.tell(collection, asked=asked)

    def tell(self, collection: Collection, *, asked: Asked) -> Response:
        found = self.answer(collection, asked=asked)
        if found.state == "computing" or found.values is None:
            return self.tell_waiting(found)
        return Response({**found.values, "is_current": found.is_current})


class CsvRenderer(BaseRenderer):
    """Only so that CSV can be asked for: the view streams it itself, and errors are told in JSON."""

    media_type, format = "text/csv", "csv"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        raise NotImplementedError


class CollectionFaces(JsonErrors, ReportView):
    renderer_classes = [CsvRenderer, JSONRenderer]

    @schema.faces
    def get(self, request: Request, uid: UUID) -> Any:
        collection = self.find(uid)
        if collection.is_aggregate_only:
            raise NothingCounted("This collection keeps only sums: there are no faces to list.")
        asked = self.ask(collection, data=request.query_params)
        audit.record("faces exported", actor=self.user, target=f"collection {collection.uid}")
        lines = exporting.write_faces(collection, question=asked.question)
        return StreamingHttpResponse((line.encode() for line in lines), content_type="text/csv; charset=utf-8")


class KeptReportList(ReportView, generics.ListAPIView[KeptReport]):
    serializer_class = serializers.KeptReportSerializer
    newest_by = "kept_at"

    def get_queryset(self) -> QuerySet[KeptReport]:
        return KeptReport.objects.visible_to(self.user).select_related("collection", "kept_by").defer("content")

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if "collection" not in self.request.query_params:
            return queryset
        text = self.request.query_params["collection"]
        if not (text and parameters.UID_OR_NOTHING.fullmatch(text)):
            raise exceptions.ValidationError({"collection": ["The uid of a collection."]})
        return queryset.filter(collection=self.find(UUID(text)))

    @schema.kept_list
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @schema.kept_create
    def post(self, request: Request) -> Response:
        wanted = serializers.NewKeptReportSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = wanted.validated_data
        collection = get_object_or_404(Collection.objects.owned_by(self.user), uid=values.pop("collection"))
        data = {**values.pop("filters", {}), **{name: str(value) for name, value in values.items()}}
        asked = self.ask(collection, data=data)
        found = self.answer(collection, asked=asked)
        if found.state == "computing" or found.values is None:
            return self.tell_waiting(found)
        title = asking.entitle(collection, asked=asked)
        started = timezone.now()
        kept = keeping.keep_report(
            collection, values=found.values, question=asked.question, title=title, user=self.user, draw=found.draw
        )
        body = self.get_serializer(kept).data
        return Response(body, status=status.HTTP_201_CREATED if kept.kept_at >= started else status.HTTP_200_OK)


class KeptReportDetail(ReportView):
    serializer_class = serializers.WholeKeptReportSerializer

    @schema.kept_detail
    def get(self, request: Request, uid: UUID) -> Response:
        visible = KeptReport.objects.visible_to(self.user).select_related("collection", "kept_by")
        kept = visible.filter(uid=uid).first()
        if kept is None:
            removed = get_object_or_404(RemovedReport, owner=self.user, uid=uid)
            raise ReportRemoved(details=dict(serializers.RemovedReportSerializer(removed).data))
        blinding.check_kept(kept, reader=self.user)
        return Response(self.get_serializer(kept).data)
