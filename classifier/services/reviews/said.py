"""The answers of a draw as `ml.shares` takes them. Imports numpy: import this where it is needed."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from classifier.models import CANNOT_TELL, Draw, Review
from classifier.services.reviews import arrays, frames, serving
from ml.attributes import ATTRIBUTES
from ml.shares import answers, draws
from ml.shares.answers import CANNOT, NOT_A_FACE, NOT_ASKED, SKIPPED

IN_TURN, WAITING, OUT_OF_TURN = 0, 1, 2


@dataclass(frozen=True)
class SaidOfDraw:
    """A draw with what was said of it. `face` (n,) are the drawn faces' primary keys, in the order of `draw`'s rows.

    Rows of a stratum that somebody answered in their own turn come first, then those without an answer: so the prefix
    that `ml.shares.answers.in_turn` takes is a random sample, though each reviewer has an order of their own.
    `reviewers` counts those who answered, `answered` the faces.
    """

    draw: draws.Draw
    reviews: answers.Reviews
    face: np.ndarray
    reviewers: int
    answered: int


def read_said(draw: Draw) -> SaidOfDraw:
    """The draw as it stands now, without the faces that are gone."""
    rows = list(arrays.standing_drawn(draw).order_by("place").values_list("pk", "face_id", "stratum", "batch"))
    counts = frames.count_frame(draw)
    found = [
        review
        for review in Review.objects.standing().filter(draw=draw).order_by("pk")
        if review.verdict != Review.Verdict.WITHDRAWN
    ]
    settled = set(arrays.standing_drawn(draw).exclude(face__retired_at=None).values_list("face_id", flat=True))
    ranks = _rank_rows(rows, draw=draw, reviews=found, settled=settled)
    order = sorted(range(len(rows)), key=lambda place: (ranks[rows[place][1]], place))
    face = np.array([rows[place][1] for place in order], dtype=np.int64)
    stratum = np.array([rows[place][2] for place in order], dtype=np.int64)
    frame = np.array([counts.get(place, 0) for place in range(len(draw.strata))], dtype=np.int64)
    names = arrays.name_strata(draw)
    design = draws.SIMPLE if len(names) == 1 else draws.STRATIFIED
    said = draws.Draw(names, frame, np.arange(len(face)), stratum, design)
    place_of = {int(key): place for place, key in enumerate(face)}
    kept = [review for review in found if review.face_id in place_of]
    return SaidOfDraw(
        said,
        _as_reviews(kept, place_of=place_of, attributes=draw.questions()),
        face,
        reviewers=len({review.reviewer_uid for review in kept}),
        answered=len({review.face_id for review in kept if review.verdict != Review.Verdict.SKIPPED}),
    )


def _rank_rows(
    rows: Sequence[tuple[int, int, int, int]], *, draw: Draw, reviews: Sequence[Review], settled: set[int]
) -> dict[int, int]:
    """Face -> IN_TURN where a reviewer had answered all before it in their own order of its stratum.

    Those `settled` as no faces are in nobody's way.
    """
    by_reviewer: dict[UUID, set[int]] = defaultdict(set)
    for review in reviews:
        if not review.adjudicates:
            by_reviewer[review.reviewer_uid].add(review.face_id)
    ranks = {face: WAITING for _, face, _, _ in rows}
    ranks.update({review.face_id: OUT_OF_TURN for review in reviews if review.face_id in ranks})
    ranks.update(dict.fromkeys(settled, IN_TURN))
    of_key = {key: (face, stratum) for key, face, stratum, _ in rows}
    for reviewer_uid, answered in by_reviewer.items():
        given = ((key, stratum, batch) for key, _, stratum, batch in rows)
        broken: set[int] = set()
        for key in serving.shuffle(given, draw=draw, reviewer_uid=reviewer_uid):
            face, stratum = of_key[key]
            if face in settled:
                continue
            if face not in answered:
                broken.add(stratum)
            elif stratum not in broken:
                ranks[face] = IN_TURN
    return ranks


def _as_reviews(reviews: Sequence[Review], *, place_of: dict[int, int], attributes: list[str]) -> answers.Reviews:
    people = {uid: number for number, uid in enumerate(dict.fromkeys(review.reviewer_uid for review in reviews))}
    return answers.Reviews(
        drawn=np.array([place_of[review.face_id] for review in reviews], dtype=np.int64),
        classes={name: ATTRIBUTES[name].labels for name in attributes},
        answers={name: np.array([_place(review, name) for review in reviews], dtype=np.int64) for name in attributes},
        reviewer=np.array([people[review.reviewer_uid] for review in reviews], dtype=np.int64),
        adjudicates=np.array([review.adjudicates for review in reviews], dtype=bool),
    )


def _place(review: Review, attribute: str) -> int:
    """An answer as a number: the place of the label, or what stands instead of one."""
    if review.verdict == Review.Verdict.NOT_A_FACE:
        return NOT_A_FACE
    if review.verdict == Review.Verdict.SKIPPED:
        return SKIPPED
    label = review.answers.get(attribute)
    if label is None:
        return NOT_ASKED
    return CANNOT if label == CANNOT_TELL else ATTRIBUTES[attribute].labels.index(label)
