"""Collections: the list, one collection's gallery, its progress, and making, changing and deleting one."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from classifier.filters import SORT_WORDS
from classifier.forms import ChangeCollectionForm, NewCollectionForm, UploadForm
from classifier.http.uids import read_uids
from classifier.intake import formats
from classifier.models import Collection, KeptReport, Photo, State
from classifier.services import collections, deletion, matches, rerun, retention, summaries
from classifier.services.reports import caching
from classifier.templatetags.facet import attribute_label
from classifier.templatetags.reports import show_card
from classifier.terms import DECLARATION
from classifier.views.access import UserRequest, login_required
from classifier.views.photo_sets import read_set
from ml.labels import TAXONOMIES, attribute_of

LISTED_FAILED = 50  # photos that failed, on the page of a collection that has no gallery
POLLED_PHOTOS = 100  # more tiles than this are never followed one by one


@login_required
@require_GET
def collection_list(request: UserRequest) -> HttpResponse:
    visible = Collection.objects.visible_to(request.user).select_related("owner")
    found = summaries.summarise(list(visible))
    found.sort(key=lambda card: card.changed_at, reverse=True)
    answers = caching.read_summaries([card.collection for card in found], reader=request.user)
    cards = [{"summary": card, "answer": show_card(answers.get(card.collection.pk), summary=card)} for card in found]
    return render(request, "collections/list.html", {"cards": cards})


@login_required
@require_http_methods(["GET", "POST"])
def create(request: UserRequest) -> HttpResponse:
    form = NewCollectionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        collection = collections.create_collection(request.user, **form.values())
        return redirect("collection-detail", uid=collection.uid)
    return render(request, "collections/form.html", {"form": form, "declaration": DECLARATION})


@login_required
@require_POST
def declare(request: UserRequest, uid: UUID) -> HttpResponse:
    """The declaration of a collection that has none, or one in earlier words."""
    collection = get_object_or_404(Collection.objects.owned_by(request.user), uid=uid)
    if not collection.terms_accepted():
        collections.make_declaration(collection, by=request.user)
        messages.success(request, "The declaration is made: photos can be added.")
    return redirect("collection-detail", uid=uid)


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: UserRequest, uid: UUID) -> HttpResponse:
    collection = get_object_or_404(Collection.objects.owned_by(request.user), uid=uid)
    form = ChangeCollectionForm(request.POST or None, instance=collection)
    doomed, going = None, {}
    if request.method == "POST" and form.is_valid():
        doomed, going = form.foresee(), form.foresee_removal()
        asks = [form.asks_first(doomed), form.asks_about_results(going)]
        if not any(asks):
            collections.change_collection(collection, actor=request.user, **form.values())
            again = _compute_again(request, collection) if form.cleaned_data["computes_again"] else ""
            gone = [f"Deleted: {removal} of {attribute_label(name)}." for name, removal in going.items()]
            kept = f"With the new days to keep, {doomed}." if doomed else ""
            messages.success(request, " ".join(filter(None, ["Saved.", *gone, kept, again])))
            return redirect("collection-detail", uid=uid)
    context = {"form": form, "collection": collection, "doomed": doomed, "going": going}
    return render(request, "collections/form.html", context | {"analysed": _offer_again(collection)})


@login_required
@require_http_methods(["GET", "POST"])
def delete(request: UserRequest, uid: UUID) -> HttpResponse:
    collection = get_object_or_404(Collection.objects.owned_by(request.user), uid=uid)
    if request.method == "POST":
        deletion.delete_collection(collection, by=request.user)
        messages.success(request, f"“{collection.name}” and everything in it was deleted.")
        return redirect("collection-list")
    counts = summaries.count_photos([collection], is_exact=True)[collection.pk]
    kept_count = KeptReport.objects.filter(collection=collection).count()
    context = {"collection": collection, "counts": counts, "kept_count": kept_count}
    return render(request, "collections/delete.html", context)


@login_required
@require_GET
def detail(request: UserRequest, uid: UUID) -> HttpResponse:
    """The gallery. htmx gets the photos of its page alone, or with `?count` how many photos and faces fit its filters.

    `?at=` (the uid of a photo) is the page where that photo is.
    """
    collection = get_object_or_404(Collection.objects.visible_to(request.user).select_related("owner"), uid=uid)
    if collection.is_aggregate_only:
        return _show_sums(request, collection)
    photo_set = read_set(request, collection=collection)
    context: dict[str, Any] = {
        "collection": collection,
        "photo_set": photo_set,
        "filter": photo_set.filter,
        "taxonomy": photo_set.taxonomy,
        "is_mine": collection.owner_id == request.user.pk,
    }
    if request.htmx and "count" in request.GET:
        return render(request, "collections/_matches.html", context | {"matches": photo_set.count()})
    page = photo_set.read_page(cursor=request.GET.get("page", ""), at=request.GET.get("at", ""))
    photo_set.mark_matches(page.rows)
    context["page"] = page
    if request.htmx:
        return render(request, "photos/_photos.html", context)
    is_counted = bool(photo_set.active) and ("count" in request.GET or not matches.is_large(collection))
    return render(
        request,
        "collections/detail.html",
        context
        | {
            "counts": summaries.count_photos([collection])[collection.pk],
            "matches": photo_set.count() if is_counted else None,
            "next_deletion": retention.foresee([collection]).get(collection.pk),
            "run": summaries.measure_run(collection),
            "sorts": SORT_WORDS,
            "taxonomies": offer_taxonomies(collection),
        }
        | _describe_drop_zone(),
    )


def _show_sums(request: UserRequest, collection: Collection) -> HttpResponse:
    """The page of a collection that keeps only sums: what they tell, and the photos of which they hold nothing yet."""
    failed = Photo.objects.filter(collection=collection, deleting_at=None, state=State.FAILED).order_by("-pk")
    context = {
        "collection": collection,
        "photo_set": read_set(request, collection=collection),
        "is_mine": collection.owner_id == request.user.pk,
        "counts": summaries.count_photos([collection])[collection.pk],
        "next_deletion": retention.foresee([collection]).get(collection.pk),
        "run": summaries.measure_run(collection),
        "failed": failed[:LISTED_FAILED],
    }
    return render(request, "collections/sums.html", context | _describe_drop_zone())


def _describe_drop_zone() -> dict[str, Any]:
    return {
        "upload_form": UploadForm(),
        "max_file_bytes": settings.MAX_FILE_BYTES,
        "formats": formats.FORMATS,
        "max_file_mb": settings.MAX_FILE_BYTES // 1024**2,
        "max_request_bytes": settings.MAX_REQUEST_BYTES,
        "max_files": settings.MAX_FILES_PER_REQUEST,
    }


@login_required
@require_GET
def progress(request: UserRequest, uid: UUID) -> HttpResponse:
    """The progress bar and sums as a fragment, and the tiles (`?tile=`) that the page still shows as unfinished."""
    collection = get_object_or_404(Collection.objects.visible_to(request.user).select_related("owner"), uid=uid)
    photo_set = read_set(request, collection=collection)
    photos = Photo.objects.filter(collection=collection, deleting_at=None)
    tiles = list(photos.filter(uid__in=read_uids(request.GET.getlist("tile")[:POLLED_PHOTOS])).with_faces())
    photo_set.mark_matches(tiles)
    return render(
        request,
        "collections/_progress_and_tiles.html",
        {
            "collection": collection,
            "counts": summaries.count_photos([collection])[collection.pk],
            "run": summaries.measure_run(collection, since=_read_moment(request.GET.get("since", ""))),
            "tiles": tiles,
            "is_mine": collection.owner_id == request.user.pk,
            "photo_set": photo_set,
            "taxonomy": photo_set.taxonomy,
        },
    )


def _offer_again(collection: Collection) -> str:
    """The words of the box that has all analysed photos of a collection computed again; "" where there are none."""
    counts = summaries.count_photos([collection])[collection.pk]
    count = counts.failed if collection.is_aggregate_only else counts.done + counts.failed
    if not count:
        return ""
    return "Compute again for the photo that is here" if count == 1 else f"Compute again for all {count:,} photos"


def _compute_again(request: UserRequest, collection: Collection) -> str:
    """Queue all analysed photos of a collection, and say how many they are."""
    count = rerun.run_again(Photo.objects.owned_by(request.user).filter(collection=collection))
    return "1 photo is queued again." if count == 1 else f"{count:,} photos are queued again."


def offer_taxonomies(collection: Collection) -> tuple[str, ...]:
    """The groupings of what is computed for a collection, where there are several to choose from."""
    return tuple(name for name in TAXONOMIES if attribute_of(name) in collection.attributes)


def _read_moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
        return moment.astimezone(UTC) if moment and moment.tzinfo else None
    except (ValueError, OverflowError):  # the last day of all may have no name in UTC
        return None
