"""Reviews as the CSV that `ml.train`, `ml.evaluate`, `ml.calibrate` and `ml.report` read."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from classifier.models import CANNOT_TELL, Collection, Draw, Face, PhotoReview, Review
from classifier.services.reviews import frames
from ml.attributes import ATTRIBUTES
from ml.spreadsheets import guard_cell

CHIP = ("chip_cx", "chip_cy", "chip_side", "chip_angle")
BOX = ("x1", "y1", "x2", "y2")
PLACE = ("order", "draw", "strata", "stratum", "stratum_faces", "inclusion_probability")
REVIEWED = tuple(f"reviewed_{name}" for name in ATTRIBUTES)
COLUMNS = (
    *("file", "path", "face", "face_uid"), *BOX, *CHIP, *PLACE, *REVIEWED,
    *("reviewer", "adjudicates", "was_blind", "comment", "at"),
)  # fmt: skip

OF_PHOTOS = (
    *("file", "path", "photo_uid", "order", "draw", "photos", "inclusion_probability", "faces_found"),
    *("faces_missed", "marks", "reviewer", "comment", "at"),
)  # fmt: skip


def write_draw(draw: Draw) -> Iterator[str]:
    """A draw of faces, line by line: a row for each answer, and one for each face that nobody has answered about.

    `file` is the photo's name, as in the CSV of faces, which has the same `face_uid`; `path` is where the photo lies
    under the site's media folder. Probabilities are those of the draw as it stands.
    """
    counts = frames.count_frame(draw)
    rows = list(
        draw.drawn_faces.filter(frames.STANDS, face__photo__deleting_at=None)
        .select_related("face__photo")
        .order_by("place")
    )
    drawn = Counter(row.stratum for row in rows)
    said: dict[int, list[Review]] = defaultdict(list)
    for review in Review.objects.told().filter(draw=draw).select_related("reviewer").order_by("pk"):
        said[review.face_id].append(review)
    yield _line(COLUMNS)
    for row in rows:
        place = {
            "order": row.place,
            "draw": f"draw-{str(draw.uid)[:12]}",
            "strata": draw.strata_attribute,
            "stratum": row.stratum + 1,
            "stratum_faces": counts[row.stratum],
            "inclusion_probability": f"{drawn[row.stratum] / counts[row.stratum]:.8g}",
        }
        answers: list[Review | None] = [*said.get(row.face_id, ())] or [None]
        for answer in answers:
            yield _row(row.face, review=answer, place=place)


def write_photo_draw(draw: Draw) -> Iterator[str]:
    """A draw of photos, line by line: a row for each answer, and one for each photo that nobody has answered about.

    `faces_found` are the faces as wide as the draw asks for, `faces_missed` those that the reviewer marked, and `marks`
    their places, x and y from 0 to 1 of the photo's width and height. Of `photos` so many were drawn.
    """
    drawn = list(draw.drawn_photos.filter(photo__deleting_at=None).select_related("photo").order_by("place"))
    found = frames.count_faces([row.photo_id for row in drawn], narrowest_px=draw.narrowest_px)
    said: dict[int, list[PhotoReview]] = defaultdict(list)
    reviews = PhotoReview.objects.filter(drawn_photo__draw=draw, is_standing=True, is_skip=False)
    for review in reviews.select_related("reviewer").order_by("pk"):
        said[review.drawn_photo_id].append(review)
    yield _line(OF_PHOTOS)
    for row in drawn:
        place = {
            "file": guard_cell(row.photo.name),
            "path": row.photo.image.name,
            "photo_uid": row.photo.uid,
            "order": row.place,
            "draw": f"draw-{str(draw.uid)[:12]}",
            "photos": draw.frame_photos,
            "inclusion_probability": f"{draw.size / draw.frame_photos:.8g}",
            "faces_found": found.get(row.photo_id, 0),
        }
        answers: list[PhotoReview | None] = [*said.get(row.pk, ())] or [None]
        for answer in answers:
            cells = place | (_tell_marks(answer) if answer else {})
            yield _line([cells.get(name, "") for name in OF_PHOTOS])


def _tell_marks(review: PhotoReview) -> dict[str, Any]:
    return {
        "faces_missed": len(review.marks),
        "marks": "; ".join(f"{x:g} {y:g}" for x, y in review.marks),
        "reviewer": guard_cell(review.reviewer.get_username() if review.reviewer else "a former reviewer"),
        "comment": guard_cell(review.comment),
        "at": review.at.isoformat(timespec="seconds"),
    }


def write_reviews(collection: Collection) -> Iterator[str]:
    """All that was said of a collection's faces, in draws or not, for training: no row tells a probability."""
    yield from write_rows(Review.objects.told().filter(face__photo__collection=collection))


def write_rows(reviews: QuerySet[Review]) -> Iterator[str]:
    """These reviews, without any probability."""
    yield _line(COLUMNS)
    reviews = reviews.filter(face__photo__deleting_at=None)
    for review in reviews.select_related("face__photo", "reviewer").order_by("pk").iterator(chunk_size=500):
        yield _row(review.face, review=review, place={})


def _row(face: Face, *, review: Review | None, place: dict[str, Any]) -> str:
    cells: dict[str, Any] = {
        "file": guard_cell(face.photo.name),
        "path": face.photo.image.name,
        "face": face.number,
        "face_uid": face.uid,
        **{name: f"{getattr(face, name):.2f}" for name in (*BOX, *CHIP)},
        **place,
    }
    if review is not None:
        cells |= {
            **{f"reviewed_{name}": _word(review, name) for name in ATTRIBUTES},
            "reviewer": guard_cell(review.tell_reviewer()),
            "adjudicates": "yes" if review.adjudicates else "",
            "was_blind": "yes" if review.was_blind else "no",
            "comment": guard_cell(review.comment),
            "at": review.at.isoformat(timespec="seconds"),
        }
    return _line([cells.get(name, "") for name in COLUMNS])


def _word(review: Review, attribute: str) -> str:
    if review.verdict == Review.Verdict.NOT_A_FACE:
        return "not a face"
    label: str = review.answers.get(attribute, "")
    return "cannot tell" if label == CANNOT_TELL else label


def _line(cells: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
