"""Labels that are told together where too few faces have one, so that nobody finds the small number by subtracting.

A cell under LEAST faces is never told by itself. It is summed with at least one more cell to at least LEAST faces, and
everything else (shares, intervals, coarser taxonomies) is computed from such sums alone: what is told holds no more
than they do. So whoever knows every told number of a table and its total can only bound a small cell, never find it
(the primary and complementary suppression of official statistics; Hundepool et al. 2012, ch. 4).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from ml.shares.schemes import LEFT_OUT, Part

LEAST = 10  # faces of a told cell; under it a number may point at somebody
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


@dataclass(frozen=True)
class Together:
    """The classes, or rows of a crossing, that a telling sums to one cell: `places`, None where nothing can be told.

    `since` are the counts of the last telling at which some of them was small: as long as they have not grown by LEAST
    faces, telling them apart would say by the difference what that telling did not.
    """

    places: frozenset[int] | None
    since: np.ndarray

    @property
    def hidden(self) -> frozenset[int]:
        """Those of which no number was told by itself: all where nothing was told, none before the first telling."""
        return frozenset(range(len(self.since))) if self.places is None else self.places


NOTHING = Together(None, np.zeros(0))


def merge_small(counts: np.ndarray, *, before: Together = NOTHING) -> Together:
    """Which classes of counts (S,) are told together, after what was told together of the same, smaller counts."""
    small = {int(place) for place in np.flatnonzero(counts < LEAST)}
    held, hidden = frozenset[int](), before.hidden
    if hidden and (counts - before.since)[sorted(hidden)].sum() < LEAST:
        held = hidden
    places = _complete(small | held, sizes=counts, enough=lambda of: bool(counts[of].sum() >= LEAST), first=hidden)
    return Together(places, counts if small else before.since)


def merge_rows(cells: np.ndarray, *, rows: Collection[int], before: Together = NOTHING) -> Together:
    """Which rows of a crossing (R, C) are told together, as in `merge_small`, beside the tables of both attributes.

    A row is told only whole. `rows` are those that the rows' own table tells together: they stay so. Each column of
    what is told together comes to LEAST faces, since column totals less the told rows tell it.
    """
    small = {int(row) for row in np.flatnonzero((cells < LEAST).any(axis=1))} | set(rows)
    held, hidden = set[int](), before.hidden
    if hidden:
        grown = cells - before.since
        if (grown[sorted(hidden)].sum(axis=0) < LEAST).any():
            held = set(hidden)
        else:  # a row's own table tells its total, so it must have grown by itself
            held = {row for row in hidden if grown[row].sum() < LEAST}
    places = _complete(
        small | held,
        sizes=cells.sum(axis=1),
        enough=lambda of: bool((cells[of].sum(axis=0) >= LEAST).all()),
        first=hidden,
    )
    return Together(places, cells if small else before.since)


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


def cross_cells(first: Partition, second: Partition) -> Partition:
    """The cells of two attributes crossed, the second one's changing fastest."""
    labels = tuple(f"{one}, {other}" for one in first.labels for other in second.labels)
    return Partition(labels, np.kron(first.solve, second.solve), np.kron(first.tell, second.tell))


def _complete(
    together: set[int] | frozenset[int],
    *,
    sizes: np.ndarray,
    enough: Callable[[list[int]], bool],
    first: Collection[int],
) -> frozenset[int] | None:
    """With as many more as it takes until their sum may be told: two at least; those of `first`, then the smallest."""
    found = set(together)
    others = [place for place in range(len(sizes)) if place not in found]
    others.sort(key=lambda place: (place not in first, sizes[place], place))
    while found and (len(found) < 2 or not enough(sorted(found))):
        if not others:
            return None
        found.add(others.pop(0))
    return frozenset(found) if len(found) < len(sizes) else None
