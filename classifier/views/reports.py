"""Who is pictured in a collection: the summary on its page, and the full report with its ways out."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_POST

from classifier.asking import Asked, entitle, read_asked
from classifier.filters import ActiveFilter
from classifier.models import Collection, Draw, KeptReport, User
from classifier.report_forms import ReferenceForm, describe_question, offer_labels, write_reference
from classifier.services import audit
from classifier.services.reports import caching, exporting, keeping, reading
from classifier.services.reports.questions import Reference
from classifier.templatetags.reports import show_answer
from classifier.views.access import UserRequest, login_required


@login_required
@require_GET
def summary(request: UserRequest, uid: UUID) -> HttpResponse:
    """The summary as a fragment, computed where that is due; nothing (204) while what the page shows still holds."""
    collection = _find(request, uid)
    question = reading.default_question(collection)
    answer = caching.read_answer(collection, question=question, user=request.user, is_summary=True)
    template = "reports/_card.html" if "card" in request.GET else "reports/_summary.html"
    shown = show_answer(answer, collection=collection)
    if request.GET.get("shown") == shown.shown:
        return HttpResponse(status=204)
    return render(request, template, {"collection": collection, "answer": shown})


@login_required
@require_GET
def report(request: UserRequest, uid: UUID) -> HttpResponse:
    """The full report. A page that waits says what it has `shown`, and gets nothing (204) while that still holds."""
    collection = _find(request, uid)
    asked = read_asked(request.GET, user=request.user, collection=collection)
    context = describe_report(request, collection=collection, asked=asked)
    if request.htmx:
        if request.GET.get("shown") == context["answer"].shown:
            return HttpResponse(status=204)
        return render(request, "reports/_answer.html", context)
    return render(request, "reports/report.html", context)


@login_required
@require_POST
def reference(request: UserRequest, uid: UUID) -> HttpResponse:
    """Shares that were typed or sent become part of the report's address."""
    collection = _find(request, uid)
    asked = read_asked(request.GET, user=request.user, collection=collection)
    labels = offer_labels(collection, taxonomy=asked.question.taxonomy)
    form = ReferenceForm(request.POST, request.FILES, labels=labels)
    if not form.is_valid():
        context = describe_report(request, collection=collection, asked=asked)
        return render(request, "reports/report.html", context | {"reference_form": form})
    query = QueryDict(asked.query, mutable=True)
    query.pop("other", None)
    query["reference"] = write_reference(form.cleaned_data["shares"])
    query["reference_name"] = form.cleaned_data["name"]
    return redirect(f"{resolve_url('collection-report', uid=uid)}?{query.urlencode()}#against")


@login_required
@require_POST
def again(request: UserRequest, uid: UUID) -> HttpResponse:
    """A report that failed is asked for once more."""
    collection = _find(request, uid)
    asked = read_asked(request.GET, user=request.user, collection=collection)
    caching.ask_again(collection, question=asked.question, user=request.user)
    return redirect(address_of(collection, query=asked.query))


@login_required
@require_POST
def keep(request: UserRequest, uid: UUID) -> HttpResponse:
    """Only what stands on the page is kept: where the numbers are others by now, they are shown first."""
    collection = get_object_or_404(Collection.objects.owned_by(request.user), uid=uid)
    asked = read_asked(request.GET, user=request.user, collection=collection)
    answer = caching.read_answer(collection, question=asked.question, user=request.user)
    if answer.values is None or request.POST.get("shown") != answer.shown:
        messages.warning(request, "The numbers have changed since. Look at these, then keep them.")
        return redirect(address_of(collection, query=asked.query))
    title = entitle(collection, asked=asked)
    kept = keeping.keep_report(
        collection, values=answer.values, question=asked.question, title=title, user=request.user, draw=answer.draw
    )
    return redirect("collection-kept-report", uid=uid, number=kept.number)


@login_required
@require_GET
def export(request: UserRequest, uid: UUID) -> HttpResponse:
    """The report as a file: `?format=` csv, json or html."""
    collection = _find(request, uid)
    values = _read_values(request, collection=collection)
    audit.record("report exported", actor=request.user, target=f"collection {collection.uid}")
    return send_report(values, kind=request.GET.get("format", ""), name=f"{slugify(collection.name) or 'report'}")


@login_required
@require_GET
def chart(request: UserRequest, uid: UUID, name: str) -> HttpResponse:
    """One chart as SVG."""
    return send_chart(_read_values(request, collection=_find(request, uid)), name=name)


@login_required
@require_GET
def faces(request: UserRequest, uid: UUID) -> HttpResponseBase:
    """Every face that the report is about, as CSV."""
    collection = _find(request, uid)
    if collection.is_aggregate_only:
        raise Http404("This collection keeps only sums.")
    asked = read_asked(request.GET, user=request.user, collection=collection)
    audit.record("faces exported", actor=request.user, target=f"collection {collection.uid}")
    lines = exporting.write_faces(collection, question=asked.question)
    return StreamingHttpResponse(
        (line.encode() for line in lines),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{slugify(collection.name) or "faces"}-faces.csv"'},
    )


def describe_report(request: UserRequest, *, collection: Collection, asked: Asked) -> dict[str, Any]:
    """What the report's page shows."""
    found = caching.read_answer(collection, question=asked.question, user=request.user)
    answer = show_answer(found, collection=collection)
    return {
        "collection": collection,
        "answer": answer,
        "form": asked.form,
        "filter": asked.filter,
        "reference_form": _fill_reference(request, collection=collection, asked=asked),
        "question": asked.question,
        "asked": describe_question(asked.question, collection=collection, against=asked.against),
        "active": [_describe_filter(active, query=asked.query) for active in asked.filter.list_active()],
        "reference": asked.question.reference and _describe_reference(asked.question.reference, query=asked.query),
        "query": asked.query,
        "here": address_of(collection, query=asked.query),
        "is_mine": collection.owner_id == request.user.pk,
        "kept_count": KeptReport.objects.filter(collection=collection).count(),
        "export_url": f"{resolve_url('collection-report-export', uid=collection.uid)}?{asked.query}&",
        "faces_url": "" if collection.is_aggregate_only else _list_faces_at(collection, query=asked.query),
        "photos_url": _find_photos(collection, asked=asked),
        "mistakes_url": find_mistakes(found.draw, user=request.user),
        **_list_charts(found, collection=collection, query=asked.query),
    }


def _list_faces_at(collection: Collection, *, query: str) -> str:
    return f"{resolve_url('collection-faces', uid=collection.uid)}?{query}"


def _find_photos(collection: Collection, *, asked: Asked) -> str:
    """The gallery of just the photos that the report is about."""
    question = asked.question
    said = {**question.filters, **({} if question.taxonomy == collection.taxonomy else {"taxonomy": question.taxonomy})}
    return f"{resolve_url('collection-detail', uid=collection.uid)}?{urlencode(said)}#filter"


def address_of(collection: Collection, *, query: str) -> str:
    return resolve_url("collection-report", uid=collection.uid) + (f"?{query}" if query else "")


def send_report(values: dict[str, Any], *, kind: str, name: str) -> HttpResponse:
    """A report as a file. Raises Http404 for a format that there is not."""
    if kind not in exporting.KINDS or kind == "svg":
        raise Http404("There is no such format.")
    return _send(exporting.write_report(values, kind=kind), kind=kind, name=f"{name}.{kind}")


def send_chart(values: dict[str, Any], *, name: str) -> HttpResponse:
    """A chart as a file. Raises Http404 where the report has none of this name."""
    try:
        return _send(exporting.draw_chart(values, name=name), kind="svg", name=f"{name}.svg")
    except KeyError:
        raise Http404("The report has no such chart.") from None


def _send(content: str, *, kind: str, name: str) -> HttpResponse:
    # As a download: what a file holds is never a page of this site.
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type=f"{exporting.KINDS[kind]}; charset=utf-8", headers=headers)


def _find(request: UserRequest, uid: UUID) -> Collection:
    return get_object_or_404(Collection.objects.visible_to(request.user), uid=uid)


def _read_values(request: UserRequest, *, collection: Collection) -> dict[str, Any]:
    asked = read_asked(request.GET, user=request.user, collection=collection)
    answer = caching.read_answer(collection, question=asked.question, user=request.user)
    if answer.values is None:
        raise Http404("There is no report of this yet.")
    return answer.values


def _describe_filter(active: ActiveFilter, *, query: str) -> dict[str, str]:
    """A chip: what it says, and the address without it."""
    rest = QueryDict(query, mutable=True)
    rest.pop(active.name, None)
    return {"label": active.label, "value": active.value, "without": f"?{rest.urlencode()}"}


def _describe_reference(reference: Reference, *, query: str) -> dict[str, str]:
    """What the form sends along with whatever else is asked, and the address without it."""
    rest = QueryDict(query, mutable=True)
    text, name = rest.pop("reference")[-1], rest.pop("reference_name")[-1]
    return {"name": name, "text": text, "without": f"?{rest.urlencode()}"}


def _fill_reference(request: UserRequest, *, collection: Collection, asked: Asked) -> ReferenceForm:
    """The form as it was filled in last: where its shares are not taken, since another grouping was chosen, why not."""
    labels = offer_labels(collection, taxonomy=asked.question.taxonomy)
    if asked.refused:
        told = {"name": request.GET.get("reference_name") or "reference", "text": request.GET.get("reference", "")}
        return ReferenceForm(told, labels=labels)
    known = asked.question.reference
    initial = {"name": known.name, "text": write_reference(known.shares)} if known else None
    return ReferenceForm(labels=labels, initial=initial)


def find_mistakes(draw: UUID | None, *, user: User) -> str:
    """Where the faces are shown that the model is wrong about, by people's answers; empty for who may not see them."""
    if draw is None or not Draw.objects.visible_to(user).filter(uid=draw, ended="").exists():
        return ""
    return resolve_url("draw-detail", uid=draw)


def _list_charts(found: caching.Answer, *, collection: Collection, query: str) -> dict[str, Any]:
    names = exporting.name_charts(found.values) if found.values else {}
    addresses = {
        name: f"{resolve_url('collection-report-chart', uid=collection.uid, name=name)}?{query}" for name in names
    }
    charts = [{"title": title, "address": addresses[name]} for name, title in names.items()]
    return {"drawings": addresses, "charts": charts}
