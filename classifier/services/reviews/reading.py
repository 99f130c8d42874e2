"""What people said of a collection, as a report takes it. Imports numpy: import this where it is needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from classifier.models import Collection, Draw, FrameFace, Review
from classifier.services.reviews import frames, missing, said, training
from ml.attributes import ATTRIBUTES
from ml.shares import draws, schemes
from ml.surveying.reviewing import Reviewed, ReviewedDraw

# Part of a report's faces that the frame of a draw must hold for its shares to be told of them; photos that came later
# take away from it. Of a draw out of another part of the collection it is far less.
LEAST_COVERED = 0.8


@dataclass(frozen=True)
class Choice:
    """The draw whose answers a report rests on, None where there is none that could; `reason` says why others do not.

    Without any answer there is nothing to explain: the reason is empty.
    """

    draw: Draw | None
    uncovered: int = 0
    reason: str = ""


def read_reviewed(
    collection: Collection,
    *,
    faces: np.ndarray,
    chosen: Mapping[str, Any] | None = None,
    taxonomy: str = "",
    choice: Choice | None = None,
    model_card: Mapping[str, Any] | None = None,
) -> Reviewed:
    """What people said of some faces of a collection: `faces` (N,) are primary keys, in the order of the survey.

    The faces may be all or those in a filter `chosen`, which is then a domain of the draw; `taxonomy` is the grouping
    of its labels, empty: the collection's. `choice` None takes the draw with the most answers that covers them.
    `model_card` names the reviews that the model was trained on. Without any draw that could serve, `faces` of the
    answer is None; `choose_draw` says why.
    """
    choice = choice or choose_draw(collection, faces=faces)
    told = None
    if choice.draw is not None:
        told = _read_draw(choice.draw, faces=faces, uncovered=choice.uncovered, card=model_card or {})
    return Reviewed(faces=told, missed=_read_missed(collection, chosen=chosen, taxonomy=taxonomy))


def choose_draw(collection: Collection, *, faces: np.ndarray) -> Choice:
    """The draw of faces with the most answered ones whose frame covers these."""
    found = Draw.objects.filter(collection=collection, kind=Draw.Kind.FACES, ended="")
    reason = ""
    for candidate in _most_answered_first(list(found)):
        covered = np.isin(faces, _frame_keys(candidate))
        if len(faces) and covered.mean() >= LEAST_COVERED:
            return Choice(candidate, int((~covered).sum()))
        reason = (
            f"The draw of {candidate.created_at:%d %B %Y} covers {int(covered.sum()):,} of {len(faces):,} faces: "
            "extend it to photos that came later, or begin one of this selection."
        )
    return Choice(None, reason=reason)


def _most_answered_first(found: list[Draw]) -> list[Draw]:
    told = Review.objects.told().filter(draw__in=found).order_by()
    counts: dict[int, set[int]] = {}
    for draw_id, face_id in told.values_list("draw_id", "face_id"):
        counts.setdefault(draw_id, set()).add(face_id)
    answered = [draw for draw in found if draw.pk in counts]
    return sorted(answered, key=lambda draw: (-len(counts[draw.pk]), -draw.pk))


def _frame_keys(draw: Draw) -> np.ndarray:
    return np.fromiter(FrameFace.objects.filter(draw=draw).values_list("face_id", flat=True).iterator(), dtype=np.int64)


def _read_draw(draw: Draw, *, faces: np.ndarray, uncovered: int, card: Mapping[str, Any]) -> ReviewedDraw | None:
    found = said.read_said(draw)
    if not found.answered:
        return None
    order = np.argsort(faces, kind="stable")
    places = np.searchsorted(faces, found.face, sorter=order)
    here = order[np.minimum(places, len(faces) - 1)]
    positions = np.where(faces[here] == found.face, here, draws.OUTSIDE)
    attribute = draw.strata_attribute
    return ReviewedDraw(
        draw=draws.Draw(found.draw.strata, found.draw.frame, positions, found.draw.stratum, found.draw.design),
        strata=schemes.single(attribute, classes=ATTRIBUTES[attribute].labels),
        reviews=found.reviews,
        reviewers=found.reviewers,
        answered=found.answered,
        trained_on=training.find_trained_on(found.face, card=card),
        uncovered=uncovered,
        name=f"draw {str(draw.uid)[:8]}",
        codebook=f"version {draw.codebook.version}",
    )


def _read_missed(collection: Collection, *, chosen: Mapping[str, Any] | None, taxonomy: str) -> Any:
    """By the newest draw of photos of just this selection that anybody has looked at."""
    taxonomy = taxonomy or collection.taxonomy
    for draw in Draw.objects.filter(collection=collection, kind=Draw.Kind.PHOTOS, ended=""):
        is_asked_for = frames.selects_same(draw.filter, chosen=chosen, taxonomy=taxonomy)
        if is_asked_for and (found := missing.estimate_missed(draw)) is not None:
            return found
    return None
