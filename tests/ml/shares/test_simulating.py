"""Small simulations with a fixed seed: what intervals keep where the model errs as known, and where it does not."""

from dataclasses import replace

import numpy as np
import pytest

from ml import labels
from ml.shares import schemes
from ml.simulating import runs, scenarios
from ml.simulating.worlds import World
from tests.ml.shares import worlds

RUNS = 60
RACE = schemes.single("race", classes=labels.RACE)
KNOWN = worlds.race_evidence()
WOMEN = KNOWN.take(KNOWN.actual["gender"] == 1)


def darken(evidence):
    """Faces so dark that six in ten of all others are called White, and half of the White ones something else."""
    rng = np.random.default_rng(9)
    before = evidence.faces.predicted["race"]
    said = np.where(rng.random(len(before)) < 0.6, 0, before)
    measures = dict(evidence.faces.measures) | {"brightness": np.full(len(before), 0.05)}
    return replace(
        evidence, faces=replace(evidence.faces, predicted={**evidence.faces.predicted, "race": said}, measures=measures)
    )


def simulate(name, shares, *, collection=KNOWN, holds=True, size=2_000):
    world = World(name, RACE, shares, size, collection, KNOWN, holds)
    return {tally.method: tally for tally in runs.simulate(world, runs=RUNS, seed=1)}


@pytest.fixture(scope="module")
def whole():
    return {
        name: simulate(name, shares)
        for name, shares in (("70", scenarios.SEVENTY), ("even", scenarios.EVEN), ("94", scenarios.NINETY_FOUR))
    }


@pytest.fixture(scope="module")
def broken():
    return {
        "women": simulate("women", scenarios.SEVENTY, collection=WOMEN, holds=False),
        "dark": simulate("dark", scenarios.SEVENTY, collection=darken(KNOWN), holds=False),
    }


def test_corrected_shares_are_covered_where_the_matrix_holds(whole):
    assert np.mean([tallies[runs.ADJUSTED].coverage for tallies in whole.values()]) >= 0.88
    assert all(tallies[runs.ADJUSTED].coverage.min() >= 0.8 for tallies in whole.values())


def test_counted_labels_are_not_covered(whole):
    assert whole["70"][runs.COUNTED].coverage.mean() < 0.4
    assert whole["70"][runs.COUNTED].variation > 3 * whole["70"][runs.ADJUSTED].variation


@pytest.mark.parametrize("size", runs.REVIEWS)
@pytest.mark.parametrize("way", [runs.STRATIFIED, runs.SIMPLE])
def test_reviewed_shares_are_covered_everywhere(whole, broken, way, size):
    for tallies in (*whole.values(), *broken.values()):
        found = tallies[f"{way}, {size}"]
        assert found.coverage.mean() >= 0.88
        assert found.coverage.min() >= 0.8


def test_stratified_reviews_are_no_wider_than_they_must_be(whole):
    for tallies in (whole["70"], whole["even"]):
        found = tallies[f"{runs.STRATIFIED}, 300"]
        assert np.nanmean(found.width) <= 1.3 * np.nanmean(found.design)


def test_where_the_model_errs_otherwise_the_correction_fails_and_says_so(whole, broken):
    for tallies in broken.values():
        assert tallies[runs.ADJUSTED].coverage.mean() < 0.8
        assert tallies[runs.ADJUSTED].warned == 1
    assert all(tallies[runs.ADJUSTED].warned == 0 for tallies in whole.values())


def test_the_same_seed_brings_the_same_table():
    world = World("again", RACE, scenarios.SEVENTY, 300, KNOWN, KNOWN, True)
    first, again = (runs.simulate(world, runs=2, seed=3, replicates=50) for _ in range(2))
    assert [tally.coverage.tolist() for tally in first] == [tally.coverage.tolist() for tally in again]
    assert [tally.variation for tally in first] == [tally.variation for tally in again]
