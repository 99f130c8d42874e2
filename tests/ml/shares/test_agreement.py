"""Against published examples."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from ml import labels
from ml.shares import agreement, schemes
from ml.shares.answers import CANNOT, NOT_A_FACE, SKIPPED, Reviews
from ml.shares.errors import NoFaces

# Krippendorff (2011), section C: four observers, twelve units, missing data.
FOUR_OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
        [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
    ]
).T
FOUR_OBSERVERS = np.where(FOUR_OBSERVERS == 0, agreement.NO_RATING, FOUR_OBSERVERS)


def two_by_two(a, b, c, d):
    """Ratings of two people: both yes, only the first, only the second, neither."""
    return np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], [a, b, c, d], axis=0)


def test_krippendorffs_alpha_of_his_example():
    assert agreement.measure_agreement(FOUR_OBSERVERS).alpha == pytest.approx(0.743, abs=0.0005)


def test_gwets_ac1_of_the_same_example():
    """0.77544, raw 0.81818, as the author's package irrCAC tells of its cac.raw4raters."""
    found = agreement.measure_agreement(FOUR_OBSERVERS)
    assert found.ac1 == pytest.approx(0.77544, abs=0.00001)
    assert found.raw == pytest.approx(0.81818, abs=0.00001)
    assert (found.faces, found.reviewers) == (11, 4)


def test_the_paradox_of_kappa():
    """Gwet (2002): 118, 5, 2 and 0 of 125; kappa -0.0234, AC1 0.9408 at 94 % agreement."""
    found = agreement.measure_agreement(two_by_two(118, 5, 2, 0))
    assert found.raw == pytest.approx(0.944)
    assert found.kappa == pytest.approx(-0.0234, abs=0.0001)
    assert found.ac1 == pytest.approx(0.9408, abs=0.0001)


def test_cohens_kappa_by_hand():
    """20, 5, 10 and 15 of 50: (0.7 - 0.5) / (1 - 0.5)."""
    assert agreement.measure_agreement(two_by_two(20, 5, 10, 15)).kappa == pytest.approx(0.4)


def test_kappa_is_scikit_learns_and_that_of_three_the_mean_of_pairs():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 4, 80)
    ratings = np.stack([np.where(rng.random(80) < 0.7, truth, rng.integers(0, 4, 80)) for _ in range(3)], axis=1)
    pairs = [cohen_kappa_score(ratings[:, a], ratings[:, b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert agreement.measure_agreement(ratings).kappa == pytest.approx(np.mean(pairs))


def test_full_agreement_is_one_and_one_label_has_no_kappa():
    found = agreement.measure_agreement(two_by_two(10, 0, 0, 10))
    assert (found.raw, found.kappa, found.ac1, found.alpha) == (1, 1, 1, 1)
    found = agreement.measure_agreement(two_by_two(10, 0, 0, 0))
    assert (found.raw, found.ac1) == (1, 1)
    assert np.isnan([found.kappa, found.alpha]).all()


def test_no_face_seen_twice_is_named():
    with pytest.raises(NoFaces) as error:
        agreement.measure_agreement(np.array([[1, -1], [-1, 0]]))
    assert error.value.code == "no_pairs"


def test_ratings_come_from_reviews_without_adjudications_and_skips():
    scheme = schemes.single("gender", classes=labels.GENDER)
    reviews = Reviews(
        drawn=np.array([0, 0, 0, 1, 1, 2]),
        classes={"gender": labels.GENDER},
        answers={"gender": np.array([0, 1, 1, CANNOT, NOT_A_FACE, SKIPPED])},
        reviewer=np.array([7, 9, 11, 7, 9, 7]),
        adjudicates=np.array([False, False, True, False, False, False]),
    )
    assert agreement.rate_faces(reviews, scheme=scheme, drawn=3).tolist() == [[0, 1, -1], [2, 3, -1], [-1, -1, -1]]
