"""Plain queues: faces by doubt, disagreement or label, with the model's guess, for correction and training only."""

import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from classifier.http.uids import read_uids
from classifier.models import Collection, Face, Guess, Review
from classifier.services.reviews import codebooks, queues, serving
from classifier.services.reviews.answering import Answer
from classifier.services.reviews.refusals import BadAnswer, NotDrawn, ReviewRefused
from classifier.templatetags.facet import attribute_label, group_label
from classifier.views import desk
from classifier.views.access import UserRequest, login_required
from classifier.views.desk import Place
from classifier.views.review_requests import read_count, read_json, read_key, read_seconds, read_words, refuse
from ml.attributes import ATTRIBUTES

MOST_AHEAD, MOST_PASSED = 12, 100
ORDERS = {
    queues.DOUBT: "the least sure first",
    queues.DISAGREEMENT: "where people said something else",
    queues.LABEL: "of one label",
}


@dataclass(frozen=True)
class Queue:
    """What the address asks for: an order of the faces, by the guesses of an attribute, of one label or all."""

    order: str
    attribute: str
    label: str

    @property
    def query(self) -> str:
        told = {"by": self.order, "attribute": self.attribute}
        return urlencode(told | ({"label": self.label} if self.label else {}))

    def heading(self) -> str:
        if self.order == queues.LABEL:
            return f"Guessed as {group_label(self.label)}, the least sure first"
        return f"By {attribute_label(self.attribute)}: {ORDERS[self.order]}"


@login_required
@require_http_methods(["GET", "POST"])
def review(request: UserRequest, uid: UUID) -> HttpResponse:
    """The page of a queue. POST is one press of a button, without scripts."""
    collection = find_collection(request, uid=uid)
    queue = read_queue(request, collection=collection)
    passed = request.GET.getlist("not")[-MOST_PASSED:]
    notice = ""
    if request.method == "POST" and queue:
        try:
            passed = take_press(request, queue=queue, collection=collection, passed=passed)
        except ReviewRefused as refusal:
            notice = refusal.sentence
        else:
            query = urlencode({"not": passed}, doseq=True)
            return redirect(f"{request.path}?{queue.query}{'&' + query if query else ''}")
    faces = list_faces(request, queue=queue, collection=collection, passed=passed) if queue else Face.objects.none()
    described = describe(list(faces[: 1 + serving.PRELOADED]), attribute=queue.attribute) if queue else []
    first = described[0] if described else None
    context = {
        "place": describe_place(collection, queue=queue),
        "collection": collection,
        "queue": queue,
        "orders": ORDERS,
        "labels": ATTRIBUTES[queue.attribute].labels if queue else (),
        "questions": desk.ask([queue.attribute], guess=first["guess"] if first else None) if queue else [],
        "active": queue.attribute if queue else "",
        "face": first,
        "faces": described,
        "given": {},
        "counts": {"answered": 0, "total": faces.count(), "can_undo": False},
        "codebook": codebooks.current_text(collection),
        "key": uuid.uuid4(),
        "notice": notice,
        "closed": "" if queue else "Nothing is computed for this collection, so there is nothing to ask.",
    }
    return render(request, "reviews/review.html", context)


@login_required
@require_GET
def faces(request: UserRequest, uid: UUID) -> JsonResponse:
    """The faces to answer next, without those that the page has or passed over (`not`)."""
    collection = find_collection(request, uid=uid)
    queue = read_queue(request, collection=collection)
    if queue is None:
        return refuse(NotDrawn("Nothing is computed for this collection any more."))
    found = list_faces(request, queue=queue, collection=collection, passed=request.GET.getlist("not")[-MOST_PASSED:])
    count = read_count(request.GET.get("count", ""), usual=1 + serving.PRELOADED, most=MOST_AHEAD)
    told = describe(list(found[:count]), attribute=queue.attribute)
    return JsonResponse({"faces": told, "counts": {"answered": 0, "total": found.count(), "can_undo": False}})


@login_required
@require_POST
def answer(request: UserRequest, uid: UUID) -> JsonResponse:
    """Keep one answer, in the place of the one this reviewer gave before."""
    collection = find_collection(request, uid=uid)
    try:
        kept = keep(request, collection=collection, sent=read_json(request))
    except ReviewRefused as refusal:
        return refuse(refusal)
    return JsonResponse({"saved": str(kept.review.uid), "is_new": kept.is_new})


def find_collection(request: UserRequest, *, uid: UUID) -> Collection:
    return get_object_or_404(Collection.objects.reviewable_by(request.user), uid=uid)


def read_queue(request: UserRequest, *, collection: Collection) -> Queue | None:
    """The queue that the address names, as far as that can be; None where nothing is computed."""
    if not collection.attributes:
        return None
    order, attribute, label = (request.GET.get(name, "") for name in ("by", "attribute", "label"))
    attribute = attribute if attribute in collection.attributes else collection.attributes[0]
    order = order if order in ORDERS else queues.DOUBT
    labels = ATTRIBUTES[attribute].labels
    if order != queues.LABEL:
        return Queue(order, attribute, "")
    return Queue(order, attribute, label if label in labels else labels[0])


def list_faces(request: UserRequest, *, queue: Queue, collection: Collection, passed: list[str]) -> QuerySet[Face]:
    found = queues.list_faces(
        collection, attribute=queue.attribute, reviewer=request.user, order=queue.order, label=queue.label
    )
    return queues.leave_out_drawn(found, reviewer=request.user).exclude(uid__in=read_uids(passed))


def describe(faces: list[Face], *, attribute: str) -> list[dict[str, Any]]:
    """The faces with what the model guessed of the attribute."""
    told = Guess.objects.filter(face__in=faces, attribute=attribute).values_list("face_id", "label", "probability")
    guesses = {face: {"label": label, "probability": probability} for face, label, probability in told}
    return [desk.describe_face(face, guess={attribute: guesses.get(face.pk)}) for face in faces]


def keep(request: UserRequest, *, collection: Collection, sent: dict[str, Any]) -> Any:
    """Raises ReviewRefused."""
    try:
        face = Face.objects.select_related("photo").get(uid=UUID(str(sent.get("face"))), photo__collection=collection)
    except (ValueError, Face.DoesNotExist):
        raise NotDrawn("This face is not there any more: its photo was deleted.") from None
    said = sent.get("answers") or {}
    if not isinstance(said, dict) or not all(isinstance(label, str) for label in said.values()):
        raise BadAnswer("malformed", "The answers are no labels by attribute.")
    verdict = Review.Verdict.NOT_A_FACE if sent.get("not_a_face") else Review.Verdict.FACE
    comment = read_words(sent, name="comment")
    told = Answer(answers=said, verdict=verdict, comment=comment, seconds=read_seconds(sent), client_key=read_key(sent))
    return queues.answer_outside(face, reviewer=request.user, answer=told)


def take_press(request: UserRequest, *, queue: Queue, collection: Collection, passed: list[str]) -> list[str]:
    """One press without scripts; the faces that are passed over from now on. Raises ReviewRefused."""
    act, say = request.POST.get("act", ""), request.POST.get("say", "")
    sent: dict[str, Any] = {name: request.POST.get(name, "") for name in ("face", "key", "comment")}
    if act == "skip":
        return [*passed, sent["face"]][-MOST_PASSED:]
    if act == "not_a_face":
        sent["not_a_face"] = True
    elif act == "agree":
        told = Guess.objects.filter(face__uid__in=read_uids([sent["face"]]), attribute=queue.attribute)
        sent["answers"] = {one.attribute: one.label for one in told}
    else:
        attribute, _, label = say.partition(":")
        sent["answers"] = {attribute: label} if label else {}
    keep(request, collection=collection, sent=sent)
    return passed


def describe_place(collection: Collection, *, queue: Queue | None) -> Place:
    query = f"?{queue.query}" if queue else ""
    address = reverse("collection-detail", args=[collection.uid])
    return Place(
        title=collection.name,
        heading=queue.heading() if queue else "Queue",
        address=address,
        collection_address=address,
        source=f"queue-{collection.uid}",
        end_words="No face is left in this queue: you have answered all of them, or they wait for you in a draw.",
        end_link="To the collection",
        next_address=reverse("queue-faces", args=[collection.uid]) + query,
        answer_address=reverse("queue-answer", args=[collection.uid]),
        is_blind=False,
        is_counted=False,
    )
