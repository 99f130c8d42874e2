"""Whom a reviewer looks at next: the faces of a draw in an order of each reviewer's own.

The draw's order gives the strata, turn by turn; which face of a stratum comes in a turn differs by person. So early
answers are a random sample whoever gives them, and two people at work do not answer about the same few faces.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from uuid import UUID

from django.db.models import OuterRef, Subquery

from classifier.models import Draw, DrawnFace, Face, Review, User
from classifier.services.reviews import frames

PRELOADED = 5  # faces after the one that is answered


@dataclass(frozen=True)
class Turn:
    """A drawn face in a reviewer's order: `number` from 1; `verdict` is the standing one, empty where there is none."""

    number: int
    face_id: int
    stratum: int
    batch: int
    verdict: str

    @property
    def is_open(self) -> bool:
        """Nothing was said yet, or it was taken back."""
        return self.verdict in ("", Review.Verdict.WITHDRAWN)

    @property
    def is_skipped(self) -> bool:
        """It was put off, and comes again at the end."""
        return self.verdict == Review.Verdict.SKIPPED


@dataclass(frozen=True)
class Pass:
    """One reviewer's way through a draw."""

    turns: tuple[Turn, ...]

    @property
    def size(self) -> int:
        """How many faces are drawn."""
        return len(self.turns)

    @property
    def answered(self) -> int:
        """How many of them this reviewer has answered."""
        return sum(not (turn.is_open or turn.is_skipped) for turn in self.turns)

    @property
    def skipped(self) -> int:
        """How many are put off."""
        return sum(turn.is_skipped for turn in self.turns)

    @property
    def waiting(self) -> list[Turn]:
        """What is still to be answered: first what nobody skipped, then the skipped ones again."""
        return [turn for turn in self.turns if turn.is_open] + [turn for turn in self.turns if turn.is_skipped]


def read_pass(draw: Draw, *, reviewer_uid: UUID) -> Pass:
    """A reviewer's turns, in one query. Faces whose photo was deleted, or that were found anew, are in none."""
    mine = Review.objects.filter(
        draw=draw, face=OuterRef("face_id"), reviewer_uid=reviewer_uid, is_standing=True, adjudicates=False
    )
    rows = (
        DrawnFace.objects.filter(frames.STANDS, draw=draw, face__photo__deleting_at=None)
        .order_by("place")
        .annotate(verdict=Subquery(mine.values("verdict")[:1]))
        .values_list("pk", "face_id", "stratum", "batch", "verdict", "face__retired_because")
    )
    # Of a face that was retired as none nobody is asked any more.
    found = [(*row[:4], row[4] or row[5]) for row in rows]
    shuffled = shuffle(
        ((pk, stratum, batch) for pk, _, stratum, batch, _ in found), draw=draw, reviewer_uid=reviewer_uid
    )
    by_key = {row[0]: row for row in found}
    turns = (by_key[pk] for pk in shuffled)
    return Pass(
        tuple(
            Turn(number, face_id, stratum, batch, verdict or "")
            for number, (_, face_id, stratum, batch, verdict) in enumerate(turns, start=1)
        )
    )


def shuffle(rows: Iterable[tuple[int, int, int]], *, draw: Draw, reviewer_uid: UUID) -> list[int]:
    """Keys of drawn faces (key, stratum, batch), given in the draw's order, in a reviewer's.

    Each turn keeps its stratum and batch. A face that goes leaves the order of the others as it was.
    """
    given = list(rows)
    places: dict[tuple[int, int], list[int]] = defaultdict(list)
    for key, stratum, batch in given:
        places[stratum, batch].append(key)
    salt = f"{draw.uid}:{draw.seed}:{reviewer_uid}:"
    for keys in places.values():
        keys.sort(key=lambda key: blake2b(f"{salt}{key}".encode(), digest_size=8).digest())
    turns = {of: iter(keys) for of, keys in places.items()}
    return [next(turns[stratum, batch]) for _, stratum, batch in given]


def next_faces(draw: Draw, *, reviewer: User, count: int = 1 + PRELOADED) -> tuple[Pass, list[Face]]:
    """A reviewer's pass, and the faces to look at now and next, each with its photo; none when all is answered."""
    found = read_pass(draw, reviewer_uid=reviewer.uid)
    return found, load_faces([turn.face_id for turn in found.waiting[:count]])


def load_faces(keys: Sequence[int]) -> list[Face]:
    """Faces with their photos, in this order."""
    faces = Face.objects.select_related("photo").in_bulk(keys)
    return [faces[key] for key in keys if key in faces]
