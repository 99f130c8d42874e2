"""Labels that come in as CSV: reference or self-identified ones, kept as reviews, all of a file or nothing."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from django.db import IntegrityError, transaction
from django.db.models import Count

from classifier.models import Collection, Draw, Face, Review, User
from classifier.services import audit
from classifier.services.reviews import drawing, label_matching, label_rows
from classifier.services.reviews.label_rows import TOLD_LINES, BadFile, Row
from classifier.services.reviews.refusals import AnsweredMeanwhile

LONGEST_NAME = 150  # of a reviewer, as the column holds
AT_ONCE = 500  # rows in one question

_Key: TypeAlias = tuple[int, int | None, uuid.UUID]  # face, draw and reviewer


@dataclass(frozen=True)
class Matched:
    """What a file brought: rows, the faces they are about, reviews that are new, and those that replaced others.

    `draw` holds the faces that were declared to be a random draw. `left_out` counts rows without a face that is here,
    and `lines` tells the first of them.
    """

    rows: int
    faces: int
    new: int
    replaced: int
    draw: Draw | None = None
    left_out: int = 0
    lines: tuple[str, ...] = ()


def import_labels(
    collection: Collection,
    *,
    content: bytes,
    actor: User,
    source: str,
    is_random_draw: bool = False,
    leaves_out_unknown: bool = False,
) -> Matched:
    """Store labels of a collection's faces: columns `file`, `face` or a box or `face_uid`, `reviewed_...`, `reviewer`.

    They serve correction and training, and no statistics; unless the actor says that the faces were drawn at random
    among all of the collection: those of rows with "yes" in a column `drawn`, or of all rows of a file without it.
    Separators may be commas, semicolons or tabs. Raises BadFile, which tells each line that is wrong, and BadDraw: then
    nothing is stored. With `leaves_out_unknown` rows about faces that are not here are no reason for that.
    """
    rows = label_rows.read_rows(content)
    # All that takes its time comes before the transaction, for which everybody else who writes waits on SQLite.
    on = collection.attributes
    wrong = _find_wrong(rows, on=on)
    pairs, unknown = label_matching.match_faces(collection, rows=rows)
    _refuse(rows, wrong=wrong, unknown=unknown, leaves_out=leaves_out_unknown and bool(pairs))
    made = _make_reviews(pairs, collection=collection, source=source)
    with transaction.atomic():
        held = Collection.objects.hold_attributes(collection.pk)
        if held != on:
            wrong = _find_wrong(rows, on=held)
            made = _make_reviews(pairs, collection=collection, source=source)
        if gone := label_matching.find_gone(pairs):
            unknown += [label_matching.tell_unknown(row) for row, face in pairs if face.pk in gone]
            pairs = [(row, face) for row, face in pairs if face.pk not in gone]
            made = [(row, review) for row, review in made if review.face_id not in gone]
        _refuse(rows, wrong=wrong, unknown=unknown, leaves_out=leaves_out_unknown and bool(pairs))
        draw = _declare(collection, pairs=pairs, actor=actor) if is_random_draw else None
        new, replaced = _keep(made, source=source, draw=draw)
        if draw:
            Collection.objects.filter(pk=collection.pk).note_answers()
        audit.record(
            "labels imported",
            actor=actor,
            target=f"collection {collection.uid}",
            details={"rows": len(pairs), "source": source, "declared_draw": str(draw.uid) if draw else ""},
        )
    faces = len({face.pk for _, face in pairs})
    return Matched(len(pairs), faces, new, replaced, draw, len(unknown), tuple(unknown[:TOLD_LINES]))


def _find_wrong(rows: Sequence[Row], *, on: list[str]) -> list[str]:
    """Take what the rows say of the attributes that are on; what is wrong with it."""
    return [text for row in rows for text in label_rows.read_answers(row, on=on)]


def _refuse(rows: Sequence[Row], *, wrong: Sequence[str], unknown: Sequence[str], leaves_out: bool) -> None:
    """Raises BadFile where something keeps the file out; unless they are left out, so do rows without a face."""
    lines = [*wrong, *(() if leaves_out else unknown)]
    if lines:
        raise BadFile("bad_rows", f"{len(lines):,} of {len(rows):,} rows cannot be kept, so none is.", lines=lines)


def count_labels(collection: Collection) -> list[tuple[str, int, int]]:
    """The labels from files that are here: what they are, in words, how many, and of how many faces."""
    told = Review.objects.told().filter(face__photo__collection=collection, face__photo__deleting_at=None)
    found = told.exclude(source=Review.Source.PERSON).order_by("source").values_list("source")
    counted = found.annotate(Count("pk"), Count("face", distinct=True))
    return [(str(Review.Source(source).label), labels, faces) for source, labels, faces in counted]


def _declare(collection: Collection, *, pairs: Sequence[tuple[Row, Face]], actor: User) -> Draw:
    """Raises BadDraw, BadFile."""
    chosen = [(row, face) for row, face in pairs if row.is_drawn]
    said = {name for row, _ in chosen for name in row.answers}
    asked = [name for name in collection.attributes if name in said]
    if not asked:
        raise BadFile("nothing_drawn", 'No row of the draw has a label: its rows say "yes" in the column drawn.')
    return drawing.declare_draw(
        collection, faces=[face.pk for _, face in chosen], attribute=asked[0], attributes=asked, by=actor
    )


def _keep(made: Sequence[tuple[Row, Review]], *, source: str, draw: Draw | None) -> tuple[int, int]:
    """How many are the first word of their reviewer, by the name in the file, on a face, in the draw or outside of it;
    and how many replace one. Raises BadFile, AnsweredMeanwhile.
    """
    drawn = set(draw.drawn_faces.values_list("face_id", flat=True)) if draw else set()
    reviews: dict[_Key, Review] = {}
    lines: dict[_Key, int] = {}
    wrong = []
    for row, review in made:
        if row.is_drawn and review.face_id in drawn:
            review.draw = draw
        said = reviews.setdefault(_key(review), review)
        first = lines.setdefault(_key(review), row.line)
        if (said.verdict, said.answers) != (review.verdict, review.answers):
            wrong.append(f"line {row.line}: says something else of the face of line {first}, by the same reviewer")
    if wrong:
        raise BadFile("bad_rows", "Name who says what in a column reviewer. Nothing was kept.", lines=wrong)
    standing = _find_standing({review.face_id for _, review in made}, source=source)
    before = {key: standing[key] for key in reviews if key in standing}
    old = [review.pk for review in before.values()]
    for start in range(0, len(old), AT_ONCE):
        Review.objects.filter(pk__in=old[start : start + AT_ONCE]).update(is_standing=False)
    for key, review in reviews.items():
        review.replaces = before.get(key)
    try:
        Review.objects.bulk_create(reviews.values(), batch_size=AT_ONCE)
    except IntegrityError:
        raise AnsweredMeanwhile from None
    return len(reviews) - len(before), len(before)


def _key(review: Review) -> _Key:
    return review.face_id, review.draw_id, review.reviewer_uid


def _find_standing(faces: set[int], *, source: str) -> dict[_Key, Review]:
    """What files of this kind said before, outside of draws: a draw that is declared is always a new one."""
    listed = sorted(faces)
    found: dict[_Key, Review] = {}
    for start in range(0, len(listed), AT_ONCE):
        part = listed[start : start + AT_ONCE]
        said = Review.objects.filter(face__in=part, draw=None, source=source, is_standing=True)
        found |= {_key(review): review for review in said}
    return found


def _make_reviews(
    pairs: Sequence[tuple[Row, Face]], *, collection: Collection, source: str
) -> list[tuple[Row, Review]]:
    """What each row says of its face, in no draw yet."""
    named = ((row, face, row.cells.get("reviewer", "")[:LONGEST_NAME]) for row, face in pairs)
    return [
        (
            row,
            Review(
                face=face,
                reviewer_uid=uuid.uuid5(collection.uid, f"{source}:{said_by}"),
                said_by=said_by,
                source=source,
                was_blind=True,  # made without the model's guess
                verdict=row.verdict,
                answers=row.answers,
            ),
        )
        for row, face, said_by in named
    ]
