"""What reviewers said of drawn faces, as numbers that estimators can use."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ml.shares.draws import Draw
from ml.shares.errors import BadReviews, NoFaces
from ml.shares.result import CANNOT_TELL
from ml.shares.schemes import LEFT_OUT, Scheme

# Answers that are no place of a class. A skipped face has been served and comes back; until then, and if nobody
# answers, it counts as "cannot tell".
CANNOT, NOT_A_FACE, NOT_ASKED, SKIPPED = -1, -2, -3, -4


@dataclass(frozen=True)
class Reviews:
    """R answers, one of one reviewer about one drawn face; corrected ones only in their last state.

    `drawn` (R,) are rows of the draw, `answers` per attribute (R,) places in `classes[attribute]` or CANNOT,
    NOT_A_FACE, NOT_ASKED or SKIPPED; `reviewer` (R,) any whole numbers; where `adjudicates` (R,) is true, the answer
    replaces those of the others.
    Raises BadReviews: `lengths_differ`, `no_such_label`, `twice` (one reviewer about one face).
    """

    drawn: np.ndarray
    classes: Mapping[str, tuple[str, ...]]
    answers: Mapping[str, np.ndarray]
    reviewer: np.ndarray
    adjudicates: np.ndarray

    def __post_init__(self) -> None:
        for column in (self.reviewer, self.adjudicates, *self.answers.values()):
            if column.shape != self.drawn.shape:
                raise BadReviews("lengths_differ", "answers, reviewers and faces are not equally many")
        for attribute, places in self.answers.items():
            count = len(self.classes.get(attribute, ()))
            if len(places) and not SKIPPED <= places.min() <= places.max() < count:
                raise BadReviews("no_such_label", f"an answer about {attribute} is none of its {count} labels")
        who = np.stack([self.drawn, self.reviewer, self.adjudicates], axis=1)
        if len(np.unique(who, axis=0)) != len(who):
            raise BadReviews("twice", "a reviewer has answered twice about one face")


@dataclass(frozen=True)
class Answers:
    """The answers about the n drawn faces in one scheme.

    `values` (n, K + 1) are means over the reviewers of 1 for the label said and 0 for the others, the last being
    "cannot tell"; `inside` (n,) their sums: the share of reviewers by whom it is a face, and of a group that the
    taxonomy has. `answered` (n,) is whether anybody answered; elsewhere both are 0. `reviewers` (n,) says how many.
    """

    scheme: str
    taxonomy: str
    labels: tuple[str, ...]
    values: np.ndarray
    inside: np.ndarray
    answered: np.ndarray
    reviewers: np.ndarray

    def __len__(self) -> int:
        return len(self.answered)

    def told(self) -> "Answers":
        """Those that name a label: "cannot tell" leaves the population. For comparisons with shares that have none."""
        values = self.values[:, :-1]
        inside = values.sum(axis=1)
        return Answers(self.scheme, self.taxonomy, self.labels[:-1], values, inside, self.answered, self.reviewers)

    def take(self, rows: np.ndarray) -> "Answers":
        """Those of the drawn faces at these positions, or where a mask is true: as `draws.remove` leaves them."""
        parts = (self.values[rows], self.inside[rows], self.answered[rows], self.reviewers[rows])
        return Answers(self.scheme, self.taxonomy, self.labels, *parts)


def gather(reviews: Reviews, *, scheme: Scheme, drawn: int) -> Answers:
    """The answers about `drawn` faces in a scheme: means of several reviewers, unless one adjudicates.

    "Cannot tell" any attribute of a crossing is "cannot tell". Raises NoFaces("no_answers") where there is none, and
    BadReviews: `no_such_face`, `no_such_attribute`.
    """
    rows = reviews.drawn
    if len(rows) and not 0 <= rows.min() <= rows.max() < drawn:
        raise BadReviews("no_such_face", "an answer is about a face that was not drawn")
    places, counts = [], []
    special = np.zeros(len(rows), dtype=np.int64)
    for part in scheme.parts:
        if part.attribute not in reviews.answers:
            raise BadReviews("no_such_attribute", f"nobody was asked about {part.attribute}")
        said = reviews.answers[part.attribute]
        if len(reviews.classes[part.attribute]) != len(part.places):
            raise BadReviews("no_such_label", f"{part.attribute} was answered in other labels than are told")
        special = np.minimum(special, np.where(said < 0, said, 0))
        places.append(np.where(said >= 0, np.array(part.places)[np.maximum(said, 0)], 0))
        counts.append(len(part.labels))
    cells = scheme.cross(places, counts=counts)
    count = len(scheme.labels)

    one_hot = np.zeros((len(rows), count + 1))
    told = (special == 0) & (cells != LEFT_OUT)
    one_hot[np.flatnonzero(told), cells[told]] = 1
    one_hot[(special == CANNOT) | (special == SKIPPED), count] = 1
    counts_here = _which_count(reviews, said=special, drawn=drawn)
    if not counts_here.any():
        raise NoFaces("no_answers", f"nobody has answered about {scheme.name} yet")
    reviewers = np.bincount(rows[counts_here], minlength=drawn)
    values = np.zeros((drawn, count + 1))
    np.add.at(values, rows[counts_here], one_hot[counts_here])
    values /= np.maximum(reviewers, 1)[:, None]
    labels = (*scheme.labels, CANNOT_TELL)
    return Answers(scheme.name, scheme.taxonomy, labels, values, values.sum(axis=1), reviewers > 0, reviewers)


def in_turn(answers: Answers, *, draw: Draw) -> np.ndarray:
    """(n,) whether a face was answered and so were all before it in its stratum: the prefix that is a random sample.

    Raises BadReviews("lengths_differ").
    """
    if len(answers) != len(draw):
        raise BadReviews("lengths_differ", f"{len(answers)} answers do not fit {len(draw)} drawn faces")
    counts = np.zeros(len(draw), dtype=bool)
    for stratum in range(len(draw.frame)):
        rows = np.flatnonzero(draw.stratum == stratum)
        counts[rows] = np.logical_and.accumulate(answers.answered[rows])
    return counts


def _which_count(reviews: Reviews, *, said: np.ndarray, drawn: int) -> np.ndarray:
    """(R,) which answers count: not those overruled, those not asked, and skips only where nobody else answered."""
    asked = said != NOT_ASKED
    ruled = np.zeros(drawn, dtype=bool)
    ruled[reviews.drawn[reviews.adjudicates & asked]] = True
    counts = asked & (reviews.adjudicates | ~ruled[reviews.drawn])
    answered = np.zeros(drawn, dtype=bool)
    answered[reviews.drawn[counts & (said != SKIPPED)]] = True
    counted: np.ndarray = counts & ((said != SKIPPED) | ~answered[reviews.drawn])
    return counted
