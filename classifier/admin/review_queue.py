"""The queue of the admin: faces with the model's guess and what people said, answered outside of draws.

Answers here correct and train, are kept as not blind, and never feed statistics. Each page is a look that is recorded.
"""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.http import urlencode

from classifier.admin import looks
from classifier.admin.base import administrator
from classifier.admin.faces import describe_guess, sealed_crop
from classifier.admin.reach import OUT_OF_REACH, reaches
from classifier.http.numbers import LARGEST_KEY, read_number
from classifier.http.uids import read_uids
from classifier.models import CANNOT_TELL, Collection, Face, Guess, Review
from classifier.services.reviews import codebooks, queues
from classifier.services.reviews.answering import Answer
from classifier.services.reviews.refusals import BadAnswer, NotDrawn, ReviewRefused
from classifier.templatetags.facet import attribute_label, group_label
from ml.attributes import ATTRIBUTES

SHOWN = 24  # faces of a page
COLLECTIONS_LISTED = 30
LAST_START = 9_999_999  # nobody pages that far
ORDERS = {
    queues.DOUBT: "the least sure first",
    queues.DISAGREEMENT: "where people said something else",
    queues.LABEL: "of one label",
}
ANSWERS = "classifier.add_review"


@dataclass(frozen=True)
class Asked:
    """What the address asks for; `start` faces of the queue are passed over."""

    collection: Collection
    attribute: str
    order: str
    label: str
    start: int

    def query(self, *, start: int) -> str:
        told: dict[str, Any] = {
            "collection": self.collection.pk,
            "attribute": self.attribute,
            "by": self.order,
            "label": self.label,
        }
        return "?" + urlencode({**told, "start": start})


def show_queue(request: HttpRequest, *, site: admin.AdminSite) -> HttpResponse:
    """The page, and by POST one answer, or the guesses of the chosen faces confirmed."""
    collections = Collection.objects.filter(deleting_at=None).exclude(attributes=[]).select_related("owner")
    asked = _read(request, collections=collections)
    if request.method == "POST" and asked:
        return _take(request, asked=asked)
    faces = list(_list_faces(request, asked=asked)[asked.start : asked.start + SHOWN + 1]) if asked else []
    looks.record_look(request, [face.photo for face in faces[:SHOWN]], what="queue of faces")
    listed = list(collections[:COLLECTIONS_LISTED])
    if asked and asked.collection not in listed:
        listed.append(asked.collection)
    context = {
        **site.each_context(request),
        "title": "Queue of faces",
        "asked": asked,
        "collections": listed,
        "attributes": asked.collection.attributes if asked else [],
        "orders": ORDERS,
        "labels": ATTRIBUTES[asked.attribute].labels if asked else (),
        "choices": _choices(asked.attribute) if asked else [],
        "codebook": codebooks.current_text(asked.collection) if asked else "",
        "rows": [_describe(request, face) for face in faces[:SHOWN]],
        "next": asked.query(start=asked.start + SHOWN) if asked and len(faces) > SHOWN else "",
        "first": asked.query(start=0) if asked and asked.start else "",
        "may_answer": asked is not None and _may_answer(request, asked=asked),
    }
    return TemplateResponse(request, "admin/facet/queue.html", context)


def _read(request: HttpRequest, *, collections: QuerySet[Collection]) -> Asked | None:
    """None where no collection has anything that could be asked about."""
    wanted = read_number(request.GET.get("collection", ""), most=LARGEST_KEY)
    found = collections if wanted is None else collections.filter(pk=wanted)
    collection = found.first() or collections.first()
    if collection is None:
        return None
    attribute = request.GET.get("attribute", "")
    attribute = attribute if attribute in collection.attributes else collection.attributes[0]
    order = request.GET.get("by", "")
    order = order if order in ORDERS else queues.DOUBT
    labels, label = ATTRIBUTES[attribute].labels, request.GET.get("label", "")
    label = "" if order != queues.LABEL else label if label in labels else labels[0]
    start = read_number(request.GET.get("start", ""), most=LAST_START) or 0
    return Asked(collection, attribute, order, label, start)


def _list_faces(request: HttpRequest, *, asked: Asked) -> QuerySet[Face]:
    person = administrator(request)
    found = queues.list_faces(
        asked.collection, attribute=asked.attribute, reviewer=person, order=asked.order, label=asked.label
    )
    said = Review.objects.told().select_related("reviewer").order_by("pk")
    # Pages of a drawn face would show its guess to somebody who has still to answer about it blind.
    spared: Any = queues.leave_out_drawn(found, reviewer=person)
    faces: QuerySet[Face] = spared.with_current_predictions().prefetch_related(Prefetch("reviews", queryset=said))
    return faces


def _describe(request: HttpRequest, face: Any) -> dict[str, Any]:
    told = [(review.tell_reviewer(), _tell(review)) for review in face.reviews.all()]
    return {
        "face": face,
        "crop": sealed_crop(face, viewer=administrator(request)),
        "guess": describe_guess(face.prediction),
        "said": told,
    }


def _tell(review: Review) -> str:
    if review.verdict == Review.Verdict.NOT_A_FACE:
        return "not a face"
    return ", ".join("cannot tell" if said == CANNOT_TELL else group_label(said) for said in review.answers.values())


def _choices(attribute: str) -> list[tuple[int, str, str]]:
    """Digit, label and word of each answer, as on the site's own page."""
    labels = [(digit, label, group_label(label)) for digit, label in enumerate(ATTRIBUTES[attribute].labels, 1)]
    return [*labels, (0, CANNOT_TELL, "cannot tell")]


def _may_answer(request: HttpRequest, *, asked: Asked) -> bool:
    return request.user.has_perm(ANSWERS) and reaches(request, asked.collection)


def _take(request: HttpRequest, *, asked: Asked) -> HttpResponse:
    """Keep what was pressed. The page's script asks for JSON, and gets a sentence where it was not kept."""
    if not _may_answer(request, asked=asked):
        raise PermissionDenied(OUT_OF_REACH)
    try:
        told = _confirm(request, asked=asked) if "confirm" in request.POST else _keep(request, asked=asked)
    except ReviewRefused as refusal:
        if _wants_json(request):
            return JsonResponse({"refused": refusal.sentence}, status=409)
        messages.error(request, refusal.sentence)
    else:
        if _wants_json(request):
            return JsonResponse({"said": told})
        messages.success(request, told)
    return redirect(request.path + asked.query(start=asked.start))


def _keep(request: HttpRequest, *, asked: Asked) -> str:
    """One answer: FACE:LABEL, FACE:agree or FACE:not_a_face. Raises ReviewRefused."""
    uid, _, said = request.POST.get("say", "").partition(":")
    face = _find(asked.collection, uids=[uid]).first()
    if face is None:
        raise NotDrawn("This face is not there any more: its photo was deleted.")
    if said == "not_a_face":
        answer = Answer(verdict=Review.Verdict.NOT_A_FACE)
    else:
        if said == "agree":
            guess = Guess.objects.filter(face=face, attribute=asked.attribute).values_list("label", flat=True).first()
            if guess is None:
                raise BadAnswer("empty_answer", "The model has said nothing about this face.")
            said = guess
        answer = Answer(answers={asked.attribute: said})
    queues.answer_outside(face, reviewer=administrator(request), answer=answer)
    words = {"not_a_face": "not a face", CANNOT_TELL: "cannot tell"}.get(said) or group_label(said)
    return f"{attribute_label(asked.attribute).capitalize()}: {words}" if said != "not_a_face" else words.capitalize()


def _confirm(request: HttpRequest, *, asked: Asked) -> str:
    faces = list(_find(asked.collection, uids=request.POST.getlist("face")[:SHOWN]))
    count = queues.confirm_guesses(faces, reviewer=administrator(request))
    return f"The guesses of {count} face{'' if count == 1 else 's'} were confirmed, as not blind."


def _find(collection: Collection, *, uids: list[str]) -> QuerySet[Face]:
    here = Face.objects.counted().filter(photo__collection=collection, photo__deleting_at=None)
    return here.filter(uid__in=read_uids(uids)).select_related("photo")


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept") == "application/json"
