"""Photos, with thumbnails; those that failed say why and can be run again."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from classifier.admin import looks
from classifier.admin.base import AuditedAdmin, ReadOnlyAdmin, administrator, link_to, record, summarise
from classifier.admin.faces import describe_guess
from classifier.http import files
from classifier.http.numbers import LARGEST_KEY, read_number
from classifier.models import FINISHED, Collection, Face, Photo, Prediction, User
from classifier.models.photos import PhotoQuerySet
from classifier.services import deletion, rerun

COLLECTIONS_LISTED = 30
THUMBNAIL_BOX = (72, 54)  # pixels that a thumbnail fills at most in a list


class CollectionFilter(admin.SimpleListFilter):
    """The collections changed last, and the one that is chosen: an instance may have thousands."""

    title = "collection"
    parameter_name = "collection__id__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        collections = Collection.objects.filter(deleting_at=None).select_related("owner")
        listed = list(collections[:COLLECTIONS_LISTED])
        if (chosen := self.chosen()) is not None and chosen not in {row.pk for row in listed}:
            listed += collections.filter(pk=chosen)
        return [(str(row.pk), f"{row.name} ({row.owner})") for row in listed]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Photo]) -> QuerySet[Photo]:
        chosen = self.chosen()
        return queryset if chosen is None else queryset.filter(collection=chosen)

    def chosen(self) -> int | None:
        """The key of a collection, of one that is there or not."""
        return read_number(self.value() or "", most=LARGEST_KEY)


class ReasonFilter(admin.ChoicesFieldListFilter):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "reason"


@admin.register(Photo)
class PhotoAdmin(AuditedAdmin, ReadOnlyAdmin):
    change_form_template = "admin/facet/photo.html"
    list_filter = ("state", ("code", ReasonFilter), CollectionFilter)
    list_select_related = ("collection", "owner", "model_version")
    list_display_links = ("name",)
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("name", "uid", "owner__username", "collection__name")
    actions = ("run_again", "detect_again")
    fields = (
        *("name", "state_in_words", "collection_link", "owner_link", "uid", "width", "height", "stored_bytes"),
        *("sha256", "note", "face_count", "model_version", "device", "timings_ms", "attempts", "lost"),
        *("received_at", "queued_at", "started_at", "finished_at"),
    )
    readonly_fields = ("state_in_words", "collection_link", "owner_link")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Photo]:
        return super().get_queryset(request).filter(deleting_at=None)

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        @admin.display(description="photo")
        def thumbnail(photo: Photo) -> SafeString:
            return draw_thumbnail(photo, viewer=administrator(request))

        return (thumbnail, "name", "state_in_words", "face_count", "collection_link", "owner", "received_at")

    @admin.display(description="state", ordering="state")
    def state_in_words(self, photo: Photo) -> str:
        reason = photo.get_code_display() if photo.code else ""
        return f"{photo.get_state_display()}: {reason}" if reason else photo.get_state_display()

    @admin.display(description="collection", ordering="collection__name")
    def collection_link(self, photo: Photo) -> str:
        return link_to(photo.collection)

    @admin.display(description="owner")
    def owner_link(self, photo: Photo) -> str:
        return link_to(photo.owner)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        if shown := getattr(response, "context_data", {}).get("cl"):
            looks.record_look(request, shown.result_list, what="list")
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        photo = self.get_object(request, unquote(object_id))
        context = dict(extra_context or {})
        if photo and self.has_view_permission(request, photo):
            looks.record_look(request, [photo], what="page")
            faces = list(photo.faces.counted().with_current_predictions())
            for face in faces:
                face.guess = describe_guess(face.prediction)
            context |= {
                "faces": faces,
                "picture": looks.sealed_link(
                    photo, route="admin:classifier_photo_image", key=photo.pk, viewer=administrator(request)
                ),
            }
        return super().change_view(request, object_id, form_url, context)

    def get_urls(self) -> list[URLPattern]:
        pictures = [
            path(
                f"<int:pk>/{file}/",
                self.admin_site.admin_view(getattr(self, f"{file}_view")),
                name=f"classifier_photo_{file}",
            )
            for file in ("image", "thumbnail")
        ]
        return pictures + super().get_urls()

    def image_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        return self._send_file(request, pk, file="image")

    def thumbnail_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        return self._send_file(request, pk, file="thumbnail")

    def _send_file(self, request: HttpRequest, pk: int, *, file: str) -> HttpResponseBase:
        if not self.has_view_permission(request):
            raise PermissionDenied
        photo = self.get_queryset(request).filter(pk=pk).first()
        if photo is None:
            raise Http404("There is no such photo.")
        if not looks.is_recorded(request, photo):
            looks.record_look(request, [photo], what=file)
        stored = getattr(photo, file)
        return files.send_file(request, storage=stored.storage, name=stored.name)

    def has_rerun_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("classifier.change_photo")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("classifier.delete_photo")

    @admin.action(description="Run again", permissions=["rerun"])
    def run_again(self, request: HttpRequest, queryset: PhotoQuerySet) -> None:
        self._queue(request, queryset, verb=rerun.run_again, action="photo run again")

    @admin.action(description="Detect again (the faces found so far are retired)", permissions=["rerun"])
    def detect_again(self, request: HttpRequest, queryset: PhotoQuerySet) -> None:
        self._queue(request, queryset, verb=rerun.detect_again, action="photo detected again")

    def _queue(self, request: HttpRequest, chosen: PhotoQuerySet, *, verb: Any, action: str) -> None:
        finished = list(chosen.filter(state__in=FINISHED).select_related(None).only("uid"))
        if not finished:
            self.message_user(request, "These photos are waiting or running already.", messages.WARNING)
            return
        # The log first, in a transaction of its own: it has one writer at a time, and this may take a while.
        record(request, action, rows=finished)
        count = verb(chosen)
        text = "1 photo is queued again." if count == 1 else f"{count} photos are queued again."
        self.message_user(request, text, messages.SUCCESS)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        faces = Face.objects.filter(photo__in=objs)
        counts = {
            "photos": len(objs),
            "faces": faces.count(),
            "predictions": Prediction.objects.filter(face__in=faces).count(),
        }
        return summarise(objs), counts, set(), []

    def remove_rows(self, rows: list[Photo]) -> None:
        # Marked with the line in the audit log or not at all; files must not go before the mark on their rows is kept.
        photos, now = Photo.objects.filter(pk__in=[row.pk for row in rows]), timezone.now()
        deletion.mark_photos(photos, at=now)
        deletion.forget_log_entries(photos)  # Django's own log would keep the names of what is gone
        transaction.on_commit(lambda: deletion.finish_photos(at=now))


def draw_thumbnail(photo: Photo, *, viewer: User) -> SafeString:
    """A small picture of a photo for a list; the list's look must have been recorded."""
    scale = min(THUMBNAIL_BOX[0] / photo.width, THUMBNAIL_BOX[1] / photo.height)
    return format_html(
        '<img src="{}" width="{}" height="{}" alt="" loading="lazy">',
        looks.sealed_link(photo, route="admin:classifier_photo_thumbnail", key=photo.pk, viewer=viewer),
        max(1, round(photo.width * scale)),
        max(1, round(photo.height * scale)),
    )
