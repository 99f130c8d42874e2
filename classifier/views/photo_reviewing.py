"""Marking, in a draw of photos, the faces that were not found: a click on each, or none."""

import uuid
from typing import Any
from uuid import UUID

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render

from classifier.http import files
from classifier.models import Draw, Photo
from classifier.services.reviews import photos as photo_draws
from classifier.services.reviews.photos import PhotoPass
from classifier.services.reviews.refusals import BadAnswer, NotDrawn, ReviewRefused
from classifier.views import desk
from classifier.views.access import UserRequest
from classifier.views.review_requests import read_count, read_key, read_seconds, read_words

AHEAD, MOST_AHEAD = 3, 6
SHOWN_PX = 640  # the width of the picture whose clicks a browser without scripts sends


def review(request: UserRequest, draw: Draw) -> HttpResponse:
    """The page of a draw of photos. POST is a click on the picture, or a button, without scripts."""
    marks: list[list[float]] = []
    notice = photo_uid = ""
    if request.method == "POST":
        try:
            still = take_press(request, draw)
        except ReviewRefused as refusal:
            notice = refusal.sentence
        else:
            if still is None:
                return redirect("draw-review", uid=draw.uid)
            marks, photo_uid = still, request.POST.get("photo", "")
    found, waiting = photo_draws.next_photos(draw, reviewer=request.user, count=AHEAD)
    if marks and (not waiting or str(waiting[0].uid) != photo_uid):
        marks = []
    described = [describe_photo(photo) for photo in waiting]
    context = {
        "draw": draw,
        "title": desk.title_of(draw),
        "photo": described[0] if described else None,
        "photos": described,
        "marks": [f"{x},{y}" for x, y in marks],
        "spots": [(x * described[0]["width"], y * described[0]["height"]) for x, y in marks] if described else [],
        "counts": describe_counts(found),
        "key": uuid.uuid4(),
        "notice": notice,
        "is_of_photos": True,
    }
    return render(request, "reviews/photos.html", context)


def photos(request: UserRequest, draw: Draw) -> JsonResponse:
    """The photos to look at next, without those that the page has."""
    have = set(request.GET.getlist("not"))
    count = read_count(request.GET.get("count", ""), usual=AHEAD, most=MOST_AHEAD)
    found, waiting = photo_draws.next_photos(draw, reviewer=request.user, count=count + len(have))
    fresh = [describe_photo(photo) for photo in waiting if str(photo.uid) not in have][:count]
    return JsonResponse({"photos": fresh, "counts": describe_counts(found)})


def keep_sent(request: UserRequest, draw: Draw, *, sent: dict[str, Any]) -> JsonResponse:
    """Keep `marks` of a `photo`, or that it is `skipped`. Raises ReviewRefused."""
    photo = find_photo(draw, uid=sent.get("photo"))
    if sent.get("skipped"):
        kept = photo_draws.skip_photo(draw, photo=photo, reviewer=request.user, client_key=read_key(sent))
        return JsonResponse({"saved": str(kept.uid)})
    marks = sent.get("marks")
    if not isinstance(marks, list):
        raise BadAnswer("bad_marks", "The marks are no list of points.")
    kept = photo_draws.mark_photo(
        draw,
        photo=photo,
        reviewer=request.user,
        marks=marks,
        comment=read_words(sent, name="comment"),
        seconds=read_seconds(sent),
        client_key=read_key(sent),
    )
    return JsonResponse({"saved": str(kept.uid)})


def undo(request: UserRequest, draw: Draw, *, sent: dict[str, Any]) -> JsonResponse:
    """Take the marks of the last photo back, or those of `photo`. Raises NothingToTakeBack, NotDrawn."""
    of = find_photo(draw, uid=sent["photo"]) if sent.get("photo") else None
    undone = photo_draws.take_back(draw, reviewer=request.user, photo=of)
    found, _ = photo_draws.next_photos(draw, reviewer=request.user, count=0)
    photo = Photo.objects.with_faces().get(pk=undone.drawn_photo.photo_id)
    return JsonResponse({"photo": describe_photo(photo), "marks": undone.marks, "counts": describe_counts(found)})


def take_press(request: UserRequest, draw: Draw) -> list[list[float]] | None:
    """One press without scripts: the marks so far, or None when they are kept, put off or taken back.

    Raises ReviewRefused.
    """
    marks = [[float(part) for part in text.split(",")] for text in request.POST.getlist("mark") if is_point(text)]
    act = request.POST.get("act", "")
    if act == "undo" and marks:
        return marks[:-1]
    if act == "undo":
        photo_draws.take_back(draw, reviewer=request.user)
        return None
    photo = find_photo(draw, uid=request.POST.get("photo"))
    key = read_key(request.POST.dict())
    if act == "skip":
        photo_draws.skip_photo(draw, photo=photo, reviewer=request.user, client_key=key)
        return None
    if act == "save":
        comment = read_words(request.POST.dict(), name="comment")
        photo_draws.mark_photo(draw, photo=photo, reviewer=request.user, marks=marks, comment=comment, client_key=key)
        return None
    width, height = shown_size(photo)
    try:
        x, y = (int(request.POST[f"point.{axis}"]) / side for axis, side in (("x", width), ("y", height)))
    except (KeyError, ValueError, OverflowError):
        raise BadAnswer("bad_marks", "Click on a face that has no box, or say that none was missed.") from None
    return photo_draws.clean_marks([*marks, [min(max(x, 0), 1), min(max(y, 0), 1)]])


def is_point(text: str) -> bool:
    try:
        return len([float(part) for part in text.split(",")]) == 2
    except ValueError:
        return False


def find_photo(draw: Draw, *, uid: Any) -> Photo:
    """A photo by what a page sent. Raises NotDrawn."""
    try:
        return Photo.objects.get(uid=UUID(str(uid)), collection=draw.collection_id)
    except (ValueError, Photo.DoesNotExist):
        raise NotDrawn("This photo is not in the draw any more: it was deleted.") from None


def shown_size(photo: Photo) -> tuple[int, int]:
    width = min(photo.width, SHOWN_PX)
    return width, max(round(photo.height * width / photo.width), 1)


def describe_photo(photo: Any) -> dict[str, Any]:
    """A photo with the boxes that were found in it, in its pixels."""
    width, height = shown_size(photo)
    boxes = [
        {"x": round(face.x1, 1), "y": round(face.y1, 1), "width": round(face.x2 - face.x1, 1)}
        | {"height": round(face.y2 - face.y1, 1)}
        for face in photo.counted_faces
    ]
    return {
        "uid": str(photo.uid),
        "src": files.picture_address("photo-image", photo),
        "width": photo.width,
        "height": photo.height,
        "shown_width": width,
        "shown_height": height,
        "boxes": boxes,
    }


def describe_counts(found: PhotoPass) -> dict[str, Any]:
    return {"answered": found.answered, "total": found.size, "can_undo": found.answered > 0}
