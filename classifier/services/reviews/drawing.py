"""Draws are begun, enlarged without looking at answers, and extended to photos that came later."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction

from classifier.models import Codebook, Collection, Draw, DrawnFace, DrawnPhoto, User
from classifier.models.faces import SMALL_FACE_PX
from classifier.services import audit
from classifier.services.reviews import codebooks, frames, room
from classifier.services.reviews.refusals import BadDraw, DrawEnded

SEED_BITS = 48
MOST_DRAWN = 20_000  # nobody looks at more, and a pass over a draw is read as a whole
BATCH_ROWS = 2000


def begin_draw(
    collection: Collection,
    *,
    creator: User,
    attribute: str,
    size: int,
    attributes: Sequence[str] | None = None,
    chosen: Mapping[str, Any] | None = None,
    narrowest_px: float = SMALL_FACE_PX,
    codebook: str = "",
    seed: int | None = None,
) -> Draw:
    """Draw `size` faces of a collection by strata of what the model guessed of `attribute`.

    `attributes` are the questions (None: all that are on);
    `chosen` are days of `frames.RECEIVED` and the gallery's filters;
    `codebook` its text (empty: the latest, or ours). Raises BadDraw, TooManyDraws, DrawnTooOften.
    """
    _check_size(size)
    _check_may_draw(collection, creator=creator)
    with transaction.atomic():
        on = Collection.objects.hold_attributes(collection.pk)
        if attribute not in on:
            raise BadDraw("attribute_off", f"{attribute} is switched off for this collection.")
        asked = on if attributes is None else [name for name in on if name in attributes]
        if not asked:
            raise BadDraw("attribute_off", "Nothing that is asked about is on for this collection.")
        draw = Draw.objects.create(
            collection=collection,
            filter=frames.keep_filter(collection, chosen=chosen),
            narrowest_px=narrowest_px,
            strata_attribute=attribute,
            attributes=asked,
            seed=_new_seed() if seed is None else seed,
            size=0,
            codebook=_codebook(collection, text=codebook, author=creator),
            created_by=creator,
        )
        faces = frames.select_faces(collection, narrowest_px=narrowest_px, chosen=chosen)
        _add_part(draw, faces=faces, size=size)
        _record("draw begun", draw, actor=creator, faces=size)
    return draw


def begin_photo_draw(
    collection: Collection,
    *,
    creator: User,
    size: int,
    chosen: Mapping[str, Any] | None = None,
    narrowest_px: float = SMALL_FACE_PX,
    codebook: str = "",
    seed: int | None = None,
) -> Draw:
    """Draw photos at random, in which people mark faces that were not found. Raises as `begin_draw`."""
    from classifier.services.reviews import picking

    _check_size(size)
    _check_may_draw(collection, creator=creator)
    with transaction.atomic():
        Collection.objects.filter(pk=collection.pk).hold()  # no photo that is listed here goes before it is drawn
        photos = list(frames.select_photos(collection, chosen=chosen).order_by("pk").values_list("pk", flat=True))
        seed = _new_seed() if seed is None else seed
        picked = picking.pick_photos(photos, size=size, seed=seed)
        draw = Draw.objects.create(
            collection=collection,
            kind=Draw.Kind.PHOTOS,
            allocation=Draw.Allocation.SIMPLE,
            filter=frames.keep_filter(collection, chosen=chosen),
            narrowest_px=narrowest_px,
            seed=seed,
            size=size,
            codebook=_codebook(collection, text=codebook, author=creator),
            created_by=creator,
            frame_photos=len(photos),
            frame_last=photos[-1],
        )
        _keep_photos(draw, picked, chance=size / len(photos), batch=1, first=1)
        _record("draw begun", draw, actor=creator, photos=size)
    return draw


def _check_may_draw(collection: Collection, *, creator: User) -> None:
    """Raises BadDraw, TooManyDraws, DrawnTooOften."""
    if collection.is_aggregate_only:
        raise BadDraw("only_sums", "This collection keeps only sums: there is no face left to look at.")
    room.check_room(collection)
    room.take_turn(creator)


def declare_draw(
    collection: Collection, *, faces: Sequence[int], attribute: str, attributes: Sequence[str], by: User
) -> Draw:
    """A draw of faces (primary keys) that somebody drew elsewhere, and says were equally likely; who is recorded.

    Faces that are not in the frame of a draw begun here (too narrow, without a guess) are left out. Raises as
    `begin_draw`.
    """
    _check_may_draw(collection, creator=by)
    with transaction.atomic():
        Collection.objects.filter(pk=collection.pk).hold()
        draw = Draw.objects.create(
            collection=collection,
            allocation=Draw.Allocation.SIMPLE,
            narrowest_px=SMALL_FACE_PX,
            strata_attribute=attribute,
            attributes=list(attributes),
            seed=_new_seed(),
            size=0,
            codebook=_codebook(collection, text="", author=by),
            declared_by=by.get_username(),
            created_by=by,
        )
        count = frames.freeze(draw, faces=frames.select_faces(collection, narrowest_px=SMALL_FACE_PX)).get(0, 0)
        inside = set(draw.frame_faces.values_list("face_id", flat=True))
        kept = [pk for pk in dict.fromkeys(faces) if pk in inside]
        if not kept:
            raise BadDraw("empty", "None of these faces is one that a draw is made from: wide enough, and analysed.")
        rows = [
            DrawnFace(draw=draw, face_id=pk, stratum=0, inclusion_probability=len(kept) / count, place=place)
            for place, pk in enumerate(kept, start=1)
        ]
        DrawnFace.objects.bulk_create(rows, batch_size=BATCH_ROWS)
        newest = frames.select_photos(collection).order_by("-pk").values_list("pk", flat=True).first()
        draw.strata = frames.name_strata({0: count}, labels=[frames.ALL], part=1)
        draw.size, draw.frame_last = len(kept), newest or 0
        draw.save(update_fields=["strata", "size", "frame_last"])
        _record("draw declared", draw, actor=by, faces=len(kept))
    return draw


def enlarge_draw(draw: Draw, *, size: int, actor: User) -> Draw:
    """Draw `size` more out of what the draw was drawn from. The number must not depend on answers.

    Raises BadDraw, DrawEnded, DrawnTooOften.
    """
    from classifier.services.reviews import picking

    _check_size(size + draw.size)
    room.take_turn(actor)
    with transaction.atomic():
        draw = _hold(draw)
        if draw.kind == Draw.Kind.PHOTOS:
            known = frames.select_photos(draw.collection, chosen=draw.filter).filter(pk__lte=draw.frame_last)
            left = list(known.exclude(drawn__draw=draw).order_by("pk").values_list("pk", flat=True))
            picked = picking.pick_photos(left, size=size, seed=draw.seed + draw.size)
            batch, first = _next_place(draw.drawn_photos.values_list("batch", "place"))
            _keep_photos(draw, picked, chance=(draw.size + size) / max(1, draw.frame_photos), batch=batch, first=first)
        else:
            batch, first = _next_place(draw.drawn_faces.values_list("batch", "place"))
            _keep_faces(draw, picking.pick_more(draw, size=size), batch=batch, first=first)
        draw.size += size
        draw.save(update_fields=["size"])
        _record("draw enlarged", draw, actor=actor, more=size)
    return draw


def extend_draw(draw: Draw, *, size: int, actor: User) -> Draw:
    """Take in faces of photos that came later: strata of their own, of which `size` faces are drawn.

    A draw of photos cannot: its photos are equally likely, which later ones would not be. Raises as `enlarge_draw`.
    """
    _check_size(size + draw.size)
    room.take_turn(actor)
    with transaction.atomic():
        draw = _hold(draw)
        if draw.kind == Draw.Kind.PHOTOS:
            raise BadDraw("not_extended", "A draw of photos is not extended: begin another one.")
        _add_part(draw, faces=frames.later_faces(draw), size=size)
        _record("draw extended", draw, actor=actor, more=size)
    return draw


def count_later(draw: Draw) -> int:
    """Faces of photos that came later, which "extend" would take in; none where what chose them is gone."""
    try:
        return _count_later(draw)
    except BadDraw:
        return 0


def _count_later(draw: Draw) -> int:
    if draw.kind == Draw.Kind.PHOTOS:
        return frames.select_photos(draw.collection, chosen=draw.filter).filter(pk__gt=draw.frame_last).count()
    return frames.later_faces(draw).count() if draw.strata else 0


def _add_part(draw: Draw, *, faces: Any, size: int) -> None:
    """Freeze these faces as the next strata of the draw and draw from them. Raises BadDraw."""
    from classifier.services.reviews import picking

    part = 1 + max((row["part"] for row in draw.strata), default=0)
    labels = (
        [frames.ALL] if draw.allocation == Draw.Allocation.SIMPLE else list(frames.strata_of(draw.strata_attribute))
    )
    first = len(draw.strata)
    counts = frames.freeze(draw, faces=faces, first=first)
    batch, place = _next_place(draw.drawn_faces.values_list("batch", "place"))
    draw.strata = [*draw.strata, *frames.name_strata(counts, labels=labels, part=part, first=first)]
    picked = picking.pick_part(draw, first=first, size=size)
    newest = frames.select_photos(draw.collection).order_by("-pk").values_list("pk", flat=True).first()
    draw.size, draw.frame_last = draw.size + size, newest or 0
    draw.save(update_fields=["strata", "size", "frame_last"])
    _keep_faces(draw, picked, batch=batch, first=place)


def _keep_faces(draw: Draw, picked: Iterable[Any], *, batch: int, first: int) -> None:
    rows = [
        DrawnFace(
            draw=draw,
            face_id=one.face,
            stratum=one.stratum,
            inclusion_probability=one.chance,
            batch=batch,
            place=place,
        )
        for place, one in enumerate(picked, start=first)
    ]
    DrawnFace.objects.bulk_create(rows, batch_size=BATCH_ROWS)


def _keep_photos(draw: Draw, picked: Sequence[int], *, chance: float, batch: int, first: int) -> None:
    rows = [
        DrawnPhoto(draw=draw, photo_id=pk, inclusion_probability=chance, batch=batch, place=place)
        for place, pk in enumerate(picked, start=first)
    ]
    DrawnPhoto.objects.bulk_create(rows, batch_size=BATCH_ROWS)


def _hold(draw: Draw) -> Draw:
    """The draw as it is now, which nobody changes meanwhile. Raises DrawEnded, BadDraw."""
    Collection.objects.hold_attributes(draw.collection_id)
    held = Draw.objects.select_for_update(of=("self",), no_key=True).select_related("collection").get(pk=draw.pk)
    if held.ended:
        raise DrawEnded
    if held.declared_by:
        raise BadDraw(
            "declared", f"{held.declared_by} drew these faces elsewhere; nobody here can draw more in the same way."
        )
    return held


def _next_place(rows: Any) -> tuple[int, int]:
    """The next batch and its first place."""
    last = rows.order_by("-place").first() or (0, 0)
    return last[0] + 1, last[1] + 1


def _check_size(size: int) -> None:
    if size < 1:
        raise BadDraw("too_small", "Draw at least one.")
    if size > MOST_DRAWN:
        raise BadDraw("too_large", f"A draw holds up to {MOST_DRAWN:,}.", most=MOST_DRAWN)


def _new_seed() -> int:
    return secrets.randbits(SEED_BITS)


def _codebook(collection: Collection, *, text: str, author: User) -> Codebook:
    return codebooks.keep_codebook(collection, text=text or codebooks.current_text(collection), author=author)


def _record(action: str, draw: Draw, *, actor: User, **details: int) -> None:
    where = {"collection": str(draw.collection.uid)}
    audit.record(action, actor=actor, target=f"draw {draw.uid}", details={**where, **details})
