"""One photo: its page, its files, and what its owner may do with it."""

from itertools import chain
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Prefetch, prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.views.decorators.http import require_GET, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from classifier.http import files
from classifier.http.uids import read_uids
from classifier.models import PENDING, Collection, Face, Photo, PhotoTag, State
from classifier.services import deletion, explanations, matches, predictions, rerun
from classifier.services.paging import find_neighbours
from classifier.views.access import UserRequest, login_required
from classifier.views.photo_sets import read_set


@login_required
@require_GET
def detail(request: UserRequest, uid: UUID) -> HttpResponse:
    """The photo with one face chosen (`?face=`) and told in a grouping (`?taxonomy=`).

    `?explain=` opens what mattered for an attribute, for those whose browser runs no scripts.

    The address also says which photos somebody goes through (see `photo_sets`): the neighbours are theirs.

    htmx gets the chosen face alone; `?card` makes it the small card that the gallery shows beside a face, and `?place`
    tells which of the photos it is. `?watch` waits for a worker: nothing while the photo is pending, then word to load
    the page anew.
    """
    visible = Photo.objects.visible_to(request.user).select_related("collection__owner", "model_version")
    photo = get_object_or_404(visible.with_faces(), uid=uid)
    if request.htmx and "watch" in request.GET:
        return HttpResponse(status=204) if photo.state in PENDING else HttpResponseClientRefresh()
    photo_set = read_set(request, collection=photo.collection)
    if request.htmx and "place" in request.GET:
        place_there = photo_set.find_place(photo)
        return render(request, "photos/_place.html", {"place_there": place_there, "photo_set": photo_set})
    taxonomy = photo_set.taxonomy
    faces: list[Face] = photo.counted_faces  # with_faces adds it
    photo_set.mark_matches([photo])
    place = _chosen_place(request, faces=faces, matching=photo.matching)
    face = faces[place] if faces else None
    context: dict[str, Any] = {
        "photo": photo,
        "faces": faces,
        "face": face,
        "place": place + 1,
        "previous_face": faces[place - 1] if face else None,
        "next_face": faces[(place + 1) % len(faces)] if face else None,
        "answers": _describe(face, taxonomy=taxonomy),
        "photo_set": photo_set,
        "taxonomy": taxonomy,
        "is_mine": photo.collection.owner_id == request.user.pk,
        "explainable": explanations.explainable(face) if face else (),
        "opened": _open_explanation(face, attribute=request.GET.get("explain", "")) if face else {},
    }
    if request.htmx:
        return render(request, "photos/_card.html" if "card" in request.GET else "photos/_face.html", context)
    prefetch_related_objects([photo], Prefetch("tags", queryset=PhotoTag.objects.select_related("column")))
    context["before"], context["after"] = find_neighbours(photo_set.photos, row=photo, order=photo_set.order)
    context["gallery"] = photo_set.gallery_of(photo)
    if "place" in request.GET or not matches.is_large(photo.collection):
        context["place_there"] = photo_set.find_place(photo)
    return render(request, "photos/detail.html", context)


@login_required
@require_safe
def image(request: UserRequest, uid: UUID) -> HttpResponseBase:
    photo = get_object_or_404(Photo.objects.visible_to(request.user), uid=uid)
    return files.send_file(request, storage=photo.image.storage, name=photo.image.name)


@login_required
@require_safe
def thumbnail(request: UserRequest, uid: UUID) -> HttpResponseBase:
    photo = get_object_or_404(Photo.objects.visible_to(request.user), uid=uid)
    return files.send_file(request, storage=photo.thumbnail.storage, name=photo.thumbnail.name)


@login_required
@require_POST
def delete(request: UserRequest, uid: UUID) -> HttpResponse:
    photos = Photo.objects.owned_by(request.user).filter(uid=uid)
    photo = get_object_or_404(photos.select_related("collection"))
    photo_set = read_set(request, collection=photo.collection)
    before, after = find_neighbours(photo_set.photos, row=photo, order=photo_set.order)
    deletion.delete_photos(photos, by=request.user)
    messages.success(request, f"“{photo.name}” was deleted, with its files and results.")
    if following := after or before:
        return _to("photo-detail", uid=following.uid, query=photo_set.query())
    return _to("collection-detail", uid=photo.collection.uid, query=photo_set.query())


@login_required
@require_POST
def delete_selected(request: UserRequest, uid: UUID) -> HttpResponse:
    """Delete the photos ticked in a gallery (`photos`: their uids); it shows the same page again."""
    collection = get_object_or_404(Collection.objects.owned_by(request.user), uid=uid)
    chosen = Photo.objects.owned_by(request.user).filter(
        collection=collection, uid__in=read_uids(request.POST.getlist("photos"))
    )
    count = deletion.delete_photos(chosen, by=request.user)
    messages.success(request, "1 photo was deleted." if count == 1 else f"{count} photos were deleted.")
    return _to("collection-detail", uid=uid, query=_query(request))


@login_required
@require_POST
def run_again(request: UserRequest, uid: UUID) -> HttpResponse:
    photos = Photo.objects.owned_by(request.user).filter(uid=uid)
    get_object_or_404(photos)
    rerun.run_again(photos)
    return _to("photo-detail", uid=uid, query=_query(request))


@login_required
@require_POST
def detect_again(request: UserRequest, uid: UUID) -> HttpResponse:
    photos = Photo.objects.owned_by(request.user).filter(uid=uid)
    get_object_or_404(photos)
    rerun.detect_again(photos)
    return _to("photo-detail", uid=uid, query=_query(request))


@login_required
@require_POST
def run_again_failed(request: UserRequest, uid: UUID) -> HttpResponse:
    """Queue every failed photo of a collection afresh."""
    collection = get_object_or_404(Collection.objects.owned_by(request.user), uid=uid)
    failed = Photo.objects.owned_by(request.user).filter(collection=collection, state=State.FAILED)
    count = rerun.run_again(failed)
    messages.success(request, "1 photo is queued again." if count == 1 else f"{count} photos are queued again.")
    return _to("collection-detail", uid=uid, query=_query(request))


def _chosen_place(request: HttpRequest, *, faces: list[Face], matching: set[int] | None) -> int:
    """Where in the list the face asked for stands; when there is no such face the first that the filters ask for."""
    asked = request.GET.get("face", "")
    found = (place for place, face in enumerate(faces) if str(face.number) == asked)
    fitting = (place for place, face in enumerate(faces) if matching and face.pk in matching)
    return next(chain(found, fitting), 0)


def _query(request: HttpRequest) -> str:
    """What the address of a form said, for the page that follows."""
    return f"?{request.GET.urlencode()}" if request.GET else ""


def _to(name: str, *, uid: UUID, query: str) -> HttpResponse:
    return redirect(f"{resolve_url(name, uid=uid)}{query}")


def _describe(face: Face | None, *, taxonomy: str | None) -> dict[str, Any]:
    prediction = face.prediction if face else None
    return predictions.describe_prediction(prediction, taxonomy=taxonomy) if prediction else {}


def _open_explanation(face: Face, *, attribute: str) -> dict[str, Any]:
    """What `?explain=` opens: the explanation of one attribute, as far as it is there."""
    if attribute not in explanations.explainable(face):
        return {}
    answer = explanations.read_answer(face, attribute=attribute)
    guess = _describe(face, taxonomy=None).get(attribute, {})
    return {"attribute": attribute, "answer": answer, "guess": guess}
