"""Totals of photos that are gone answer what the faces would, up to the noise of resampling."""

import numpy as np
import pytest

from ml import labels
from ml.shares import adjusted, merging, schemes, totals
from ml.shares.errors import NoFaces
from ml.shares.resampling import Bootstrap
from ml.shares.totals import Totals
from tests.ml.shares.test_properties import any_evidence

TAXONOMIES = ("fairface-7", "utkface-5", "utkface-4")


def total_up(faces, *, scheme, rng, replicates=1_000) -> Totals:
    """As a worker adds them: photo by photo, each seen once and then gone."""
    found = Totals.empty(classes=scheme.solving_count, replicates=replicates)
    for photo in np.unique(faces.photo):
        counts = totals.count_classes(faces.take(faces.photo == photo), scheme=scheme)
        found = found.add(counts, weights=totals.draw_weights(rng, replicates=replicates))
    return found


def all_cells(scheme):
    return merging.part_cells(scheme.parts[0])


def schemes_of(taxonomy=None):
    return [of for of in schemes.standard_schemes(labels.ATTRIBUTES, taxonomy=taxonomy) if len(of.parts) == 1]


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(5)
    faces = any_evidence(rng).faces.take(np.arange(900))
    return any_evidence(rng), faces


@pytest.fixture(scope="module")
def added(world):
    """The totals of each scheme, which serve every taxonomy."""
    rng = np.random.default_rng(8)
    return {of.name: total_up(world[1], scheme=of, rng=rng) for of in schemes_of()}


@pytest.mark.parametrize("taxonomy", TAXONOMIES)
def test_they_tell_the_shares_of_the_faces_and_their_intervals(world, added, taxonomy):
    known, faces = world
    for scheme in schemes_of(taxonomy):
        kept = adjusted.estimate_shares(faces, evidence=known, scheme=scheme)
        again = adjusted.estimate_shares(faces, evidence=known, scheme=scheme, bootstrap=Bootstrap(seed=1))
        told = totals.estimate_shares(added[scheme.name], evidence=known, scheme=scheme, cells=all_cells(scheme))
        assert (told.labels, told.faces) == (kept.labels, kept.faces)
        assert told.share == pytest.approx(kept.share)
        # Two seeds of the ordinary bootstrap differ in as much.
        noise = max(np.abs(again.low - kept.low).max(), np.abs(again.high - kept.high).max())
        assert np.abs(np.r_[told.low - kept.low, told.high - kept.high]).max() < max(2.5 * noise, 0.006)
        assert told.half_width == pytest.approx(kept.half_width, rel=0.15, abs=0.004)


def test_faces_of_one_photo_are_no_independent_witnesses_here_either(world):
    known, faces = world
    scheme = schemes.single("gender", classes=labels.GENDER)
    alone = faces.take(np.argsort(faces.predicted["gender"], kind="stable"))
    apart, together = (
        type(faces)(photo, faces.classes, alone.predicted, alone.posteriors)
        for photo in (np.arange(900), np.arange(900) // 10)
    )
    half = [
        totals.estimate_shares(
            total_up(of, scheme=scheme, rng=np.random.default_rng(1)),
            evidence=known,
            scheme=scheme,
            cells=all_cells(scheme),
        ).replicates.std(axis=0)
        for of in (apart, together)
    ]
    assert (half[1] > 1.7 * half[0]).all()


def test_of_few_photos_faces_are_resampled_one_by_one(world):
    known, faces = world
    scheme = schemes.single("gender", classes=labels.GENDER)
    some = faces.take(np.arange(50))
    one = type(faces)(np.zeros(50, int), some.classes, some.predicted)
    kept = adjusted.estimate_shares(one, evidence=known, scheme=scheme)
    found = total_up(one, scheme=scheme, rng=np.random.default_rng(3))
    told = totals.estimate_shares(found, evidence=known, scheme=scheme, cells=all_cells(scheme))
    assert told.half_width == pytest.approx(kept.half_width, rel=0.2)


def test_nothing_can_be_told_of_nothing(world):
    scheme = schemes.single("gender", classes=labels.GENDER)
    with pytest.raises(NoFaces):
        totals.estimate_shares(Totals.empty(classes=2), evidence=world[0], scheme=scheme, cells=all_cells(scheme))
