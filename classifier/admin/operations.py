"""The running of the instance: model versions, workers, and the audit log."""

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from classifier.admin.base import ReadOnlyAdmin, record
from classifier.models import AuditEvent, Job, ModelVersion, WorkerHeartbeat
from classifier.services import registry

Status = ModelVersion.Status

if TYPE_CHECKING:

    class CountedVersion(ModelVersion):
        """With what the admin's query adds."""

        prediction_total: int


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
            for version in versions:
                record(request, "model version changed", rows=[version], before=version.status, after=status)
                if status == Status.PRODUCTION:
                    registry.promote_version(version)
                else:
                    ModelVersion.objects.filter(pk=version.pk).update(status=status)
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
    list_display = ("at", "actor_name", "action", "subject")
    list_filter = ("action",)
    date_hierarchy = "at"
    show_full_result_count = False
    ordering = ("-id",)
    search_fields = ("actor_name", "action", "target")
    fields = ("at", "actor_name", "action", "target", "details", "previous_hash", "hash")

    @admin.display(description="target", ordering="target")
    def subject(self, event: AuditEvent) -> str:
        several = event.details.get("targets", ())
        return event.target or (f"{len(several)} rows" if several else "–")
