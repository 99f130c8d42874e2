"""Labels that come in as CSV: reference or self-identified ones, matched to faces, all of a file or nothing."""

import re
import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Q

from classifier.intake import tables
from classifier.models import CANNOT_TELL, Collection, Draw, Face, Review, User
from classifier.services import audit
from classifier.services.reviews import answering, drawing
from classifier.services.reviews.refusals import ReviewRefused
from ml.attributes import ATTRIBUTES

MOST_ROWS = 100_000
TOLD_LINES = 20  # of what is wrong; the rest is a number
SAME_FACE = 0.5  # intersection over union from which on a box is the face's
CODES = {"not_text": "not_text", "empty": "no_header", "too_long": "too_long", "broken": "bad_rows"}
BOX = ("x1", "y1", "x2", "y2")


class BadFile(ReviewRefused):
    """A file of which nothing was stored: `not_text`, `no_header`, `bad_rows`, `too_long`, `nothing_drawn`.

    The details name the lines.
    """

    is_malformed = True

    def __init__(self, code: str, sentence: str, *, lines: Iterable[str] = ()) -> None:
        self.code = code
        found = list(lines)
        super().__init__(sentence, lines=found[:TOLD_LINES], more=max(0, len(found) - TOLD_LINES))


@dataclass(frozen=True)
class Matched:
    """What a file brought: rows, the faces they are about, reviews that are new, and those that replaced others.

    `draw` holds the faces that were declared to be a random draw.
    """

    rows: int
    faces: int
    new: int
    replaced: int
    draw: Draw | None = None


@dataclass
class _Row:
    line: int
    cells: dict[str, str]
    answers: dict[str, str] = field(default_factory=dict)
    verdict: str = Review.Verdict.FACE

    @property
    def is_drawn(self) -> bool:
        """Whether it belongs to the draw, if the file is said to hold one."""
        return _plain(self.cells.get("drawn", "yes")) in ("yes", "1", "true", "x")


def import_labels(
    collection: Collection, *, content: bytes, actor: User, source: str, is_random_draw: bool = False
) -> Matched:
    """Store labels of a collection's faces: columns `file`, `face` or a box or `face_uid`, `reviewed_...`, `reviewer`.

    They serve correction and training, and no statistics; unless the actor says that the faces were drawn at random
    among all of the collection: those of rows with "yes" in a column `drawn`, or of all rows of a file without it.
    Separators may be commas, semicolons or tabs. Raises BadFile, which tells each line that is wrong, and BadDraw: then
    nothing is stored.
    """
    rows = _read_rows(content)
    with transaction.atomic():
        on = Collection.objects.hold_attributes(collection.pk)
        wrong = [text for row in rows for text in _read_answers(row, on=on)]
        faces = _match_faces(collection, rows=rows, wrong=wrong)
        if wrong:
            raise BadFile("bad_rows", f"{len(wrong):,} of {len(rows):,} rows cannot be kept, so none is.", lines=wrong)
        draw = _declare(collection, rows=rows, faces=faces, actor=actor) if is_random_draw else None
        drawn = set(draw.drawn_faces.values_list("face_id", flat=True)) if draw else set()
        new, replaced = 0, 0
        for row, face in zip(rows, faces, strict=True):
            of = draw if row.is_drawn and face.pk in drawn else None
            is_new = _keep(row, face=face, collection=collection, source=source, draw=of)
            new, replaced = new + is_new, replaced + (not is_new)
        if draw:
            Collection.objects.filter(pk=collection.pk).note_answers()
        audit.record(
            "labels imported",
            actor=actor,
            target=f"collection {collection.uid}",
            details={"rows": len(rows), "source": source, "declared_draw": str(draw.uid) if draw else ""},
        )
    return Matched(len(rows), len({face.pk for face in faces}), new, replaced, draw)


def _declare(collection: Collection, *, rows: list[_Row], faces: list[Face], actor: User) -> Draw:
    """Raises BadDraw, BadFile."""
    chosen = [(row, face) for row, face in zip(rows, faces, strict=True) if row.is_drawn]
    said = {name for row, _ in chosen for name in row.answers}
    asked = [name for name in collection.attributes if name in said]
    if not asked:
        raise BadFile("nothing_drawn", 'No row of the draw has a label: its rows say "yes" in the column drawn.')
    return drawing.declare_draw(
        collection, faces=[face.pk for _, face in chosen], attribute=asked[0], attributes=asked, by=actor
    )


def _read_rows(content: bytes) -> list[_Row]:
    try:
        table = tables.read_table(content, most_rows=MOST_ROWS)
    except tables.UnreadableTable as error:
        raise BadFile(CODES[error.code], str(error), lines=[str(error)] if error.code == "broken" else ()) from None
    header = table.header
    if "face_uid" not in header and "file" not in header:
        raise BadFile("no_header", "The first line must name columns, file or face_uid among them.")
    if not any(f"reviewed_{name}" in header for name in ATTRIBUTES) or len(set(header)) < len(header):
        told = ", ".join(f"reviewed_{name}" for name in ATTRIBUTES)
        raise BadFile("no_header", f"The first line must name {told}, or some of them, each once.")
    wrong = [
        f"line {line}: {len(cells)} cells of {len(header)}: is it half a line?"
        for line, cells in table.rows
        if len(cells) != len(header)
    ]
    if wrong or not table.rows:
        raise BadFile("bad_rows", "Nothing was kept." if wrong else "There is no row under the header.", lines=wrong)
    return [_Row(line, dict(zip(header, cells, strict=True))) for line, cells in table.rows]


def _read_answers(row: _Row, *, on: list[str]) -> list[str]:
    """Take the labels of a row; what is wrong with them."""
    wrong, said = [], {}
    for name in on:
        cell = row.cells.get(f"reviewed_{name}", "")
        word = _plain(cell)
        of = {_plain(label): label for label in ATTRIBUTES[name].labels} | {"cannot tell": CANNOT_TELL}
        if word == "not a face":
            row.verdict = Review.Verdict.NOT_A_FACE
        elif word in of:
            said[name] = of[word]
        elif word:
            wrong.append(f"line {row.line}: {cell!r} is no answer about {name}")
    row.answers = {} if row.verdict == Review.Verdict.NOT_A_FACE else said
    if not wrong and not said and row.verdict == Review.Verdict.FACE:
        wrong.append(f"line {row.line}: nothing is said of what is on in this collection")
    return wrong


def _match_faces(collection: Collection, *, rows: list[_Row], wrong: list[str]) -> list[Face]:
    """The face of each row, as far as it is known; what is not is told in `wrong`."""
    names = {row.cells.get("file", "") for row in rows} - {""}
    uids = {row.cells["face_uid"] for row in rows if _is_uid(row.cells.get("face_uid", ""))}
    here = Face.objects.counted().filter(photo__collection=collection, photo__deleting_at=None).select_related("photo")
    by_uid = {str(face.uid): face for part in _parts(uids) for face in here.filter(uid__in=part)}
    by_file: dict[str, dict[int, list[Face]]] = defaultdict(lambda: defaultdict(list))
    for part in _parts(names):
        for known in here.filter(Q(photo__name__in=part) | Q(photo__image__in=part)):
            for name in {known.photo.name, str(known.photo.image.name)}:
                by_file[name][known.photo_id].append(known)
    found: list[Face] = []
    for row in rows:
        face: Face | None = by_uid.get(row.cells.get("face_uid", ""))
        if face is None:
            photos = by_file.get(row.cells.get("file", ""), {})
            if len(photos) > 1:
                wrong.append(f"line {row.line}: several photos are called {row.cells['file']}")
                continue
            face = _pick(row, faces=next(iter(photos.values()), []))
        if face is None:
            wrong.append(f"line {row.line}: there is no such face in this collection")
        else:
            found.append(face)
    return found


def _pick(row: _Row, *, faces: list[Face]) -> Face | None:
    """By number, by box, or the only one."""
    number = row.cells.get("face", "")
    if number:
        return next((face for face in faces if str(face.number) == number), None)
    try:
        box = [float(row.cells[name].replace(",", ".")) for name in BOX]
    except (KeyError, ValueError):
        return faces[0] if len(faces) == 1 else None
    best = max(faces, key=lambda face: _overlap(face, box), default=None)
    return best if best is not None and _overlap(best, box) >= SAME_FACE else None


def _overlap(face: Face, box: list[float]) -> float:
    """Intersection over union."""
    x1, y1, x2, y2 = box
    width = min(face.x2, x2) - max(face.x1, x1)
    height = min(face.y2, y2) - max(face.y1, y1)
    if width <= 0 or height <= 0:
        return 0.0
    inside = width * height
    return inside / ((face.x2 - face.x1) * (face.y2 - face.y1) + (x2 - x1) * (y2 - y1) - inside)


def _keep(row: _Row, *, face: Face, collection: Collection, source: str, draw: Draw | None) -> bool:
    """Whether it is the first word of its reviewer, by the name in the file, on this face, in this draw or outside."""
    said_by = row.cells.get("reviewer", "")[:150]
    who = uuid.uuid5(collection.uid, f"{source}:{said_by}")
    standing = Review.objects.filter(face=face, draw=draw, reviewer_uid=who, source=source, is_standing=True).first()
    review = Review(
        face=face,
        draw=draw,
        reviewer_uid=who,
        said_by=said_by,
        source=source,
        was_blind=True,  # made without the model's guess
        verdict=row.verdict,
        answers=row.answers,
    )
    answering.keep_review(review, instead_of=standing)
    return standing is None


def _parts(values: set[str]) -> Iterable[list[str]]:
    listed = sorted(values)
    return (listed[start : start + 400] for start in range(0, len(listed), 400))


def _is_uid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _plain(text: str) -> str:
    words = " ".join(text.replace("_", " ").split()).casefold()
    return re.sub(r"(?<=\d)\s*(?:-|–|to)\s*(?=\d)", "-", words)
