"""Draws: what waits for a reviewer, a new one, how far one is and what came of it, more of it, and who reviews."""

from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from classifier.draw_forms import RECEIVED, DrawForm, InviteForm, MoreForm
from classifier.filters import PhotoFilter
from classifier.models import Collection, Draw, Photo, User
from classifier.services.reviews import drawing, frames, inviting, photos, results, serving, standing
from classifier.services.reviews.refusals import BadDraw, ReviewRefused
from classifier.views import desk, draw_results
from classifier.views.access import UserRequest, login_required
from classifier.views.review_requests import read_words

PHOTO_SIZES = (50, 100, 300)
USUAL = 300  # the size that is chosen to begin with is the nearest to it
MOST_CARDS, MOST_BEFORE = 60, 10

Sizes: TypeAlias = list[tuple[int, float | None, bool]]  # how many, half the width in points, whether it is all


@dataclass(frozen=True)
class Card:
    """A draw as the list of what waits shows it, for one reviewer."""

    draw: Draw
    title: str
    source: str
    total: int
    answered: int

    @property
    def collection(self) -> Collection:
        return self.draw.collection

    @property
    def left(self) -> int:
        return max(self.total - self.answered, 0)

    @property
    def waits(self) -> bool:
        """Whether somebody asks for the reader's answers; labels that came with a file do not."""
        return self.left > 0 and not self.draw.declared_by

    @property
    def time(self) -> str:
        return desk.tell_time(self.left, kind=self.draw.kind)


@login_required
@require_GET
def home(request: UserRequest) -> HttpResponse:
    """What waits for the reader: draws, and the queues of collections."""
    draws = Draw.objects.reviewable_by(request.user).select_related("collection__owner")[:MOST_CARDS]
    answered, drawn = standing.count_answered(draws, reviewer=request.user), standing.count_drawn(draws)
    cards = [
        Card(draw, desk.title_of(draw), f"draw-{draw.uid}", drawn.get(draw.pk, 0), answered.get(draw.pk, 0))
        for draw in draws
        if not draw.ended
    ]
    mine = Collection.objects.reviewable_by(request.user).select_related("owner")
    with_photos = mine.filter(photos__isnull=False, is_aggregate_only=False).distinct()
    context = {
        "waiting": [card for card in cards if card.waits],
        "done": [card for card in cards if not card.waits],
        "collections": with_photos[:MOST_CARDS],
        "samples": with_photos.filter(owner=request.user)[:3],
    }
    return render(request, "reviews/home.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def new(request: UserRequest, uid: UUID) -> HttpResponse:
    """A new draw of a collection. `sizes` only works out anew how many faces each precision takes."""
    collection = get_object_or_404(Collection.objects.owned_by(request.user), uid=uid, is_aggregate_only=False)
    asks = request.POST or None
    narrowed = PhotoFilter(
        asks, queryset=Photo.objects.none(), taxonomy=collection.taxonomy, collection=collection, prefix="only"
    )
    form = DrawForm(asks, collection=collection, narrowed=narrowed)
    errors: list[str] = []
    if asks and form.is_valid() and "sizes" not in request.POST and "sizes" not in request.GET:
        try:
            draw = begin(request.user, collection=collection, form=form)
        except ReviewRefused as refusal:
            errors = [refusal.sentence]
        else:
            return redirect("draw-detail", uid=draw.uid)
    errors += [str(error) for error in form.errors.get("other", [])]
    context: dict[str, Any] = {"collection": collection, "form": form}
    context["plan"] = plan(collection, form=form, errors=errors)
    if not request.htmx:
        before = Draw.objects.filter(collection=collection).order_by("-created_at")[:MOST_BEFORE]
        context["before"] = [(draw, desk.title_of(draw)) for draw in before]
    return render(request, "reviews/_sizes.html" if request.htmx else "reviews/new.html", context)


def begin(user: User, *, collection: Collection, form: DrawForm) -> Draw:
    """Raises as `drawing.begin_draw`."""
    size = form.wanted_size()
    if size is None:
        raise BadDraw("too_small", "Say how many.")
    written = form.cleaned_data.get("other")
    if written not in (None, size):
        raise BadDraw("two_sizes", f"You wrote {written:,} and chose {size:,}: choose one of them.")
    values: dict[str, Any] = {"chosen": form.chosen(), "codebook": form.cleaned_data["codebook"], "size": size}
    if form.is_photos():
        return drawing.begin_photo_draw(collection, creator=user, **values)
    return drawing.begin_draw(collection, creator=user, attribute=form.cleaned_data["attribute"], **values)


def plan(collection: Collection, *, form: DrawForm, errors: list[str]) -> dict[str, Any]:
    """The sizes to choose from, by what the form says so far."""
    told = form.cleaned_data if form.is_bound and form.is_valid() else {}
    asked = form.wanted_size() if told else None
    chosen = form.chosen() if told else {}
    kept = {"errors": errors, "is_other": told.get("size") == "other", "other": told.get("other")}
    if not collection.attributes:
        return kept | {"frame": 0, "nothing": "Nothing is computed for this collection, so there is nothing to ask."}
    if told and form.is_photos():
        frame = frames.select_photos(collection, chosen=chosen).count()
        photo_sizes: Sizes = [(size, None, False) for size in PHOTO_SIZES if size < frame]
        if frame:
            photo_sizes.append((frame, None, True))
        nothing = "There is no photo to draw from: none was analysed yet, or none fits what was chosen."
        return kept | {
            "is_photos": True,
            "frame": frame,
            "options": offer(photo_sizes, asked=asked, kind=Draw.Kind.PHOTOS),
            "nothing": nothing,
        }
    from classifier.services.reviews import planning  # loads numpy

    attribute = told.get("attribute") or collection.attributes[0]
    guessed = planning.count_guesses(collection, attribute=attribute, chosen=chosen)
    sizes: Sizes = [(one.size, one.half_width * 100, one.is_all) for one in planning.plan_sizes(guessed)]
    nothing = "There is no face to draw from: none was found yet, none is wide enough, or none fits what was chosen."
    return kept | {
        "frame": guessed.faces,
        "is_assumed": bool(sizes),
        "headline": results.HEADLINE,
        "options": offer(sizes, asked=asked),
        "nothing": nothing,
    }


def offer(sizes: Sizes, *, asked: int | None, kind: str = Draw.Kind.FACES) -> list[dict[str, Any]]:
    """The radio buttons: the one that was asked for is chosen, else the one nearest to the usual size."""
    known = [size for size, _, _ in sizes]
    usual = min(known, key=lambda size: abs(size - USUAL)) if known else None
    picked = asked if asked in known else usual
    return [
        {"size": size, "half_width": width, "is_all": is_all, "is_chosen": size == picked}
        | {"time": desk.tell_time(size, kind=kind)}
        for size, width, is_all in sizes
    ]


@login_required
@require_GET
def detail(request: UserRequest, uid: UUID) -> HttpResponse:
    """How far a draw is, and what came of it."""
    draw = find_draw(request, uid=uid)
    return show(request, draw)


def show(request: UserRequest, draw: Draw, **forms: Any) -> HttpResponse:
    """The page of a draw; `forms` are those with errors."""
    may_review = Draw.objects.reviewable_by(request.user).filter(pk=draw.pk).exists()
    is_mine = draw.collection.owner_id == request.user.pk
    passes: Any = photos if draw.kind == Draw.Kind.PHOTOS else serving
    own = passes.read_pass(draw, reviewer_uid=request.user.uid) if may_review and not draw.ended else None
    context = {
        "draw": draw,
        "collection": draw.collection,
        "title": desk.title_of(draw),
        "selection": tell_selection(draw),
        "may_review": may_review,
        "is_mine": is_mine,
        "own": own,
        "left": len(own.waiting) if own else 0,
        "left_time": desk.tell_time(len(own.waiting), kind=draw.kind) if own else "",
        "reviewers": standing.list_reviewers(draw),
        "later": drawing.count_later(draw) if is_mine and not draw.ended else 0,
        "more_form": MoreForm(),
        "extend_form": MoreForm(auto_id="extend_%s"),
        "invite_form": InviteForm(),
        "source": f"draw-{draw.uid}",
        **draw_results.describe(draw, reader=request.user, own=own),
        **forms,
    }
    return render(request, "reviews/draw.html", context)


def tell_selection(draw: Draw) -> list[str]:
    """What a draw was narrowed to, as people say it."""
    told = [f"{words.lower()} {draw.filter[name]}" for name, words in RECEIVED.items() if name in draw.filter]
    taxonomy = draw.filter.get(frames.TAXONOMY, draw.collection.taxonomy)
    found = PhotoFilter(draw.filter, queryset=Photo.objects.none(), taxonomy=taxonomy, collection=draw.collection)
    return told + [f"{one.label.lower()} {one.value}" for one in found.list_active()]


@login_required
@require_POST
def enlarge(request: UserRequest, uid: UUID) -> HttpResponse:
    """Draw more out of what was drawn from."""
    return add(request, uid, name="more_form", auto_id="id_%s", adding=drawing.enlarge_draw)


@login_required
@require_POST
def extend(request: UserRequest, uid: UUID) -> HttpResponse:
    """Take in faces of photos that came later."""
    return add(request, uid, name="extend_form", auto_id="extend_%s", adding=drawing.extend_draw)


def add(request: UserRequest, uid: UUID, *, name: str, auto_id: str, adding: Any) -> HttpResponse:
    draw = find_draw(request, uid=uid, is_owners=True)
    form = MoreForm(request.POST, auto_id=auto_id)
    if form.is_valid():
        try:
            adding(draw, size=form.cleaned_data["size"], actor=request.user)
        except ReviewRefused as refusal:
            form.add_error("size", refusal.sentence)
        else:
            messages.success(request, f"{form.cleaned_data['size']:,} more were drawn.")
            return redirect("draw-detail", uid=uid)
    return show(request, draw, **{name: form})


@login_required
@require_POST
def invite(request: UserRequest, uid: UUID) -> HttpResponse:
    """Let somebody review this collection."""
    draw = find_draw(request, uid=uid, is_owners=True)
    form = InviteForm(request.POST)
    if form.is_valid():
        try:
            person = inviting.invite_reviewer(draw.collection, name=form.cleaned_data["name"], actor=request.user)
        except ReviewRefused as refusal:
            form.add_error("name", refusal.sentence)
        else:
            link = request.build_absolute_uri(reverse("draw-review", args=[uid]))
            messages.success(request, f"{person.username} may review this collection now: send them {link}")
            return redirect("draw-detail", uid=uid)
    return show(request, draw, invite_form=form)


@login_required
@require_POST
def dismiss(request: UserRequest, uid: UUID) -> HttpResponse:
    """Take back that somebody may review this collection; what they answered stays."""
    draw = find_draw(request, uid=uid, is_owners=True)
    person = User.objects.filter(username=read_words(request.POST.dict(), name="reviewer")).first()
    if person and inviting.dismiss_reviewer(draw.collection, reviewer=person, actor=request.user):
        messages.success(request, f"{person.username} does not review this collection any more. The answers stay.")
    return redirect("draw-detail", uid=uid)


def find_draw(request: UserRequest, *, uid: UUID, is_owners: bool = False) -> Draw:
    """A draw that the reader may see, or, `is_owners`, change. Everybody else gets 404."""
    known = Draw.objects.owned_by(request.user) if is_owners else Draw.objects.visible_to(request.user)
    return get_object_or_404(known.select_related("collection__owner", "codebook", "created_by"), uid=uid)
