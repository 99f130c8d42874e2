"""Collections with their counts, and the uploads into them."""

from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from classifier.admin import generics
from classifier.admin.base import AuditedAdmin, ReadOnlyAdmin, link_to, summarise
from classifier.models import Collection, CollectionShare, Photo, Upload, UploadItem
from classifier.services import deletion, retention

if TYPE_CHECKING:

    class CountedCollection(Collection):
        """With what `with_counts` adds."""

        photo_count: int
        queued_count: int
        running_count: int
        done_count: int
        failed_count: int

    class CountedUpload(Upload):
        """With what the admin's query adds."""

        items_total: int
        items_accepted: int
        items_duplicate: int
        items_refused: int


class ShareInline(generics.TabularInline):
    model = CollectionShare
    extra = 0
    raw_id_fields = ("user",)


@admin.register(Collection)
class CollectionAdmin(AuditedAdmin):
    list_display = (
        *("name", "owner", "photo_count", "queued_count", "running_count", "done_count", "failed_count"),
        *("is_opened_to_reviewers", "retention_days", "updated_at"),
    )
    list_filter = ("is_opened_to_reviewers", "is_aggregate_only", "is_inbox", "taxonomy")
    list_select_related = ("owner",)
    show_full_result_count = False
    search_fields = ("name", "purpose", "uid", "owner__username", "owner__email")
    inlines = (ShareInline,)
    fields = (
        *("name", "owner_link", "purpose", "attributes", "taxonomy", "detail", "retention_days"),
        *(
            "is_opened_to_reviewers",
            "is_aggregate_only",
            "photos",
            "uid",
            "is_inbox",
            "terms_version",
            "terms_accepted_at",
            "terms_accepted_by",
        ),
        *("created_at", "updated_at"),
    )
    # What was declared and what is computed is the owner's word; an administrator only keeps order.
    readonly_fields = (
        *(
            "owner_link",
            "purpose",
            "attributes",
            "taxonomy",
            "detail",
            "is_aggregate_only",
            "photos",
            "uid",
            "is_inbox",
        ),
        *("terms_version", "terms_accepted_at", "terms_accepted_by", "created_at", "updated_at"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Collection]:
        return Collection.objects.filter(deleting_at=None).with_counts()

    @admin.display(description="owner")
    def owner_link(self, collection: Collection) -> str:
        return link_to(collection.owner)

    @admin.display(description="photos", ordering="photo_count")
    def photo_count(self, collection: "CountedCollection") -> SafeString:
        return _link_to_photos(collection, text=f"{collection.photo_count:,}")

    @admin.display(description="queued", ordering="queued_count")
    def queued_count(self, collection: "CountedCollection") -> str:
        return f"{collection.queued_count:,}"

    @admin.display(description="running", ordering="running_count")
    def running_count(self, collection: "CountedCollection") -> str:
        return f"{collection.running_count:,}"

    @admin.display(description="done", ordering="done_count")
    def done_count(self, collection: "CountedCollection") -> str:
        return f"{collection.done_count:,}"

    @admin.display(description="failed", ordering="failed_count")
    def failed_count(self, collection: "CountedCollection") -> SafeString | int:
        if not collection.failed_count:
            return 0
        return _link_to_photos(collection, text=f"{collection.failed_count:,}", state__exact="failed")

    @admin.display(description="photos")
    def photos(self, collection: "CountedCollection") -> SafeString:
        count = collection.photo_count
        return _link_to_photos(collection, text="1 photo" if count == 1 else f"{count:,} photos")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # only its owner can state a purpose and make the declaration

    def save_model(self, request: HttpRequest, obj: Collection, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if "retention_days" in form.changed_data and (doomed := retention.foresee([obj]).get(obj.pk)):
            self.message_user(request, f"With the new days to keep, {doomed}.", messages.WARNING)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        counts = {
            "collections": len(objs),
            "photos": Photo.objects.filter(collection__in=objs).count(),
            "uploads": Upload.objects.filter(collection__in=objs).count(),
        }
        return summarise(objs), counts, set(), []

    def remove_rows(self, rows: list[Collection]) -> None:
        # Marked with the line in the audit log or not at all; files must not go before the mark on their rows is kept.
        deletion.mark_collections(Collection.objects.filter(pk__in=[row.pk for row in rows]))
        for row in rows:
            transaction.on_commit(partial(deletion.finish_collection, row))


@admin.register(Upload)
class UploadAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "owner", "collection", "received_at", "file_count", "accepted", "refused")
    list_select_related = ("owner", "collection")
    show_full_result_count = False
    search_fields = ("uid", "owner__username", "collection__name")
    fields = ("uid", "owner", "collection", "received_at", "file_count", "accepted", "duplicates", "refused")
    readonly_fields = ("file_count", "accepted", "duplicates", "refused")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Upload]:
        outcomes = UploadItem.Outcome
        settled = (outcomes.ACCEPTED, outcomes.DUPLICATE)
        uploads: QuerySet[Upload] = (
            super()
            .get_queryset(request)
            .annotate(
                items_total=Count("items"),
                items_accepted=Count("items", filter=Q(items__outcome=outcomes.ACCEPTED)),
                items_duplicate=Count("items", filter=Q(items__outcome=outcomes.DUPLICATE)),
                items_refused=Count("items", filter=~Q(items__outcome__in=settled)),
            )
        )
        return uploads

    @admin.display(description="files", ordering="items_total")
    def file_count(self, upload: "CountedUpload") -> SafeString:
        items = reverse("admin:classifier_uploaditem_changelist")
        return format_html('<a href="{}?upload__id__exact={}">{}</a>', items, upload.pk, f"{upload.items_total:,}")

    @admin.display(ordering="items_accepted")
    def accepted(self, upload: "CountedUpload") -> str:
        return f"{upload.items_accepted:,}"

    @admin.display(ordering="items_duplicate")
    def duplicates(self, upload: "CountedUpload") -> str:
        return f"{upload.items_duplicate:,}"

    @admin.display(ordering="items_refused")
    def refused(self, upload: "CountedUpload") -> str:
        return f"{upload.items_refused:,}"


@admin.register(UploadItem)
class UploadItemAdmin(ReadOnlyAdmin):
    list_display = ("name", "outcome", "message", "photo_link", "upload", "number")
    list_filter = ("outcome",)
    list_select_related = ("upload", "photo")
    show_full_result_count = False
    search_fields = ("name", "upload__uid", "upload__owner__username")
    ordering = ("-upload__received_at", "number")
    fields = ("name", "outcome", "message", "photo_link", "upload", "number")
    readonly_fields = ("photo_link",)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        return lookup == "upload__id__exact" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="photo")
    def photo_link(self, item: UploadItem) -> str:
        return link_to(item.photo)


def _link_to_photos(collection: Collection, *, text: str, **filters: str) -> SafeString:
    query = urlencode({"collection__id__exact": str(collection.pk), **filters})
    return format_html('<a href="{}?{}">{}</a>', reverse("admin:classifier_photo_changelist"), query, text)
