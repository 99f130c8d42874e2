"""What mattered for a guess about a face: asked, waited for, and looked at."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.views.decorators.http import require_http_methods, require_safe

from classifier.http import files
from classifier.models import Explanation, Face
from classifier.services import explanations, predictions
from classifier.services.explanations import Answer
from classifier.views.access import UserRequest, login_required


@login_required
@require_http_methods(["GET", "POST"])
def explanation(request: UserRequest, uid: UUID, attribute: str) -> HttpResponse:
    """POST asks, GET tells where the question stands.

    A page that waits says what it has `shown`, the answer's stage, and gets nothing (204) while that still holds.
    Without htmx both lead to the photo's page with this explanation open, and a refusal is told at its top.
    """
    visible = Face.objects.visible_to(request.user).counted().select_related("photo__collection")
    face = get_object_or_404(visible.with_current_predictions(), uid=uid)
    if attribute not in explanations.explainable(face):
        raise Http404("There is no guess here that could be explained.")
    refused = ""
    if request.method == "POST":
        try:
            answer = explanations.ask(request.user, face=face, attribute=attribute, again="again" in request.POST)
        except explanations.ExplanationRefused as refusal:
            answer, refused = Answer(), refusal.sentence
    else:
        answer = explanations.read_answer(face, attribute=attribute)
        if request.htmx and answer.is_pending and request.GET.get("shown", answer.stage) == answer.stage:
            return HttpResponse(status=204)
    if not request.htmx:
        if refused:
            messages.warning(request, refused)
        query = urlencode({"face": face.number, "explain": attribute})
        return redirect(f"{resolve_url('photo-detail', uid=face.photo.uid)}?{query}#explain-{attribute}")
    context = {"face": face, "photo": face.photo, "attribute": attribute, "answer": answer, "refused": refused}
    return render(request, "explanations/_reply.html", context | {"guess": describe_guess(face, attribute=attribute)})


@login_required
@require_safe
def heat(request: UserRequest, uid: UUID) -> HttpResponseBase:
    """The heat map's file; an attribute that is switched off has none any more."""
    rows = Explanation.objects.visible_to(request.user).select_related("face__photo__collection")
    found = get_object_or_404(rows, uid=uid)
    if found.attribute not in found.face.photo.collection.attributes:
        raise Http404("This attribute is switched off.")
    return files.send_file(request, storage=found.heat.storage, name=found.heat.name, content_type="image/png")


def describe_guess(face: Face, *, attribute: str) -> dict[str, Any]:
    """The guess that is explained, in the finest grouping."""
    prediction = face.prediction
    return predictions.describe_prediction(prediction).get(attribute, {}) if prediction else {}
