"""What `comparing.compare` finds, as values: shares in 0..1 with 5 digits, intervals of 95 %.

None is what cannot be said. `ml.measuring.stored_comparison` writes and reads them as JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

SIDES = ("production", "candidate")
LEAST_AGREEMENT, LARGEST_LOSS = 0.995, 0.005  # for a faster way to run a checkpoint to take the exact one's place

Number = float | None
T = TypeVar("T")


@dataclass(frozen=True)
class Both(Generic[T]):
    """The same of either side."""

    production: T
    candidate: T

    def __getitem__(self, side: str) -> T:
        return {"production": self.production, "candidate": self.candidate}[side]


@dataclass(frozen=True)
class Paired:
    """Two accuracies on the same `images`.

    `difference` is candidate minus production, from `low` to `high` (Bonett and Price 2012); `production_only` and
    `candidate_only` are numbers of faces that only one side has right; `p` is McNemar's exact test's.
    """

    images: int
    production: float
    candidate: float
    difference: float
    low: float
    high: float
    production_only: int
    candidate_only: int
    p: float

    def of(self, side: str) -> float:
        """The accuracy of one side."""
        return {"production": self.production, "candidate": self.candidate}[side]


@dataclass(frozen=True)
class PairedGroup(Paired):
    """The same in one group; `p_holm` is adjusted for the number of groups (Holm 1979)."""

    group: str
    p_holm: float


@dataclass(frozen=True)
class Worst:
    """The group that a side finds least often."""

    group: str
    share: float
    images: int


@dataclass(frozen=True)
class Agreement:
    """The shares of the faces of which both sides say the same, both are right, and both are wrong."""

    same: float
    both_right: float
    both_wrong: float


@dataclass(frozen=True)
class AttributeComparison:
    """One attribute, in the finest `groups` that both sides and the labels can be told in.

    `not_compared` counts labelled faces that one side does not predict; `taxonomy` may be empty. `ece` is None of
    labels without probabilities. `by` is by every labelled attribute; by the attribute itself it compares recalls.
    """

    images: int
    not_compared: int
    groups: tuple[str, ...]
    taxonomy: str
    overall: Paired
    balanced_accuracy: Both[Number]
    ece: Both[Number]
    worst_group: Both[Worst]
    agreement: Agreement
    by: Mapping[str, tuple[PairedGroup, ...]]


@dataclass(frozen=True)
class Loss:
    """How many fewer faces of a group the candidate has right; below 0 it has more."""

    by: str
    group: str
    images: int
    faces: int

    @property
    def share(self) -> float:
        return self.faces / self.images


@dataclass(frozen=True)
class Sameness:
    """Of one attribute: the share of faces that both sides put in the same group, and the group that loses most."""

    agreement: float
    largest_loss: Loss | None

    @property
    def same(self) -> bool:
        lost = self.largest_loss.share if self.largest_loss else 0.0
        return self.agreement >= LEAST_AGREEMENT and lost <= LARGEST_LOSS


@dataclass(frozen=True)
class Side:
    """Whose predictions; `seen` says that the model was trained on these images.

    The hashes, as of a card, are empty of a CSV's.
    """

    name: str
    sha256: str = ""
    seen: bool = False
    answers_sha256: str = ""


@dataclass(frozen=True)
class ComparedFaces:
    """What both sides were shown; `left_out` counts by reason what neither was."""

    source: str
    images: int
    sha256: str
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """What `ml.compare` finds; `not_compared` says why of an attribute, `same_answers` only where it was asked."""

    production: Side
    candidate: Side
    data: ComparedFaces
    not_compared: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, AttributeComparison] = field(default_factory=dict)
    same_answers: Mapping[str, Sameness] = field(default_factory=dict)

    @property
    def sides(self) -> dict[str, Side]:
        return {"production": self.production, "candidate": self.candidate}
