"""Faces and what models said of them: estimates of how a face is perceived, to be read and never edited."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path

from classifier.admin import looks
from classifier.admin.base import ReadOnlyAdmin, administrator, link_to
from classifier.admin.guesses import LABEL_FILTERS, PREDICTED_COLUMNS
from classifier.http.files import FILE_HEADERS
from classifier.models import Face, Prediction, User
from classifier.services import crops, predictions
from classifier.templatetags.facet import group_label, percent

CAVEAT = "A model's guesses at how faces are perceived. They are not facts about anybody."


@admin.register(Face)
class FaceAdmin(ReadOnlyAdmin):
    change_form_template = "admin/facet/face.html"
    list_display = ("__str__", "photo_link", "perceived", "detection_rounded", "width_px", "is_counted")
    list_filter = (("retired_at", admin.EmptyFieldListFilter), "detector_version")
    list_select_related = ("photo",)
    show_full_result_count = False
    ordering = ("-id",)
    search_fields = ("uid", "photo__uid", "photo__name")
    fields = (
        *("photo_link", "number", "perceived", "uid", "detection", "detector_version"),
        *("x1", "y1", "x2", "y2", "chip_cx", "chip_cy", "chip_side", "chip_angle"),
        *("size_px", "sharpness", "brightness", "created_at", "retired_at"),
    )
    readonly_fields = ("photo_link", "perceived")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Face]:
        return Face.objects.filter(photo__deleting_at=None).with_current_predictions()

    @admin.display(description="photo")
    def photo_link(self, face: Face) -> str:
        return link_to(face.photo)

    @admin.display(description="perceived as")
    def perceived(self, face: Face) -> str:
        return describe_guess(face.prediction)

    @admin.display(description="detection", ordering="detection")
    def detection_rounded(self, face: Face) -> str:
        return f"{face.detection:.3f}"

    @admin.display(description="width (px)", ordering="size_px")
    def width_px(self, face: Face) -> int:
        return round(face.size_px)

    @admin.display(description="counted", boolean=True, ordering="retired_at")
    def is_counted(self, face: Face) -> bool:
        return face.retired_at is None

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "subtitle": CAVEAT})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        face = self.get_object(request, unquote(object_id))
        context = {**(extra_context or {}), "subtitle": CAVEAT}
        if face and self.has_view_permission(request, face):
            looks.record_look(request, [face.photo], what="face")
            context["picture"] = looks.sealed_link(
                face.photo, route="admin:classifier_photo_image", key=face.photo.pk, viewer=administrator(request)
            )
        return super().change_view(request, object_id, form_url, context)

    def get_urls(self) -> list[URLPattern]:
        crop = self.admin_site.admin_view(self.crop_view)
        return [path("<int:pk>/crop/", crop, name="classifier_face_crop"), *super().get_urls()]

    def crop_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The picture of one face."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        face = Face.objects.filter(photo__deleting_at=None, pk=pk).select_related("photo").first()
        if face is None:
            raise Http404("There is no such face.")
        if not looks.is_recorded(request, face.photo):
            looks.record_look(request, [face.photo], what="face")
        try:
            content = crops.cut_face(face)
        except FileNotFoundError:
            raise Http404("The stored file is missing.") from None
        return HttpResponse(content, content_type="image/jpeg", headers=dict(FILE_HEADERS))


@admin.register(Prediction)
class PredictionAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "face_link", "perceived", "model_version", "is_current", "created_at")
    list_filter = ("is_current", "model_version", *LABEL_FILTERS)
    list_select_related = ("face__photo", "model_version")
    show_full_result_count = False
    ordering = ("-id",)
    search_fields = ("face__uid", "face__photo__uid", "face__photo__name")
    fields = (
        *("face_link", "model_version", "is_current", "perceived"),
        *PREDICTED_COLUMNS,
        "created_at",
    )
    readonly_fields = ("face_link", "perceived", *PREDICTED_COLUMNS)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Prediction]:
        return super().get_queryset(request).filter(face__photo__deleting_at=None)

    @admin.display(description="face")
    def face_link(self, prediction: Prediction) -> str:
        return link_to(prediction.face, text=f"face {prediction.face.number} of {prediction.face.photo}")

    @admin.display(description="perceived as")
    def perceived(self, prediction: Prediction) -> str:
        return describe_guess(prediction)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "subtitle": CAVEAT})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "subtitle": CAVEAT})


def describe_guess(prediction: Prediction | None) -> str:
    """A prediction in a line: the likeliest label of each attribute, its probability, and "unsure" where it is."""
    if prediction is None:
        return "–"
    guesses = predictions.describe_prediction(prediction).values()
    return ", ".join(
        f"{'unsure: ' if guess['unsure'] else ''}{group_label(guess['label'])} {percent(guess['probability'])}"
        for guess in guesses
    )


def sealed_crop(face: Face, *, viewer: User) -> str:
    """The address of the picture of a face, its photo being loaded, on a page whose look was recorded."""
    return looks.sealed_link(face.photo, route="admin:classifier_face_crop", key=face.pk, viewer=viewer)
