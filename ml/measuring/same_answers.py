"""Whether a faster way to run a checkpoint may take the place of the exact one: by what `comparing.compare` found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LEAST_AGREEMENT, LARGEST_LOSS = 0.995, 0.005
SMALLEST_GROUP = 200  # images: in a smaller group one face alone is more than the largest loss that is allowed


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


def check(attributes: Mapping[str, Any]) -> dict[str, Sameness]:
    """Per attribute of what `comparing.compare` returned; groups under SMALLEST_GROUP tell of no loss."""
    return {
        name: Sameness(part["agreement"]["same"], _find_largest_loss(part["by"])) for name, part in attributes.items()
    }


def _find_largest_loss(tables: Mapping[str, Any]) -> Loss | None:
    losses = [
        Loss(by, row["group"], row["images"], row["production_only"] - row["candidate_only"])
        for by, rows in tables.items()
        for row in rows
        if row["images"] >= SMALLEST_GROUP
    ]
    return max(losses, key=lambda loss: loss.share, default=None)
