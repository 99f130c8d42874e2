"""Reports that are kept for good: numbered in their collection, with a hash, never changed."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from classifier.models import Collection, KeptReport, User
from classifier.models.reports import hash_text, write_canonical
from classifier.services import audit
from classifier.services.reports.questions import Question


def keep_report(
    collection: Collection,
    *,
    values: dict[str, Any],
    question: Question,
    title: str,
    user: User,
    draw: UUID | None = None,
) -> KeptReport:
    """Keep a computed report as it is, under the next number of its collection. The same one is kept once.

    `draw` is the key of the draw that its answers of people come from; it is noted beside the content, not in it.
    """
    content = write_canonical({**values, "question": question.to_values()})
    digest = hash_text(content)
    with transaction.atomic():
        held = Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)
        same = KeptReport.objects.filter(collection=held, sha256=digest).first()
        if same is not None:
            return same
        last = KeptReport.objects.filter(collection=held).aggregate(number=Max("number"))["number"] or 0
        kept = KeptReport.objects.create(
            collection=held,
            number=last + 1,
            title=title,
            model_name=values["model"],
            faces=values["faces"],
            content=content,
            sha256=digest,
            kept_by=user,
            draw=draw,
        )
        details = {"number": kept.number, "sha256": digest}
        audit.record("report kept", actor=user, target=f"collection {held.uid}", details=details)
    return kept


def write_citation(kept: KeptReport, *, address: str) -> str:
    """BibTeX of a kept report: its number, address, and the first half of its hash."""
    title = kept.title.translate({ord(sign): f"\\{sign}" for sign in "{}%&#_$"})
    return (
        f"@misc{{facet-{str(kept.collection.uid)[:8]}-{kept.number},\n"
        f"  title        = {{Who is pictured in {title}, as perceived}},\n"
        f"  howpublished = {{\\url{{{address}}}}},\n"
        f"  year         = {{{kept.kept_at:%Y}}},\n"
        f"  note         = {{Facet report {kept.number}, kept on {kept.kept_at:%Y-%m-%d}, "
        f"SHA-256 {kept.sha256[:32]}}}\n}}"
    )
