"""Labels that are told together where too few faces have one, so that nobody finds the small number by subtracting.

A cell under LEAST faces is never told by itself. It is summed with at least one more cell to at least LEAST faces, and
everything else (shares, intervals, coarser taxonomies) is computed from such sums alone: what is told holds no more
than they do. So whoever knows every told number of a table and its total can only bound a small cell, never find it
(the primary and complementary suppression of official statistics; Hundepool et al. 2012, ch. 4). Attributes are told
alone: of a crossing, whose rows and columns are told as well, more would have to be hidden than is left to tell.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ml.shares.schemes import LEFT_OUT, Part

LEAST = 10  # faces of a told cell; under it a number may point at somebody
TWICE_LEAST = 2 * LEAST
OTHERS = "all others"


@dataclass(frozen=True)
class Partition:
    """How the classes of a matrix are summed to G cells, and these to the K labels that are told.

    `solve` (S, G) and `tell` (G, K) are of 0 and 1; a cell that a taxonomy leaves out has no label.
    """

    labels: tuple[str, ...]
    solve: np.ndarray
    tell: np.ndarray

    def fold_shares(self, shares: np.ndarray) -> np.ndarray:
        """Shares (..., G) of the cells as shares (..., K) of the labels, scaled to 1; all left out becomes even."""
        summed = shares @ self.tell
        total = summed.sum(axis=-1, keepdims=True)
        scaled: np.ndarray = np.where(total > 0, summed / np.where(total > 0, total, 1), 1 / self.tell.shape[1])
        return scaled


def merge_small(counts: np.ndarray, *, hidden: Collection[int] = ()) -> frozenset[int] | None:
    """Which classes of counts (S,) are told together: empty where none has to be, None where nothing can be told.

    `hidden` are those that the telling before this one, of smaller counts, did not tell by themselves. They stay so
    under TWICE_LEAST faces: the difference of two tellings bounds what one was before by as much as it grew since.
    """
    found = {int(place) for place in np.flatnonzero(counts < LEAST)}
    found |= {place for place in hidden if counts[place] < TWICE_LEAST}
    others = [place for place in range(len(counts)) if place not in found]
    others.sort(key=lambda place: (place not in hidden, counts[place], place))
    while found and (len(found) < 2 or counts[sorted(found)].sum() < LEAST):
        if not others:
            return None
        found.add(others.pop(0))
    return frozenset(found) if len(found) < len(counts) else None


def part_cells(part: Part, *, together: Collection[int] = frozenset()) -> Partition:
    """The cells of one attribute, and the labels of its taxonomy that they make.

    Labels of which a class is told together with one of another label are told together too.
    """
    places = tuple(range(len(part.labels))) if part.solved_in_groups else part.places
    alone = [place for place in range(len(places)) if place not in together]
    cells = [*((place,) for place in alone), *([tuple(sorted(together))] if together else [])]
    solve = np.array([[float(place in cell) for cell in cells] for place in range(len(places))])
    touched = {places[place] for place in together}
    joined = touched if len(touched) > 1 else set()
    kept = [k for k in range(len(part.labels)) if k not in joined]
    column = {k: number for number, k in enumerate(kept)} | dict.fromkeys(joined - {LEFT_OUT}, len(kept))
    tell = np.zeros((len(cells), len(kept) + bool(joined)))
    for row, cell in enumerate(cells):
        of = {places[place] for place in cell} - {LEFT_OUT}
        if of:
            tell[row, column[min(of)]] = 1.0
    labels = (*(part.labels[k] for k in kept), *((OTHERS,) if joined else ()))
    return Partition(labels, solve, tell)
