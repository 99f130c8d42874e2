"""Labels from elsewhere: a file comes in, and what matched, or what is wrong with it, is told."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods

from classifier.models import Collection
from classifier.services.reviews import importing
from classifier.services.reviews.refusals import ReviewRefused
from classifier.table_forms import LabelsForm
from classifier.views.access import UserRequest, login_required


@login_required
@require_http_methods(["GET", "POST"])
def labels(request: UserRequest, uid: UUID) -> HttpResponse:
    collection = get_object_or_404(Collection.objects.owned_by(request.user), uid=uid)
    is_sent = request.method == "POST"
    form = LabelsForm(request.POST, request.FILES, user=request.user) if is_sent else LabelsForm(user=request.user)
    context: dict[str, Any] = {"collection": collection, "max_mb": settings.MAX_TABLE_BYTES // 1024**2}
    if is_sent and form.is_valid():
        said = form.cleaned_data
        try:
            context["told"] = importing.import_labels(
                collection,
                content=said["table"].read(),
                actor=request.user,
                source=said["source"],
                is_random_draw=said["is_random_draw"],
                leaves_out_unknown=said["leaves_out_unknown"],
            )
        except ReviewRefused as refusal:
            form.add_error("table", refusal.sentence)
            context |= {"wrong": refusal.details.get("lines", []), "more": refusal.details.get("more", 0)}
        else:
            form = LabelsForm(user=request.user)
    context |= {"form": form, "here": importing.count_labels(collection)}
    return render(request, "reviews/labels.html", context)
