"""How many faces a precision takes, before anybody has answered. Imports numpy: import this where it is needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Avg, Count

from classifier.models import Collection, Guess
from classifier.models.faces import SMALL_FACE_PX
from classifier.services.reviews import frames
from ml.shares import draws, intervals, reviewed
from ml.shares.errors import BadDraw as NotAllocated

POINTS = (10, 5, 3, 2)  # half widths that are offered
FEW = 2_000  # so many can be answered all


@dataclass(frozen=True)
class Size:
    """A draw of `size` faces, whose widest interval would reach about `half_width` (0..1) to both sides."""

    size: int
    half_width: float
    is_all: bool = False


@dataclass(frozen=True)
class Guessed:
    """Of each stratum its faces (H,), and the mean of the guesses' probabilities (H,), which are calibrated."""

    frame: np.ndarray
    sureness: np.ndarray

    @property
    def faces(self) -> int:
        """How many there are to draw from."""
        return int(self.frame.sum())


def count_guesses(
    collection: Collection,
    *,
    attribute: str,
    chosen: Mapping[str, Any] | None = None,
    narrowest_px: float = SMALL_FACE_PX,
) -> Guessed:
    """The strata that a draw would have now. Raises BadDraw("unknown_filter")."""
    faces = frames.select_faces(collection, narrowest_px=narrowest_px, chosen=chosen)
    told = Guess.objects.filter(attribute=attribute, face__in=faces).order_by().values_list("label")
    found = {label: (count, sure) for label, count, sure in told.annotate(Count("pk"), Avg("probability"))}
    counts, sureness = [], []
    for of in frames.strata_of(attribute).values():
        rows = [found[label] for label in of if label in found]
        counts.append(sum(count for count, _ in rows))
        sureness.append(sum(count * sure for count, sure in rows) / counts[-1] if counts[-1] else 1.0)
    return Guessed(np.array(counts, dtype=np.int64), np.array(sureness))


def plan_sizes(guessed: Guessed) -> list[Size]:
    """Draws worth their time, the smallest first, if the model's probabilities hold here; none without faces."""
    if not guessed.faces:
        return []
    sizes = {min(reviewed.HEADLINE_FROM, guessed.faces)}
    sizes |= {
        size for points in POINTS if (size := find_size(guessed, half_width=points / 100)) > reviewed.HEADLINE_FROM
    }
    if guessed.faces <= FEW:
        sizes.add(guessed.faces)
    told = [(size, measure_width(guessed, size=size)) for size in sorted(sizes)]
    return [Size(size, width, is_all=size == guessed.faces) for size, width in told if width is not None]


def find_size(guessed: Guessed, *, half_width: float) -> int:
    """The smallest draw whose intervals reach no further; 0 where it is not worth fewer than all faces."""
    low, high = 1, guessed.faces - 1
    if high < 1 or not _reaches(guessed, size=high, half_width=half_width):
        return 0
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _reaches(guessed, size=middle, half_width=half_width) else (middle + 1, high)
    return low


def measure_width(guessed: Guessed, *, size: int) -> float | None:
    """The widest half interval (0..1) of a draw of this size; None where it cannot be drawn.

    In a stratum people are taken to say its label as often as the guesses are sure, and the others by their shares.
    """
    try:
        drawn = draws.allocate(guessed.frame, size=size).astype(float)
    except NotAllocated:
        return None
    frame = guessed.frame.astype(float)
    weight = frame / frame.sum()
    others = np.clip(1 - weight, 1e-9, None)
    q = (1 - guessed.sureness)[:, None] * weight[None, :] / others[:, None]
    np.fill_diagonal(q, guessed.sureness)
    variance = reviewed.combine_variance(q * (1 - q), examined=drawn, frame=frame)
    low, high = intervals.effective_wilson(weight @ q, variance=variance, examined=float(size))
    return float(((high - low) / 2).max())


def _reaches(guessed: Guessed, *, size: int, half_width: float) -> bool:
    width = measure_width(guessed, size=size)
    return width is not None and width <= half_width
