import numpy as np
import pytest
from scipy.stats import norm

from ml import labels
from ml.shares import adjusted, comparing, draws, reviewed, schemes
from ml.shares.errors import BadInput, BadReference
from ml.shares.resampling import Bootstrap
from tests.ml.shares import worlds

GENDER = schemes.single("gender", classes=labels.GENDER)
RACE = schemes.single("race", classes=labels.RACE)


def adjust(places, *, known=worlds.KNOWN, seed=0, attribute="gender", scheme=GENDER, replicates=1_000):
    faces = worlds.faces_of(places, attribute=attribute)
    return adjusted.estimate_shares(faces, evidence=known, scheme=scheme, bootstrap=Bootstrap(replicates, seed))


def review(said, *, frame, seed=0):
    draw = draws.Draw(("all",), np.array([frame]), np.arange(len(said)), np.zeros(len(said), dtype=int))
    return reviewed.estimate_shares(worlds.answers_of(said, scheme=GENDER).told(), draw=draw)


def test_two_reviewed_sets_by_hand():
    """40 of 100 and 55 of 100 women: Newcombe's interval from both Wilson intervals, z from both variances."""
    first, second = review([1] * 40 + [0] * 60, frame=10**9), review([1] * 55 + [0] * 45, frame=10**9)
    found = comparing.compare_two(first, second)
    assert found.difference == pytest.approx([0.15, -0.15])
    below = np.hypot(first.share - first.low, second.high - second.share)
    assert found.low == pytest.approx(found.difference - below)
    assert found.low[1] == pytest.approx(-0.281, abs=0.002)
    assert found.high[1] == pytest.approx(-0.012, abs=0.002)
    q = np.array([40.25 / 100.5, 55.25 / 100.5])
    z = -0.15 / np.sqrt((q * (1 - q) / 100).sum())
    assert found.p == pytest.approx(2 * norm.sf(abs(z)))
    assert found.p_holm == pytest.approx(np.minimum(1, 2 * found.p))
    assert found.h[1] == pytest.approx(2 * np.arcsin(np.sqrt(0.4)) - 2 * np.arcsin(np.sqrt(0.55)))
    assert found.w == pytest.approx(np.sqrt(0.15**2 / (2 * 0.95) + 0.15**2 / (2 * 1.05)))
    assert found.p_overall == pytest.approx(found.p_holm.min())


def test_two_sets_reviewed_whole_differ_or_do_not():
    same = comparing.compare_two(review([1, 0], frame=2), review([1, 1, 0, 0], frame=4))
    other = comparing.compare_two(review([1, 0], frame=2), review([1, 1, 1, 0], frame=4))
    assert (same.p.tolist(), other.p.tolist()) == ([1, 1], [0, 0])
    assert other.low == pytest.approx(other.difference)


def test_a_shared_matrix_makes_a_difference_surer():
    """Both sets are wrong by the same matrix: its errors cancel in the difference of two like sets."""
    small = worlds.evidence_of([[90, 20], [10, 80]])
    first, second = adjust([0] * 5_000 + [1] * 5_000, known=small), adjust([0] * 5_100 + [1] * 4_900, known=small)
    found = comparing.compare_two(first, second)
    alone = np.hypot(first.half_width, second.half_width)
    assert ((found.high - found.low) / 2 < 0.6 * alone).all()
    assert (found.low < found.difference).all()
    assert (found.difference < found.high).all()


def test_the_same_set_does_not_differ_from_itself():
    shares = adjust([0] * 50 + [1] * 50)
    found = comparing.compare_two(shares, shares)
    assert found.difference.tolist() == found.low.tolist() == found.high.tolist() == [0, 0]
    assert (found.p_overall, found.w) == (1, 0)


def test_a_census_is_equal_to_its_own_shares_up_to_rounding():
    shares = review([1] * 1 + [0] * 9, frame=10)
    found = comparing.compare_reference(shares, reference={"Male": 0.9, "Female": 0.1 + 1e-17})
    assert found.p.tolist() == [1, 1]


def test_sets_far_apart_are_told_apart():
    found = comparing.compare_two(adjust([0] * 800 + [1] * 200), adjust([0] * 300 + [1] * 700))
    assert found.p_overall < 0.01
    assert found.low[0] > 0.5


def test_other_resamples_of_one_matrix_are_refused_and_two_models_are_not():
    first = adjust([0] * 50 + [1] * 50, seed=1)
    for other in (adjust([0] * 40 + [1] * 60, seed=2), adjust([0] * 40 + [1] * 60, seed=1, replicates=500)):
        with pytest.raises(BadInput) as error:
            comparing.compare_two(first, other)
        assert error.value.code == "other_matrix"
    second = adjust([0] * 40 + [1] * 60, known=worlds.evidence_of([[95, 20], [5, 80]]), seed=7)
    assert comparing.compare_two(first, second).difference.shape == (2,)


def test_reviewed_and_adjusted_sets_can_be_compared():
    found = comparing.compare_two(review([1] * 60 + [0] * 60, frame=9_000), adjust([0] * 500 + [1] * 500))
    assert found.difference == pytest.approx([0.5 - 3 / 7, 0.5 - 4 / 7])
    assert (found.low < 0).all()
    assert (found.high > 0).all()


def test_cannot_tell_on_one_side_is_refused():
    draw = draws.Draw(("all",), np.array([100]), np.arange(2), np.zeros(2, dtype=int))
    shares = reviewed.estimate_shares(worlds.answers_of([1, 0], scheme=GENDER), draw=draw)
    with pytest.raises(BadInput) as error:
        comparing.compare_two(shares, adjust([0, 1]))
    assert error.value.code == "labels_differ"


def test_reference_shares_by_hand():
    """55 of 100 women against 50 %: the score test z = 0.05 / sqrt(0.25 / n_eff); w = sqrt(2 x 0.05^2 / 0.5)."""
    shares = review([1] * 55 + [0] * 45, frame=10**9)
    found = comparing.compare_reference(shares, reference={"Male": 0.5, "Female": 0.5})
    z = 0.05 / np.sqrt(0.25 / shares.effective[1])
    assert found.p[1] == pytest.approx(2 * norm.sf(z))
    assert found.low == pytest.approx(shares.low - 0.5)
    assert found.w == pytest.approx(0.1)


@pytest.mark.parametrize("reviews", [True, False])
@pytest.mark.parametrize("reference", [0.3, 0.4, 0.45, 0.6])
def test_the_test_agrees_with_the_interval(reviews, reference):
    shares = review([1] * 45 + [0] * 55, frame=10**9) if reviews else adjust([0] * 55 + [1] * 45)
    found = comparing.compare_reference(shares, reference={"Male": 1 - reference, "Female": reference})
    for k in range(2):
        assert (found.p[k] < 0.05) == (not found.low[k] <= 0 <= found.high[k])


def test_a_reference_of_nothing():
    shares = review([1] * 10 + [0] * 90, frame=10**9)
    found = comparing.compare_reference(shares, reference={"Male": 1.0, "Female": 0.0})
    assert np.isnan(found.w)
    assert found.p[1] == 0


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ({"Male": 0.5, "Women": 0.5}, "labels_differ"),
        ({"Male": 1.0}, "labels_differ"),
        ({"Male": 0.5, "Female": 0.6}, "does_not_add_up"),
        ({"Male": 1.5, "Female": -0.5}, "does_not_add_up"),
        ({"Male": float("nan"), "Female": 0.5}, "does_not_add_up"),
    ],
)
def test_bad_references_are_refused(reference, code):
    with pytest.raises(BadReference) as error:
        comparing.compare_reference(adjust([0, 1]), reference=reference)
    assert error.value.code == code


def test_rounded_references_are_scaled():
    found = comparing.compare_reference(adjust([0] * 55 + [1] * 45), reference={"Male": 0.499, "Female": 0.499})
    assert found.second == pytest.approx([0.5, 0.5])
