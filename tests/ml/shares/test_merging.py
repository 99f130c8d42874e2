"""Whoever subtracts what is told from what is told finds no small number: an attacker with a linear programme tries."""

import numpy as np
import pytest
from scipy.optimize import linprog

from ml import labels
from ml.shares import merging, schemes
from ml.shares.merging import LEAST, merge_small

RACES = len(labels.RACE)


def race_part(taxonomy=None):
    return schemes.single("race", classes=labels.RACE, taxonomy=taxonomy).parts[0]


def tell(counts, *, before=()):
    """The told sums of the seven groups, in all their taxonomies, as (mask, sum); and what was told together."""
    together = merge_small(counts, hidden=range(RACES) if before is None else before)
    told = [(np.ones(RACES), counts.sum())]
    for taxonomy in labels.TAXONOMIES if together is not None else ():
        found = merging.part_cells(race_part(taxonomy), together=together)
        told += [(mask, mask @ counts) for mask in (found.solve @ found.tell).T]
    return told, together


def bounds_of(aim, told, *, size):
    """The least and the most that a sum of cells can be, all told sums being as they are and no cell under 0."""
    masks, sums = np.array([mask for mask, _ in told]), np.array([total for _, total in told], float)
    ends = [linprog(sign * aim, A_eq=masks, b_eq=sums, bounds=[(0, None)] * size).fun for sign in (1, -1)]
    return ends[0], -ends[1]


def any_counts(rng):
    """Some labels many, some few, some none."""
    return rng.poisson(rng.choice([0, 2, 8, 15, 60, 400], size=RACES))


def test_no_small_number_can_be_told_to_within_ten_faces():
    rng, tried = np.random.default_rng(3), 0
    for _ in range(60):
        counts = any_counts(rng)
        told, _ = tell(counts)
        assert all(total >= LEAST for _, total in told[1:])
        for place in np.flatnonzero(counts < LEAST):
            low, high = bounds_of(np.eye(RACES)[place], told, size=RACES)
            assert high - low >= min(LEAST, counts.sum())
            tried += 1
    assert tried > 100


def test_nor_from_all_tellings_of_a_growing_collection():
    """Counts only grow: those of each telling are unknown, and so is the growth between them."""
    rng, tried = np.random.default_rng(4), 0
    for tellings in (2, 4, 6) * 6:
        rates = rng.choice([0, 0.3, 2, 8], size=RACES) + 0.2
        counts, told, together = [any_counts(rng)], [], ()
        while len(counts) < tellings:
            grown = counts[-1] + rng.poisson(rates)
            counts += [grown] if grown.sum() - counts[-1].sum() >= LEAST else []
            rates = rates + 0.1
        until = np.tril(np.ones((tellings, tellings)))
        for seen, here in zip(until, counts, strict=True):
            sums, together = tell(here, before=together)
            told += [(np.kron(seen, mask), total) for mask, total in sums]
        for seen, here in zip(until, counts, strict=True):
            for place in np.flatnonzero(here < LEAST):
                low, high = bounds_of(np.kron(seen, np.eye(RACES)[place]), told, size=RACES * tellings)
                assert high - low >= min(LEAST, here.sum())
                tried += 1
    assert tried > 100


@pytest.mark.parametrize(
    ("counts", "together"),
    [
        ([100, 50, 30], set()),
        ([100, 3, 30], {1, 2}),  # not alone: the smallest of the others goes with it
        ([100, 3, 4], None),  # 7 faces are too few, and of all three nothing is left to tell
        ([100, 50, 3, 8], {2, 3}),
        ([100, 50, 3, 4], {1, 2, 3}),
        ([100, 0], None),
    ],
)
def test_what_is_told_together(counts, together):
    assert merge_small(np.array(counts)) == together


def test_what_was_told_together_stays_so_until_it_grew_by_ten():
    """Else two tellings, whose counts only grow, would bound the small one by their difference."""
    first = merge_small(np.array([12, 13, 9]))
    assert first == {0, 2}
    assert merge_small(np.array([25, 13, 9]), hidden=first) == {0, 2}, "what was told together, not the smallest now"
    assert merge_small(np.array([25, 13, 10]), hidden=first) == {0, 2}
    assert merge_small(np.array([25, 13, 20]), hidden=first) == set()
    assert merge_small(np.array([25, 13, 9, 14]), hidden=range(4)) == {1, 2, 3}, "before, nothing was told"


def test_coarser_labels_are_sums_of_what_is_told():
    """Southeast Asian and Indian together: so are Asian and Indian, and what is left out stays left out."""
    asian, indian = labels.RACE.index("Southeast Asian"), labels.RACE.index("Indian")
    found = merging.part_cells(race_part("utkface-4"), together={asian, indian})
    assert found.labels == ("White", "Black", merging.OTHERS)
    counts = np.arange(1, 8) * 10
    of = dict(zip(labels.RACE, counts, strict=True))
    told = counts @ found.solve @ found.tell
    assert told.tolist() == [of["White"], of["Black"], of["East Asian"] + of["Southeast Asian"] + of["Indian"]]
    assert found.fold_shares(counts @ found.solve / counts.sum()).sum() == pytest.approx(1)
