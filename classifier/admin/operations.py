"""The running of the instance: model versions, workers, and the audit log."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path

from classifier.admin.base import ReadOnlyAdmin, record
from classifier.models import AuditEvent, AuditPerson, Job, ModelVersion, WorkerHeartbeat
from classifier.services import auditing, registry

Status = ModelVersion.Status

if TYPE_CHECKING:

    class CountedVersion(ModelVersion):
        """With what the admin's query adds."""

        prediction_total: int

    class NamedEvent(AuditEvent):
        """Likewise."""

        known_as: str | None


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    """Versions come from workers that load them; here only their status changes."""

    list_display = ("name", "status", "short_hash", "prediction_count", "created_at")
    list_filter = ("status",)
    search_fields = ("name", "sha256")
    fields = ("name", "status", "sha256", "uid", "card", "prediction_count", "created_at")
    readonly_fields = ("prediction_count",)
    actions = ("promote", "make_candidate", "retire")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        versions: QuerySet[ModelVersion] = super().get_queryset(request).annotate(prediction_total=Count("predictions"))
        return versions

    @admin.display(description="hash")
    def short_hash(self, version: ModelVersion) -> str:
        return f"{version.sha256[:12]}…"

    @admin.display(description="predictions", ordering="prediction_total")
    def prediction_count(self, version: "CountedVersion") -> int:
        return version.prediction_total

    def has_status_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("classifier.change_modelversion")

    @admin.action(description="Put into production (the former one retires)", permissions=["status"])
    def promote(self, request: HttpRequest, queryset: QuerySet[ModelVersion]) -> None:
        if len(queryset) != 1:
            self.message_user(request, "Choose one version: only one can be in production.", messages.ERROR)
            return
        self._change_status(request, queryset, status=Status.PRODUCTION)

    @admin.action(description="Make candidates", permissions=["status"])
    def make_candidate(self, request: HttpRequest, queryset: QuerySet[ModelVersion]) -> None:
        self._change_status(request, queryset, status=Status.CANDIDATE)

    @admin.action(description="Retire", permissions=["status"])
    def retire(self, request: HttpRequest, queryset: QuerySet[ModelVersion]) -> None:
        self._change_status(request, queryset, status=Status.RETIRED)

    def _change_status(self, request: HttpRequest, chosen: QuerySet[ModelVersion], *, status: Status) -> None:
        versions = [version for version in chosen if version.status != status]
        if any(version.status == Status.PRODUCTION for version in versions):
            text = "Put another version into production first; the one that was then retires by itself."
            self.message_user(request, text, messages.ERROR)
            return
        with transaction.atomic():
            before = {version.pk: version.status for version in versions}
            for version in versions:
                if status == Status.PRODUCTION:
                    registry.promote_version(version)
                else:
                    ModelVersion.objects.filter(pk=version.pk).update(status=status)
            for version in versions:
                record(request, "model version changed", rows=[version], before=before[version.pk], after=status)
        for version in versions:
            self.message_user(request, f"{version.name} is now {status.label}.", messages.SUCCESS)


@admin.register(WorkerHeartbeat)
class WorkerHeartbeatAdmin(ReadOnlyAdmin):
    list_display = ("name", "is_alive", "device", "model_version", "pid", "started_at", "seen_at")
    list_select_related = ("model_version",)

    @admin.display(description="alive", boolean=True, ordering="seen_at")
    def is_alive(self, beat: WorkerHeartbeat) -> bool:
        return beat.is_live()


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ("uid", "kind", "state", "code", "owner", "attempts", "lost", "queued_at", "finished_at")
    list_filter = ("kind", "state", "code")
    list_select_related = ("owner",)
    fields = (*list_display, "started_at")


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor_name", "action", "address", "subject")
    list_filter = ("action",)
    list_select_related = ("origin",)
    change_list_template = "admin/facet/audit_list.html"
    date_hierarchy = "at"
    show_full_result_count = False
    ordering = ("-id",)
    search_fields = ("actor_uid", "action", "target", "request_id")
    fields = (
        *("at", "actor_name", "actor_uid", "action", "target", "details", "address", "request_id"),
        *("previous_hash", "hash"),
    )
    readonly_fields = ("actor_name", "address")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        name = AuditPerson.objects.filter(uid=OuterRef("actor_uid")).values("name")
        events: QuerySet[AuditEvent] = super().get_queryset(request).annotate(known_as=Subquery(name))
        return events

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if search_term:
            named = AuditPerson.objects.filter(name__icontains=search_term).values("uid")
            found |= queryset.filter(actor_uid__in=named)
        return found, may_repeat

    def get_urls(self) -> list[Any]:
        export = path("export/", self.admin_site.admin_view(self.export), name="classifier_auditevent_export")
        return [export, *super().get_urls()]

    def export(self, request: HttpRequest) -> StreamingHttpResponse:
        """What the list shows as it is filtered, as CSV: of somebody whose account has gone it has the uid only."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        listed = self.get_changelist_instance(request).get_queryset(request)
        record(request, "audit log exported", rows=[], count=listed.count())
        return StreamingHttpResponse(
            auditing.write_csv(listed),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="audit.csv"'},
        )

    @admin.display(description="actor", ordering="known_as")
    def actor_name(self, event: "NamedEvent") -> str:
        return event.known_as or (str(event.actor_uid) if event.actor_uid else "–")

    @admin.display(description="address")
    def address(self, event: AuditEvent) -> str:
        origin = getattr(event, "origin", None)
        return origin.address if origin else "–"

    @admin.display(description="target", ordering="target")
    def subject(self, event: AuditEvent) -> str:
        several = event.details.get("targets", ())
        return event.target or (f"{len(several)} rows" if several else "–")
