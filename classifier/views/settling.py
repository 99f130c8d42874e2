"""Settling disagreements: a third person sees what the others said of a face, and has the last word."""

import uuid
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from classifier.models import Review
from classifier.services.reviews import adjudicating, answering
from classifier.services.reviews.adjudicating import Disagreement
from classifier.services.reviews.answering import LONGEST_COMMENT, Answer
from classifier.services.reviews.refusals import BadAnswer, DrawEnded, ReviewRefused
from classifier.templatetags.facet import group_label
from classifier.views import desk
from classifier.views.access import UserRequest, login_required
from classifier.views.review_requests import find_draws, read_key, read_words
from classifier.views.reviewing import find_face, read_given


@login_required
@require_http_methods(["GET", "POST"])
def settle(request: UserRequest, uid: UUID) -> HttpResponse:
    """The next disagreement that is not the reader's own. POST is one press of a button."""
    draw = get_object_or_404(find_draws(request), uid=uid)
    given: dict[str, str] = {}
    notice = ""
    if request.method == "POST":
        try:
            given = take_press(request, draw=draw)
        except ReviewRefused as refusal:
            notice = refusal.sentence
        else:
            if not given:
                return redirect("draw-settle", uid=uid)
    found = None if draw.ended else adjudicating.next_disagreement(draw, adjudicator=request.user)
    context: dict[str, Any] = {"draw": draw, "title": desk.title_of(draw), "notice": notice, "key": uuid.uuid4()}
    mine = Review.objects.told().filter(draw=draw, reviewer_uid=request.user.uid, adjudicates=True)
    context["can_undo"] = not draw.ended and mine.exists()
    if draw.ended:
        context["closed"] = DrawEnded.sentence
    if found:
        face, disagreement = found
        if given and str(face.uid) != request.POST.get("face"):
            given = {}
        agreed = find_agreed(disagreement)
        given = agreed | given
        left = adjudicating.list_disagreements(draw, adjudicator=request.user)
        context |= {
            "face": desk.describe_face(face),
            "said": describe_said(disagreement),
            "given": given,
            "agreed": agreed,
            "questions": desk.ask(draw.questions(), said=given),
            "active": next((name for name in draw.questions() if name not in given), ""),
            "left": len(left),
        }
    return render(request, "reviews/settle.html", context)


def find_agreed(disagreement: Disagreement) -> dict[str, str]:
    """What all of them said alike; nothing where some say that it is no face."""
    if any(review.verdict == Review.Verdict.NOT_A_FACE for review in disagreement.reviews):
        return {}
    differing = disagreement.differing()
    return {name: label for name, label in disagreement.reviews[0].answers.items() if name not in differing}


def describe_said(disagreement: Disagreement) -> list[tuple[str, str]]:
    """Who said what, in words; the people are numbered, so that nobody's name has the last word."""
    told = []
    for number, review in enumerate(disagreement.reviews, start=1):
        answers = ", ".join(
            group_label(label).replace("cannot_tell", "cannot tell") for label in review.answers.values()
        )
        words = "not a face" if review.verdict == Review.Verdict.NOT_A_FACE else answers
        told.append((f"Reviewer {number}", f"{words}: “{review.comment}”" if review.comment else words))
    return told


def take_press(request: UserRequest, *, draw: Any) -> dict[str, str]:
    """What was said so far, nothing when it is kept. Raises ReviewRefused."""
    if request.POST.get("act") == "undo":
        return go_back(request, draw=draw)
    face = find_face(draw, uid=request.POST.get("face"))
    sent = request.POST.dict()
    comment, key = read_words(sent, name="comment")[:LONGEST_COMMENT], read_key(sent)
    if request.POST.get("act") == "not_a_face":
        told = Answer(verdict=Review.Verdict.NOT_A_FACE, comment=comment, client_key=key)
        adjudicating.settle(draw, face=face, adjudicator=request.user, answer=told)
        return {}
    attribute, _, label = request.POST.get("say", "").partition(":")
    given = read_given(request) | ({attribute: label} if label else {})
    if not label:
        raise BadAnswer("empty_answer", "Say something about the face.")
    if any(name not in given for name in draw.questions()):
        return given
    told = Answer(answers=given, comment=comment, client_key=key)
    adjudicating.settle(draw, face=face, adjudicator=request.user, answer=told)
    return {}


def go_back(request: UserRequest, *, draw: Any) -> dict[str, str]:
    """One step: what was said last of this face, or, where that is nothing, what settled the one before.

    Raises ReviewRefused.
    """
    given = read_given(request)
    found = adjudicating.next_disagreement(draw, adjudicator=request.user)
    is_same = found is not None and str(found[0].uid) == request.POST.get("face")
    agreed = find_agreed(found[1]) if found and is_same else {}
    own = [name for name in given if name not in agreed]
    if is_same and own:
        return {name: label for name, label in given.items() if name != own[-1]}
    answering.take_back(draw, reviewer=request.user, adjudicates=True)
    return {}
