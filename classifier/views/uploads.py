"""Photos come in: the form of the page, with and without its script, and what became of each file."""

from collections import Counter
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from classifier.forms import UploadForm
from classifier.http.refusals import find_status, find_wait
from classifier.models import Collection, Upload, UploadItem
from classifier.services import refusals, seats, uploads
from classifier.views.access import UserRequest, login_required


@login_required
@require_POST
def upload(request: UserRequest, uid: UUID) -> HttpResponse:
    """One request of photos into a collection: a fragment for the script, the upload's page for a plain form."""
    collection = get_object_or_404(Collection.objects.owned_by(request.user), uid=uid)
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        message = " ".join(map(str, form.errors["images"]))
        return _refuse(request, collection=collection, refusal=refusals.NoFiles(), message=message)
    files, misplaced = uploads.sort_files(request.FILES)
    try:
        with seats.take_seat(request.user):
            made = uploads.submit_photos(
                request.user,
                collection=collection,
                files=files,
                misplaced=misplaced,
                folders=request.POST.getlist(uploads.FOLDER_FIELD),
            )
    except refusals.UploadRefused as refusal:
        return _refuse(request, collection=collection, refusal=refusal)
    uploads.record_submission(made)
    if not request.headers.get("HX-Request"):
        return redirect("upload-detail", uid=made.uid)
    items = list(made.items.select_related("photo"))
    return render(request, "uploads/_outcomes.html", _outcome_context(made, items=items))


@login_required
@require_GET
def detail(request: UserRequest, uid: UUID) -> HttpResponse:
    visible = Upload.objects.filter(collection__in=Collection.objects.visible_to(request.user))
    photos = Prefetch("items", queryset=UploadItem.objects.select_related("photo"))
    made = get_object_or_404(visible.select_related("collection").prefetch_related(photos), uid=uid)
    return render(request, "uploads/detail.html", _outcome_context(made, items=list(made.items.all())))


def _outcome_context(made: Upload, *, items: list[UploadItem]) -> dict[str, Any]:
    """The files and their sums: items = accepted + duplicate + refused."""
    outcomes = Counter(item.outcome for item in items)
    refused = len(items) - outcomes["accepted"] - outcomes["duplicate"]
    return {"upload": made, "items": items, "outcomes": outcomes, "refused_count": refused}


def _refuse(
    request: UserRequest, *, collection: Collection, refusal: refusals.UploadRefused, message: str = ""
) -> HttpResponse:
    """For the script the sentence, which it tells beside an offer to try again; for people the collection's page."""
    message = message or str(refusal)
    if request.headers.get("HX-Request"):
        headers = {"X-Code": refusal.code}
        if wait := find_wait(refusal):
            headers["Retry-After"] = str(wait)
        return HttpResponse(
            message, status=find_status(refusal), content_type="text/plain; charset=utf-8", headers=headers
        )
    messages.error(request, message)
    return redirect("collection-detail", uid=collection.uid)
