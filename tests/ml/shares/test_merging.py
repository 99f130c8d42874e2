"""Whoever subtracts what is told from what is told finds no small number: an attacker with a linear programme tries."""

import numpy as np
import pytest
from scipy.optimize import linprog

from ml import labels
from ml.shares import merging, schemes
from ml.shares.merging import LEAST, NOTHING, merge_rows, merge_small

RACES, GENDERS = len(labels.RACE), len(labels.GENDER)
GENDER = schemes.single("gender", classes=labels.GENDER).parts[0]


def race_part(taxonomy=None):
    return schemes.single("race", classes=labels.RACE, taxonomy=taxonomy).parts[0]


def tell(cells, *, before=(NOTHING, NOTHING, NOTHING)):
    """The told sums of a race x gender table as (mask over its 14 cells, sum), and what was told together."""
    race, gender = cells.sum(axis=1), cells.sum(axis=0)
    by_race, by_gender = merge_small(race, before=before[0]), merge_small(gender, before=before[1])
    crossed = merge_rows(cells, rows=range(RACES) if by_race.places is None else by_race.places, before=before[2])
    told = [(np.ones(cells.size), cells.sum())]
    of_race, of_gender = np.repeat(np.eye(RACES), GENDERS, axis=1), np.tile(np.eye(GENDERS), RACES)
    if by_race.places is not None:
        for taxonomy in labels.TAXONOMIES:
            found = merging.part_cells(race_part(taxonomy), together=by_race.places)
            told += [(mask @ of_race, mask @ race) for mask in (found.solve @ found.tell).T]
    if by_gender.places is not None:
        found = merging.part_cells(GENDER, together=by_gender.places)
        told += [(mask @ of_gender, mask @ gender) for mask in (found.solve @ found.tell).T]
    if crossed.places is not None:
        rows = merging.part_cells(race_part(), together=crossed.places)
        found = merging.cross_cells(rows, merging.part_cells(GENDER))
        told += [(mask, mask @ cells.ravel()) for mask in (found.solve @ found.tell).T]
    return told, (by_race, by_gender, crossed)


def bounds_of(aim, told, *, size):
    """The least and the most that a sum of cells can be, all told sums being as they are and no cell under 0."""
    masks, sums = np.array([mask for mask, _ in told]), np.array([total for _, total in told], float)
    ends = [linprog(sign * aim, A_eq=masks, b_eq=sums, bounds=[(0, None)] * size).fun for sign in (1, -1)]
    return ends[0], -ends[1]


def any_table(rng):
    """Some labels many, some few, some none."""
    rate = rng.choice([0, 2, 8, 15, 60, 400], size=(RACES, GENDERS), p=[0.15, 0.2, 0.2, 0.15, 0.2, 0.1])
    return rng.poisson(rate)


@pytest.mark.parametrize("seed", range(4))
def test_no_small_cell_can_be_told_to_within_ten_faces(seed):
    rng = np.random.default_rng(seed)
    tried = 0
    for _ in range(12):
        cells = any_table(rng)
        told, _ = tell(cells)
        assert all(total == 0 or total >= LEAST for _, total in told[1:])
        race = np.repeat(np.eye(RACES), GENDERS, axis=1)
        gender = np.tile(np.eye(GENDERS), RACES)
        aims = [*np.eye(cells.size), *race, *gender]
        for aim in [aim for aim in aims if aim @ cells.ravel() < LEAST]:
            low, high = bounds_of(aim, told, size=cells.size)
            assert high - low >= LEAST - 1e-6
            tried += 1
    assert tried > 50


@pytest.mark.parametrize("seed", range(3))
def test_nor_from_all_tellings_of_a_growing_collection(seed):
    """Counts only grow: the cells of each telling are unknown, and so is the growth between them."""
    rng = np.random.default_rng(100 + seed)
    for _ in range(4):
        rates = rng.choice([0, 0.3, 1, 5], size=(RACES, GENDERS))
        tellings, told, before = [any_table(rng)], [], (NOTHING, NOTHING, NOTHING)
        while len(tellings) < 3:
            grown = tellings[-1] + rng.poisson(rates)
            tellings += [grown] if grown.sum() - tellings[-1].sum() >= LEAST else []
            rates = rates + 0.05
        size = RACES * GENDERS
        for number, cells in enumerate(tellings):
            seen, before = tell(cells, before=before)
            grown = (np.arange(len(tellings)) <= number).astype(float)
            told += [(np.kron(grown, mask), total) for mask, total in seen]
        for number, cells in enumerate(tellings):
            grown = (np.arange(len(tellings)) <= number).astype(float)
            for place in np.flatnonzero(cells.ravel() < LEAST):
                aim = np.kron(grown, np.eye(size)[place])
                low, high = bounds_of(aim, told, size=size * len(tellings))
                assert high - low >= LEAST - 1e-6


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
    assert merge_small(np.array(counts)).places == together


def test_what_was_told_together_stays_so_until_it_grew_by_ten():
    """Else two tellings, whose counts only grow, would bound the small one by their difference."""
    first = merge_small(np.array([12, 13, 9]))
    assert first.places == {0, 2}
    second = merge_small(np.array([25, 13, 9]), before=first)
    assert second.places == {0, 2}, "not the smallest by now, but what was told together"
    third = merge_small(np.array([25, 13, 10]), before=second)
    assert third.places == {0, 2}, "one face more than when it was small"
    assert merge_small(np.array([30, 13, 13]), before=third).places == {0, 2}
    assert merge_small(np.array([30, 13, 14]), before=third).places == set()


def test_rows_of_a_crossing_are_told_whole_and_no_column_of_the_others_is_small():
    cells = np.array([[50, 60], [40, 3], [30, 30], [20, 90]])
    assert merge_rows(cells, rows=()).places == {1, 2}
    assert merge_rows(cells, rows={0, 1}).places == {0, 1}
    assert merge_rows(np.array([[50, 3], [60, 4]]), rows=()).places is None


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
