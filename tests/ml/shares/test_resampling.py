import numpy as np
import pytest

from ml.shares import resampling
from ml.shares.errors import NoEvidence
from ml.shares.resampling import Bootstrap


def test_rows_are_summed_within_photos():
    photo, columns = np.array([7, 3, 7, -2]), np.array([[1.0, 2], [10, 20], [100, 200], [5, 5]])
    assert resampling.sum_by_photo(photo, columns).tolist() == [[5, 5], [10, 20], [101, 202]]
    assert resampling.count_by_photo(photo, np.array([0, 1, 1, -1]), count=2).tolist() == [[0, 0], [0, 1], [1, 1]]


def test_equal_photos_drawn_together_vary_as_photos_drawn_alone():
    """400 photos, of which each weighs Poisson(1): totals have the mean and the variance of a sum of squares."""
    columns = np.repeat([[1.0, 0.0], [2.0, 3.0]], 200, axis=0)
    totals = resampling.resample_totals(columns, bootstrap=Bootstrap(20_000), rng=np.random.default_rng(1))
    assert totals.mean(axis=0) == pytest.approx(columns.sum(axis=0), rel=0.01)
    assert totals.var(axis=0) == pytest.approx((columns**2).sum(axis=0), rel=0.05)
    covariance = np.cov(totals.T)[0, 1]
    assert covariance == pytest.approx((columns[:, 0] * columns[:, 1]).sum(), rel=0.05)


def test_faces_of_one_photo_come_together():
    """Ten faces in one photo vary ten times as much as ten faces in ten."""
    together = resampling.resample_totals(
        np.full((1, 1), 10), bootstrap=Bootstrap(20_000), rng=np.random.default_rng(1)
    )
    apart = resampling.resample_totals(np.ones((10, 1)), bootstrap=Bootstrap(20_000), rng=np.random.default_rng(2))
    assert together.var() / apart.var() == pytest.approx(10, rel=0.06)


def test_a_resample_without_a_group_is_drawn_again():
    columns, groups = np.eye(2), np.eye(2)
    totals = resampling.redraw_totals(columns, bootstrap=Bootstrap(500), rng=np.random.default_rng(3), groups=groups)
    assert totals.min() >= 1


def test_hopeless_resampling_is_given_up():
    """Sixty classes of one face each: all are in a resample once in 10^12 times."""
    with pytest.raises(NoEvidence) as error:
        resampling.redraw_totals(np.eye(60), bootstrap=Bootstrap(2), rng=np.random.default_rng(3), groups=np.eye(60))
    assert error.value.code == "too_few_faces"


def test_quantiles_are_those_of_a_poisson():
    weights = resampling._QUANTILES
    assert weights.mean() == pytest.approx(1, abs=1e-4)
    assert weights.var() == pytest.approx(1, abs=2e-3)
    assert np.mean(weights == 0) == pytest.approx(np.exp(-1), abs=2e-5)


def test_many_different_photos_take_parts():
    columns = np.random.default_rng(4).random((10_000, 3))
    totals = resampling.resample_totals(columns, bootstrap=Bootstrap(1_000), rng=np.random.default_rng(5))
    assert totals.mean(axis=0) == pytest.approx(columns.sum(axis=0), rel=0.002)


def test_an_interval_holds_its_estimate():
    low, high = resampling.percentile_interval(np.linspace(0, 1, 101)[:, None], np.array([0.99]))
    assert (low[0], high[0]) == (pytest.approx(0.025), pytest.approx(0.99))
