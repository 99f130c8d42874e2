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
from classifier.models import Collection, Photo, Upload, UploadItem
from classifier.services import rates, seats, uploads
from classifier.views.access import UserRequest, login_required
from classifier.views.collections import choose_taxonomy

# What a refused request answers; the script tells the sentence and offers to try again.
REFUSAL_STATUS = {
    "no_files": 400,
    "too_many_files": 413,
    "quota_exceeded": 413,
    "terms_not_accepted": 409,
    "collection_gone": 404,
    "throttled": 429,
    "too_many_uploads": 429,
    "busy": 503,
    "queue_full": 503,
    "storage_full": 507,
}
RETRY_SECONDS = 5  # to wait for what passes by itself, where nothing better is known


@login_required
@require_POST
def upload(request: UserRequest, uid: UUID) -> HttpResponse:
    """One request of photos into a collection: a fragment for the script, the upload's page for a plain form."""
    collection = get_object_or_404(Collection.objects.owned_by(request.user), uid=uid)
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        message = " ".join(map(str, form.errors["images"]))
        return _refuse(request, collection=collection, code="no_files", message=message)
    files, misplaced = uploads.sort_files(request.FILES)
    try:
        with seats.take_seat(request.user):
            if wait := rates.take_upload(request.user, files=len(files)):
                seconds = rates.whole_seconds(wait)
                message = f"That is more photos than one person may send at once. Go on in {seconds} s."
                return _refuse(request, collection=collection, code="throttled", message=message, wait=wait)
            made = uploads.submit_photos(request.user, collection=collection, files=files, misplaced=misplaced)
    except uploads.UploadRefused as refusal:
        return _refuse(request, collection=collection, code=refusal.code, message=str(refusal))
    if not request.headers.get("HX-Request"):
        return redirect("upload-detail", uid=made.uid)
    items = list(made.items.select_related("photo"))
    accepted = made.items.filter(outcome=UploadItem.Outcome.ACCEPTED)
    tiles = Photo.objects.filter(upload_items__in=accepted).order_by("upload_items__number").with_faces()
    context = {**_outcome_context(made, items=items), "collection": collection, "tiles": tiles, "is_mine": True}
    context["taxonomy"] = choose_taxonomy(request, collection=collection)
    return render(request, "uploads/_outcomes.html", context)


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
    request: UserRequest, *, collection: Collection, code: str, message: str, wait: float = 0.0
) -> HttpResponse:
    status = REFUSAL_STATUS.get(code, 400)
    if request.headers.get("HX-Request"):
        headers = {"X-Code": code}
        if status in (429, 503):
            headers["Retry-After"] = str(rates.whole_seconds(wait or RETRY_SECONDS))
        return HttpResponse(message, status=status, content_type="text/plain; charset=utf-8", headers=headers)
    messages.error(request, message)
    return redirect("collection-detail", uid=collection.uid)
