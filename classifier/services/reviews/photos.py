"""Draws of photos: which one comes next, and the marks of faces that were not found in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import OuterRef, Q, Subquery

from classifier.models import Collection, Draw, DrawnPhoto, Photo, PhotoReview, User
from classifier.services import audit
from classifier.services.reviews.answering import LONGEST_COMMENT, clean_seconds
from classifier.services.reviews.refusals import AnsweredMeanwhile, BadAnswer, NotDrawn, NothingToTakeBack

MOST_MARKS = 500  # more faces nobody marks one by one
SAID, PUT_OFF, OPEN = "said", "put off", "open"


@dataclass(frozen=True)
class PhotoTurn:
    """A drawn photo in the draw's order, which is everybody's: SAID, PUT_OFF or OPEN for one reviewer."""

    drawn_id: int
    photo_id: int
    number: int
    state: str


@dataclass(frozen=True)
class PhotoPass:
    """One reviewer's way through a draw of photos."""

    turns: tuple[PhotoTurn, ...]

    @property
    def size(self) -> int:
        """How many photos were drawn."""
        return len(self.turns)

    @property
    def answered(self) -> int:
        """How many of them this reviewer has looked through."""
        return sum(turn.state == SAID for turn in self.turns)

    @property
    def waiting(self) -> list[PhotoTurn]:
        """First what was never put off, then what was."""
        return [turn for turn in self.turns if turn.state == OPEN] + [
            turn for turn in self.turns if turn.state == PUT_OFF
        ]


def read_pass(draw: Draw, *, reviewer_uid: UUID) -> PhotoPass:
    """A reviewer's photos; those that were deleted are in none."""
    mine = PhotoReview.objects.filter(drawn_photo=OuterRef("pk"), reviewer_uid=reviewer_uid, is_standing=True)
    rows = (
        DrawnPhoto.objects.filter(draw=draw, photo__deleting_at=None)
        .order_by("place")
        .annotate(put_off=Subquery(mine.values("is_skip")[:1]))
        .values_list("pk", "photo_id", "put_off")
    )
    states = {None: OPEN, True: PUT_OFF, False: SAID}
    return PhotoPass(
        tuple(PhotoTurn(pk, photo, number, states[put_off]) for number, (pk, photo, put_off) in enumerate(rows, 1))
    )


def next_photos(draw: Draw, *, reviewer: User, count: int = 3) -> tuple[PhotoPass, list[Photo]]:
    """A reviewer's pass, and the photos to look at now and next, each with the faces that were found."""
    found = read_pass(draw, reviewer_uid=reviewer.uid)
    keys = [turn.photo_id for turn in found.waiting[:count]]
    photos = Photo.objects.with_faces().in_bulk(keys)
    return found, [photos[key] for key in keys if key in photos]


def mark_photo(
    draw: Draw,
    *,
    photo: Photo,
    reviewer: User,
    marks: Sequence[Sequence[float]],
    comment: str = "",
    seconds: float | None = None,
    client_key: str = "",
    replaces: str | UUID | None = None,
) -> PhotoReview:
    """Keep where a reviewer sees faces that no box marks: [x, y] as fractions of width and height; none is an answer.

    An earlier answer is replaced where `replaces` names it. Raises NotDrawn, BadAnswer, AnsweredMeanwhile.
    """
    said = PhotoReview(
        reviewer=reviewer,
        reviewer_uid=reviewer.uid,
        marks=clean_marks(marks),
        comment=comment.strip()[:LONGEST_COMMENT],
        seconds=clean_seconds(seconds),
        client_key=client_key,
    )
    return _keep(draw, photo=photo, said=said, replaces=replaces)


def skip_photo(draw: Draw, *, photo: Photo, reviewer: User, client_key: str = "") -> PhotoReview:
    """Put a photo off. Raises NotDrawn, AnsweredMeanwhile."""
    said = PhotoReview(reviewer=reviewer, reviewer_uid=reviewer.uid, is_skip=True, client_key=client_key)
    return _keep(draw, photo=photo, said=said, replaces=None)


def take_back(draw: Draw, *, reviewer: User, photo: Photo | None = None) -> PhotoReview:
    """Undo a reviewer's last answer, so that its photo comes next again; what was taken back. Raises NothingToTakeBack.

    A photo that was taken back and not answered again is passed over: called again it goes back further. With `photo`
    it is the last answer about that photo.
    """
    with transaction.atomic():
        Collection.objects.hold_attributes(draw.collection_id)
        mine = PhotoReview.objects.filter(drawn_photo__draw=draw, reviewer_uid=reviewer.uid, is_standing=True)
        if photo is not None:
            mine = mine.filter(drawn_photo__photo=photo)
        last = mine.filter(is_skip=False, drawn_photo__photo__deleting_at=None).order_by("-id").first()
        if last is None:
            raise NothingToTakeBack
        # An answer that is gone, not one put off: the photo comes next, before those that nobody has seen.
        PhotoReview.objects.filter(pk=last.pk).update(is_standing=False)
        Collection.objects.filter(pk=draw.collection_id).note_answers()
        _record("photo review taken back", draw, actor=reviewer, review=str(last.uid))
    return last


def clean_marks(marks: Sequence[Sequence[float]]) -> list[list[float]]:
    """Points inside of the photo, to four digits. Raises BadAnswer("bad_marks")."""
    sentence = f"Marks are up to {MOST_MARKS} points [x, y], each number from 0 to 1."
    if len(marks) > MOST_MARKS:
        raise BadAnswer("bad_marks", sentence)
    found = []
    for mark in marks:
        try:
            x, y = (float(value) for value in mark)
        except (TypeError, ValueError, OverflowError):
            raise BadAnswer("bad_marks", sentence) from None
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise BadAnswer("bad_marks", sentence)
        found.append([round(x, 4), round(y, 4)])
    return found


def _keep(draw: Draw, *, photo: Photo, said: PhotoReview, replaces: str | UUID | None) -> PhotoReview:
    with transaction.atomic():
        Collection.objects.hold_attributes(draw.collection_id)
        drawn = DrawnPhoto.objects.filter(draw=draw, photo=photo, photo__deleting_at=None).first()
        if drawn is None:
            raise NotDrawn("This photo is not in the draw any more: it was deleted.")
        here = Q(drawn_photo=drawn, is_standing=True)
        key = said.client_key
        mine = list(
            PhotoReview.objects.filter(here | Q(client_key=key) if key else here, reviewer_uid=said.reviewer_uid)
        )
        if before := next((row for row in mine if key and row.client_key == key), None):
            return before
        standing = next((row for row in mine if row.is_standing and row.drawn_photo_id == drawn.pk), None)
        stands = str(standing.uid) if standing and not standing.is_skip else None
        if standing and stands and not said.is_skip and standing.marks == said.marks and replaces is None:
            return standing
        if stands != (None if replaces is None else str(replaces)):
            raise AnsweredMeanwhile(standing=stands)
        said.drawn_photo, said.replaces = drawn, standing
        try:
            with transaction.atomic():
                if standing:
                    PhotoReview.objects.filter(pk=standing.pk).update(is_standing=False)
                said.save(force_insert=True)
        except IntegrityError:
            raise AnsweredMeanwhile from None
        Collection.objects.filter(pk=draw.collection_id).note_answers()
        if stands:
            _record("photo review corrected", draw, actor=said.reviewer, review=str(said.uid))
    return said


def _record(action: str, draw: Draw, *, actor: User | None, **details: str) -> None:
    audit.record(action, actor=actor, target=f"draw {draw.uid}", details=details)
