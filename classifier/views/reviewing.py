"""Answering in a draw of faces: the page, which works without scripts, and what its script asks and sends."""

import uuid
from typing import Any
from uuid import UUID

from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import quote_etag
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from classifier.http.files import FILE_HEADERS
from classifier.models import Draw, Face, Review
from classifier.services import crops
from classifier.services.reviews import answering, progress, serving
from classifier.services.reviews.answering import Answer
from classifier.services.reviews.refusals import BadAnswer, DrawEnded, NotDrawn, ReviewRefused
from classifier.services.reviews.serving import Pass
from classifier.templatetags.facet import attribute_label
from classifier.views import desk, photo_reviewing
from classifier.views.access import UserRequest, login_required
from classifier.views.desk import Place
from classifier.views.review_requests import (
    find_draws,
    read_count,
    read_json,
    read_key,
    read_seconds,
    read_words,
    refuse,
)

MOST_AHEAD = 12
END_WORDS = "Thank you. What these answers say of the collection, and of the model, stands on the draw’s page."


@login_required
@require_http_methods(["GET", "POST"])
def review(request: UserRequest, uid: UUID) -> HttpResponse:
    """One face after the other. POST is one press of a button, of a browser that runs no scripts."""
    draw = get_object_or_404(find_draws(request), uid=uid)
    if draw.kind == Draw.Kind.PHOTOS:
        return photo_reviewing.review(request, draw)
    given: dict[str, str] = {}
    notice, face_uid = "", ""
    if request.method == "POST":
        try:
            given = take_press(request, draw)
        except ReviewRefused as refusal:
            notice = refusal.sentence
        else:
            if not given:
                return redirect("draw-review", uid=uid)
            face_uid = request.POST.get("face", "")
    return show(request, draw, given=given, face_uid=face_uid, notice=notice)


def show(request: UserRequest, draw: Draw, *, given: dict[str, str], face_uid: str, notice: str) -> HttpResponse:
    """The page with the face that is next, or the one whose questions are half answered (`given`)."""
    found, faces = serving.next_faces(draw, reviewer=request.user)
    if given and (not faces or str(faces[0].uid) != face_uid):
        given, notice = {}, "That face was answered in another window, or it is gone. Here is the next one."
    questions = draw.questions()
    closed = DrawEnded.sentence if draw.ended else ""
    described = [] if closed else [desk.describe_face(face) for face in faces]
    context = {
        "place": describe_place(draw),
        "questions": desk.ask(questions, said=given),
        "active": next((name for name in questions if name not in given), ""),
        "face": described[0] if described else None,
        "faces": described,
        "given": given,
        "counts": describe_counts(draw, found, reviewer_uid=request.user.uid),
        "width_words": "" if draw.ended else tell_width(draw),
        "codebook": draw.codebook.text,
        "codebook_version": draw.codebook.version,
        "key": uuid.uuid4(),
        "notice": notice,
        "closed": closed,
    }
    return render(request, "reviews/review.html", context)


@login_required
@require_GET
def faces(request: UserRequest, uid: UUID) -> JsonResponse:
    """The faces to answer next, `count` of them, without those that the page has already (`not`)."""
    draw = get_object_or_404(find_draws(request), uid=uid)
    if draw.ended:
        return refuse(DrawEnded())
    if draw.kind == Draw.Kind.PHOTOS:
        return photo_reviewing.photos(request, draw)
    have = set(request.GET.getlist("not"))
    count = read_count(request.GET.get("count", ""), usual=1 + serving.PRELOADED, most=MOST_AHEAD)
    found = serving.read_pass(draw, reviewer_uid=request.user.uid)
    waiting = [turn.face_id for turn in found.waiting[: count + len(have)]]
    fresh = [face for face in serving.load_faces(waiting) if str(face.uid) not in have][:count]
    counts = describe_counts(draw, found, reviewer_uid=request.user.uid)
    return JsonResponse({"faces": [desk.describe_face(face) for face in fresh], "counts": counts})


@login_required
@require_POST
def answer(request: UserRequest, uid: UUID) -> JsonResponse:
    """Keep one answer: `face`, `key` and `answers`, or `not_a_face`, or `skipped`; sent again it changes nothing."""
    draw = get_object_or_404(find_draws(request), uid=uid)
    try:
        sent = read_json(request)
        if draw.kind == Draw.Kind.PHOTOS:
            return photo_reviewing.keep_sent(request, draw, sent=sent)
        kept = keep(request, draw, sent=sent)
    except ReviewRefused as refusal:
        return refuse(refusal)
    told = ""
    if kept.dropped:
        names = ", ".join(attribute_label(name) for name in kept.dropped)
        told = f"Meanwhile {names} was switched off for this collection: what you said of it was not kept."
    return JsonResponse({"saved": str(kept.review.uid), "is_new": kept.is_new, "message": told})


@login_required
@require_POST
def undo(request: UserRequest, uid: UUID) -> JsonResponse:
    """Take the last answer back, or that about `face`; the face it was about, and what was said of it."""
    draw = get_object_or_404(find_draws(request), uid=uid)
    try:
        if draw.kind == Draw.Kind.PHOTOS:
            return photo_reviewing.undo(request, draw, sent=read_json(request))
        sent = read_json(request)
        face = find_face(draw, uid=sent["face"]) if sent.get("face") else None
        undone = answering.take_back(draw, reviewer=request.user, face=face, client_key=read_key(sent))
    except ReviewRefused as refusal:
        return refuse(refusal)
    shown = Face.objects.select_related("photo").get(pk=undone.face_id)
    found = serving.read_pass(draw, reviewer_uid=request.user.uid)
    counts = describe_counts(draw, found, reviewer_uid=request.user.uid)
    return JsonResponse({"face": desk.describe_face(shown), "answers": undone.answers, "counts": counts})


@login_required
@require_GET
def tell_progress(request: UserRequest, uid: UUID) -> JsonResponse:
    """How wide the interval is now, and will be."""
    draw = get_object_or_404(find_draws(request), uid=uid)
    return JsonResponse({"words": "" if draw.ended or draw.kind == Draw.Kind.PHOTOS else tell_width(draw)})


@login_required
@require_safe
def crop(request: UserRequest, uid: UUID) -> HttpResponseBase:
    """The picture of a face."""
    face = get_object_or_404(Face.objects.visible_to(request.user).select_related("photo"), uid=uid)
    try:
        content = crops.cut_face(face)
    except FileNotFoundError:
        return HttpResponse("The stored file is missing.", status=404, content_type="text/plain")
    headers = {**FILE_HEADERS, "ETag": quote_etag(f"crop-{face.uid}-{face.photo.turned}")}
    return HttpResponse(content, content_type="image/jpeg", headers=headers)


def keep(request: UserRequest, draw: Draw, *, sent: dict[str, Any]) -> answering.Kept:
    """Keep an answer as the script or the form sent it. Raises ReviewRefused."""
    face = find_face(draw, uid=sent.get("face"))
    key = read_key(sent)
    if sent.get("skipped"):
        return answering.skip_face(draw, face=face, reviewer=request.user, client_key=key)
    said = sent.get("answers") or {}
    if not isinstance(said, dict) or not all(isinstance(label, str) for label in said.values()):
        raise BadAnswer("malformed", "The answers are no labels by attribute.")
    kept = Answer(
        answers=said,
        verdict=Review.Verdict.NOT_A_FACE if sent.get("not_a_face") else Review.Verdict.FACE,
        comment=read_words(sent, name="comment"),
        seconds=read_seconds(sent),
        client_key=key,
    )
    return answering.answer_face(draw, face=face, reviewer=request.user, answer=kept)


def find_face(draw: Draw, *, uid: Any) -> Face:
    """A face by what a page sent, of this draw or not. Raises NotDrawn."""
    try:
        return Face.objects.select_related("photo").get(uid=UUID(str(uid)), photo__collection=draw.collection_id)
    except (ValueError, Face.DoesNotExist):
        raise NotDrawn from None


def take_press(request: UserRequest, draw: Draw) -> dict[str, str]:
    """One press of a button without scripts: what was said of the face so far, nothing when it is kept or put off.

    Raises ReviewRefused.
    """
    act, say = request.POST.get("act", ""), request.POST.get("say", "")
    if act == "undo":
        given = read_given(request)
        if given:
            return dict(list(given.items())[:-1])
        answering.take_back(draw, reviewer=request.user)
        return {}
    sent: dict[str, Any] = {name: request.POST.get(name, "") for name in ("face", "key", "comment")}
    if act in ("not_a_face", "skip"):
        keep(request, draw, sent=sent | {"skipped" if act == "skip" else act: True})
        return {}
    attribute, _, label = say.partition(":")
    given = read_given(request) | ({attribute: label} if label else {})
    if not given:
        raise BadAnswer("empty_answer", "Say something about the face, or skip it.")
    if all(name in given for name in draw.questions()):
        keep(request, draw, sent=sent | {"answers": given})
        return {}
    return given


def read_given(request: UserRequest) -> dict[str, str]:
    """What the form says that was answered of its face before."""
    pairs = (text.partition(":") for text in request.POST.getlist("given"))
    return {attribute: label for attribute, _, label in pairs if label}


def describe_counts(draw: Draw, found: Pass, *, reviewer_uid: UUID) -> dict[str, Any]:
    """How far the reviewer is, and whether there is something to take back."""
    can_undo = bool(found.answered or found.skipped) and not draw.ended
    return {"answered": found.answered, "total": found.size, "skipped": found.skipped, "can_undo": can_undo}


def tell_width(draw: Draw) -> str:
    return desk.tell_width(progress.measure_progress(draw), attribute=draw.strata_attribute)


def describe_place(draw: Draw) -> Place:
    uid = [draw.uid]
    return Place(
        title=draw.collection.name,
        heading=desk.title_of(draw),
        address=reverse("draw-detail", args=uid),
        collection_address=reverse("collection-detail", args=[draw.collection.uid]),
        source=f"draw-{draw.uid}",
        end_words=END_WORDS,
        end_link="See what came of it",
        next_address=reverse("draw-faces", args=uid),
        answer_address=reverse("draw-answer", args=uid),
        undo_address=reverse("draw-undo", args=uid),
        progress_address=reverse("draw-progress", args=uid),
    )
