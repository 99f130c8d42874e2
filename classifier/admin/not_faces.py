"""Faces that people say are none: a page of the admin from which they are retired."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from classifier.admin import looks
from classifier.admin.base import administrator
from classifier.admin.faces import describe_guess, sealed_crop
from classifier.admin.reach import OUT_OF_REACH, reaches_all
from classifier.http.numbers import LARGEST_KEY, read_number
from classifier.models import Face
from classifier.services.reviews import retiring

SHOWN = 48
RETIRES = "classifier.change_face"


def show_not_faces(request: HttpRequest, *, site: admin.AdminSite) -> HttpResponse:
    """The list, the most certain first; by POST the chosen ones are retired, with their reviews kept."""
    if request.method == "POST":
        return _retire(request)
    candidates: Any = retiring.list_candidates()
    found = candidates.select_related("photo__collection").with_current_predictions()
    page = Paginator(found, SHOWN).get_page(request.GET.get("page"))
    faces = list(page.object_list)
    looks.record_look(request, [face.photo for face in faces], what="faces that are none")
    viewer = administrator(request)
    rows = [
        {"face": face, "crop": sealed_crop(face, viewer=viewer), "guess": describe_guess(face.prediction)}
        for face in faces
    ]
    context = {
        **site.each_context(request),
        "title": "Faces that people say are none",
        "page": page,
        "rows": rows,
        "may_retire": request.user.has_perm(RETIRES),
    }
    return TemplateResponse(request, "admin/facet/not_faces.html", context)


def retire(request: HttpRequest, *, faces: list[int]) -> None:
    """Retire those of some faces that somebody calls none, and say how many. Raises PermissionDenied."""
    chosen = Face.objects.filter(pk__in=faces)
    if not request.user.has_perm(RETIRES) or not reaches_all(request, chosen):
        raise PermissionDenied(OUT_OF_REACH)
    count = retiring.retire_faces(faces=faces, actor=administrator(request))
    told = "1 face was retired." if count == 1 else f"{count} faces were retired."
    messages.add_message(request, messages.SUCCESS if count else messages.WARNING, told)


def _retire(request: HttpRequest) -> HttpResponse:
    told = (read_number(key, most=LARGEST_KEY) for key in request.POST.getlist("face")[:SHOWN])
    retire(request, faces=[key for key in told if key is not None])
    return redirect(request.get_full_path())
