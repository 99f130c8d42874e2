"""Which face of a collection each row of a file of labels is about."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.db.models import Q

from classifier.models import Collection, Face
from classifier.services.reviews.label_rows import Row

SAME_FACE = 0.5  # intersection over union from which on a box is the face's
BOX = ("x1", "y1", "x2", "y2")
AT_ONCE = 400  # names or uids in one question
KEYS_AT_ONCE = 2_000  # primary keys in one


def match_faces(collection: Collection, *, rows: Sequence[Row]) -> tuple[list[tuple[Row, Face]], list[str]]:
    """The rows whose face is known, with it, and what is told of the others: by uid, number, box, or the only face."""
    here = Face.objects.counted().filter(photo__collection=collection, photo__deleting_at=None).select_related("photo")
    uids = {row.face_uid for row in rows} - {""}
    by_uid = {str(face.uid): face for part in _parts(uids) for face in here.filter(uid__in=part)}
    by_file: dict[str, dict[int, list[Face]]] = defaultdict(lambda: defaultdict(list))
    for part in _parts({row.file for row in rows} - {""}):
        for known in here.filter(Q(photo__name__in=part) | Q(photo__image__in=part)):
            for name in {known.photo.name, str(known.photo.image.name)}:
                by_file[name][known.photo_id].append(known)
    found: list[tuple[Row, Face]] = []
    unknown: list[str] = []
    for row in rows:
        face: Face | None = by_uid.get(row.face_uid.lower())
        if face is None:
            photos = by_file.get(row.file, {})
            if len(photos) > 1:
                unknown.append(f"line {row.line}: several photos are called {row.file}")
                continue
            face = _pick(row, faces=next(iter(photos.values()), []))
        if face is None:
            unknown.append(tell_unknown(row))
        else:
            found.append((row, face))
    return found, unknown


def tell_unknown(row: Row) -> str:
    """What is told of a row about a face that is not here."""
    return f"line {row.line}: there is no such face in this collection"


def find_gone(pairs: Sequence[tuple[Row, Face]]) -> set[int]:
    """The primary keys of matched faces that do not count any more: their photos were deleted, or read anew."""
    matched = sorted({face.pk for _, face in pairs})
    here = Face.objects.counted().filter(photo__deleting_at=None).order_by()
    parts = (matched[start : start + KEYS_AT_ONCE] for start in range(0, len(matched), KEYS_AT_ONCE))
    return set(matched).difference(*(here.filter(pk__in=part).values_list("pk", flat=True) for part in parts))


def _pick(row: Row, *, faces: list[Face]) -> Face | None:
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


def _parts(values: set[str]) -> Iterable[list[str]]:
    listed = sorted(values)
    return (listed[start : start + AT_ONCE] for start in range(0, len(listed), AT_ONCE))
