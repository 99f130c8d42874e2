"""Reports that were kept: their list, each one's permanent page and files, and two beside each other."""

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render, resolve_url
from django.views.decorators.http import require_GET

from classifier.http.numbers import LARGEST_NUMBER, read_number
from classifier.models import Collection, KeptReport, RemovedReport, User
from classifier.services import audit
from classifier.services.reports import exporting, keeping
from classifier.services.reports.questions import Question
from classifier.services.reviews import blinding
from classifier.templatetags.facet import group_label
from classifier.views.access import UserRequest, login_required
from classifier.views.reports import find_mistakes, send_chart, send_report
from ml.reporting import survey_json, survey_panels


@login_required
@require_GET
def kept_list(request: UserRequest, uid: UUID) -> HttpResponse:
    collection = get_object_or_404(Collection.objects.visible_to(request.user), uid=uid)
    kept = KeptReport.objects.filter(collection=collection).select_related("kept_by").defer("content")
    return render(request, "reports/kept_list.html", {"collection": collection, "kept": list(kept)})


@login_required
@require_GET
def detail(request: UserRequest, uid: UUID, number: int) -> HttpResponse:
    """One kept report. Of one whose collection was deleted, its owner is told so, with its hash (410)."""
    collection = Collection.objects.visible_to(request.user).filter(uid=uid).first()
    if collection is None:
        removed = get_object_or_404(RemovedReport, owner=request.user, collection_uid=uid, number=number)
        return render(request, "reports/removed.html", {"removed": removed}, status=410)
    found = KeptReport.objects.select_related("kept_by", "collection")
    kept = get_object_or_404(found, collection=collection, number=number)
    _check(kept, reader=request.user)
    values = kept.values
    address = request.build_absolute_uri(resolve_url("collection-kept-report", uid=uid, number=number))
    names = exporting.name_charts(values)
    drawings = {name: resolve_url("collection-kept-report-chart", uid=uid, number=number, name=name) for name in names}
    return render(
        request,
        "reports/kept.html",
        {
            "collection": collection,
            "kept": kept,
            "report": survey_json.from_values(values),
            "is_intact": kept.is_intact(),
            "address": address,
            "citation": keeping.write_citation(kept, address=address),
            "computed_from": describe_origin(values),
            "drawings": drawings,
            "mistakes_url": find_mistakes(kept.draw, user=request.user),
            "charts": [{"title": title, "address": drawings[name]} for name, title in names.items()],
            "export_url": f"{resolve_url('collection-kept-report-export', uid=uid, number=number)}?",
        },
    )


@login_required
@require_GET
def export(request: UserRequest, uid: UUID, number: int) -> HttpResponse:
    kept = _find(request, uid, number)
    target = f"collection {kept.collection.uid}"
    audit.record("kept report exported", actor=request.user, target=target, details={"number": number})
    return send_report(kept.values, kind=request.GET.get("format", ""), name=f"report-{number}")


@login_required
@require_GET
def chart(request: UserRequest, uid: UUID, number: int, name: str) -> HttpResponse:
    return send_chart(_find(request, uid, number).values, name=name)


@login_required
@require_GET
def compare(request: UserRequest, uid: UUID) -> HttpResponse:
    """Two kept reports of a collection beside each other: `?report=1&report=2`, the older one first."""
    collection = get_object_or_404(Collection.objects.visible_to(request.user), uid=uid)
    told = (read_number(text, most=LARGEST_NUMBER) for text in request.GET.getlist("report"))
    wanted = sorted({number for number in told if number is not None})
    kept = KeptReport.objects.filter(collection=collection, number__in=wanted[:3])
    kept = kept.select_related("collection").order_by("number")
    found = list(kept)
    if len(found) != 2:
        reason = "Tick two kept reports to see them beside each other."
        return render(request, "reports/kept_compare.html", {"collection": collection, "reason": reason})
    for row in found:
        _check(row, reader=request.user)
    first, second = found
    reports = tuple(survey_json.from_values(row.values) for row in found)
    context = {
        "collection": collection,
        "first": first,
        "second": second,
        "parts": survey_panels.lay_beside(*reports, names=(f"report {first.number}", f"report {second.number}")),
        "cautions": _list_cautions(first.values, second.values),
    }
    return render(request, "reports/kept_compare.html", context)


def describe_origin(values: dict[str, Any]) -> str:
    """What a kept report was computed from, in a sentence."""
    question = Question.from_values(values["question"])
    told = [
        f"{values['faces']:,} faces of {question.narrowest_px} px and wider in {values['photos_with_faces']:,} photos",
        f"groups told as {group_label(question.taxonomy)}",
        f"model {values['model']} ({values['model_sha256'][:12]})",
        f"on {values['created_at'].replace('T', ' ').replace('Z', ' UTC')}",
    ]
    if question.by:
        told.insert(1, f"told apart by {question.grouped_by}")
    if values["comparisons"]:
        told.insert(1, f"held against {values['comparisons'][0]['against']}")
    if question.filters:
        told.insert(1, "only " + ", ".join(f"{name} {group_label(value)}" for name, value in question.filters.items()))
    return "; ".join(told)


def _list_cautions(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """Why a difference between two reports may come from how they were asked."""
    told = []
    if first["model_sha256"] != second["model_sha256"]:
        told.append("They were computed with different model versions, which err differently.")
    if first["basis"] != second["basis"]:
        told.append("Their shares rest on different estimators.")
    asked = [{**values["question"], "reference": None, "other": "", "by": ""} for values in (first, second)]
    if asked[0] != asked[1]:
        told.append("They were asked about different photos or faces: filters, grouping or smallest face differ.")
    return told


def _find(request: UserRequest, uid: UUID, number: int) -> KeptReport:
    visible = KeptReport.objects.visible_to(request.user).select_related("collection")
    kept = get_object_or_404(visible, collection__uid=uid, number=number)
    _check(kept, reader=request.user)
    return kept


def _check(kept: KeptReport, *, reader: User) -> None:
    """Raises PermissionDenied, with the reason, for a reviewer who is still to answer in its draw."""
    try:
        blinding.check_kept(kept, reader=reader)
    except blinding.StillBlind as refusal:
        raise PermissionDenied(refusal.sentence) from None
