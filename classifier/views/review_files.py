"""Reviews as files: a draw with its answers, and all that was said of a collection, for its owner."""

from collections.abc import Iterator
from uuid import UUID

from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils.text import slugify
from django.views.decorators.http import require_GET

from classifier.models import Collection, Draw
from classifier.services import audit
from classifier.services.reviews import exporting
from classifier.views.access import UserRequest, login_required


@login_required
@require_GET
def export_draw(request: UserRequest, uid: UUID) -> StreamingHttpResponse:
    """A draw of faces, as `ml.report --reviews` reads it, or the marks of a draw of photos."""
    draw = get_object_or_404(Draw.objects.owned_by(request.user).select_related("collection"), uid=uid)
    audit.record("reviews exported", actor=request.user, target=f"draw {draw.uid}")
    write = exporting.write_photo_draw if draw.kind == Draw.Kind.PHOTOS else exporting.write_draw
    return _send(write(draw), name=f"{slugify(draw.collection.name) or 'draw'}-{str(draw.uid)[:8]}")


@login_required
@require_GET
def export_reviews(request: UserRequest, uid: UUID) -> StreamingHttpResponse:
    """All answers and labels of a collection, as the trainer reads them."""
    collection = get_object_or_404(Collection.objects.owned_by(request.user), uid=uid)
    audit.record("reviews exported", actor=request.user, target=f"collection {collection.uid}")
    return _send(exporting.write_reviews(collection), name=f"{slugify(collection.name) or 'collection'}-reviews")


def _send(lines: Iterator[str], *, name: str) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        (line.encode() for line in lines),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )
