import numpy as np
import pytest
from scipy.stats import binomtest, norm

from ml.shares import intervals


@pytest.mark.parametrize(("right", "count"), [(8, 10), (0, 5), (5, 5), (1, 1), (699, 1000)])
def test_wilsons_interval_is_scipys(right, count):
    expected = binomtest(right, count).proportion_ci(method="wilson")
    found = intervals.wilson(np.array(right / count), count=np.array(count))
    assert found == (pytest.approx(expected.low, abs=1e-9), pytest.approx(expected.high, abs=1e-9))


def test_of_nothing_everything_is_possible_and_of_all_nothing_else():
    low, high = intervals.wilson(np.array([0.3, 0.3]), count=np.array([0, np.inf]))
    assert (low.tolist(), high.tolist()) == ([0, 0.3], [1, 0.3])


def test_effective_numbers_come_from_the_variance():
    share = np.array([0.2, 0.0, 0.2])
    low, high = intervals.effective_wilson(share, variance=np.array([0.2 * 0.8 / 50, 0.001, 0.0]), examined=80)
    expected = intervals.wilson(share, count=np.array([50, 80, np.inf]))
    assert (low, high) == (pytest.approx(expected[0]), pytest.approx(expected[1]))


def test_few_positives_or_negatives_leave_one_end():
    low, high = np.full(4, 0.2), np.full(4, 0.6)
    found = intervals.tell_bounds(low, high, positives=np.array([5, 4, 40, 2]), negatives=np.array([40, 40, 4, 1]))
    assert found[0].tolist() == [0.2, 0, 0.2, 0]
    assert found[1].tolist() == [0.6, 0.6, 1, 1]
    assert found[2] == ("both", "upper", "lower", "neither")


def test_p_values_are_scipys():
    z = np.array([-2.5, 0, 1.0])
    assert intervals.two_sided_p(z) == pytest.approx(2 * norm.sf(np.abs(z)))


def test_holms_adjustment_by_hand():
    assert intervals.holm(np.array([0.01, 0.04, 0.03, np.nan])) == pytest.approx(
        [0.03, 0.06, 0.06, np.nan], nan_ok=True
    )
