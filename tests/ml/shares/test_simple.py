import numpy as np
import pytest

from ml import labels
from ml.shares import draws, intervals, schemes, simple
from ml.shares.answers import NOT_A_FACE
from ml.shares.errors import BadDraw, BadReviews
from tests.ml.shares import worlds

GENDER = schemes.single("gender", classes=labels.GENDER)


def test_predictions_that_say_nothing_leave_the_mean_of_the_answers():
    draw = draws.draw_simple(1_000, size=40, seed=1)
    said = worlds.answers_of([1] * 10 + [0] * 30, scheme=GENDER)
    found = simple.estimate_shares(said, draw=draw, predicted=np.zeros(1_000, dtype=int))
    assert found.share == pytest.approx([0.75, 0.25, 0])
    # Smoothed: 10.5 of 41 women, on the 40 faces that were seen of 1,000.
    share = 10.5 / 41
    assert found.variance[1] == pytest.approx(share * (1 - share) / 40 * 0.96)


def test_the_formula_by_hand():
    """Eight reviewed of 100 of which 60 are called women: lambda = cov / var = (3/8 - 4/8 * 4/8) / (1/4) = 1/2."""
    draw = draws.draw_simple(100, size=8, seed=1)
    predicted = np.ones(100, dtype=int)
    predicted[draw.face] = [1, 1, 1, 1, 0, 0, 0, 0]
    predicted[np.setdiff1d(np.arange(100), draw.face)[:36]] = 0
    said = worlds.answers_of([1, 1, 1, 0, 0, 0, 0, 1], scheme=GENDER)
    found = simple.estimate_shares(said, draw=draw, predicted=predicted)
    assert predicted.mean() == pytest.approx(0.6)
    assert found.share[1] == pytest.approx(0.5 + 0.5 * (0.6 - 0.5))


def test_perfect_predictions_bring_nearly_what_all_faces_would():
    rng = np.random.default_rng(2)
    truth = (rng.random(5_000) < 0.3).astype(int)
    draw = draws.draw_simple(5_000, size=200, seed=3)
    found = simple.estimate_shares(worlds.answers_of(truth[draw.face], scheme=GENDER), draw=draw, predicted=truth)
    assert found.share[1] == pytest.approx(truth.mean())
    plain = np.diff(intervals.wilson(np.array(truth.mean()), count=np.array(200)))
    assert 0 < found.high[1] - found.low[1] < 0.3 * plain


def test_all_reviewed_has_no_width():
    truth = np.array([0, 1, 1, 0, 1, 0, 0])
    draw = draws.draw_simple(7, size=7, seed=1)
    said = worlds.answers_of(truth[draw.face], scheme=GENDER)
    found = simple.estimate_shares(said, draw=draw, predicted=np.zeros(7, dtype=int))
    assert found.share[1] == pytest.approx(3 / 7)
    assert found.low == pytest.approx(found.high)


def test_not_a_face_and_filters_leave_the_population():
    draw = draws.draw_simple(200, size=200, seed=1)
    truth = np.repeat([0, 1, NOT_A_FACE], [100, 60, 40])
    said = worlds.answers_of(truth[draw.face], scheme=GENDER)
    found = simple.estimate_shares(said, draw=draw, predicted=np.zeros(200, dtype=int))
    assert (found.share[1], found.population) == (pytest.approx(60 / 160), pytest.approx(160))
    some = np.arange(200) >= 80
    inside = simple.estimate_shares(said, draw=draw, predicted=np.zeros(200, dtype=int), domain=some)
    assert (inside.share[1], inside.faces, inside.population) == (pytest.approx(60 / 80), 120, pytest.approx(80))


def test_one_review_tells_nothing_and_fails_at_nothing():
    draw = draws.draw_simple(500, size=1, seed=1)
    found = simple.estimate_shares(worlds.answers_of([1], scheme=GENDER), draw=draw, predicted=np.zeros(500, dtype=int))
    assert found.share[1] == 1
    assert found.bounds[1] == "neither"


def test_shares_stay_on_the_simplex():
    draw = draws.draw_simple(1_000, size=10, seed=1)
    predicted = np.zeros(1_000, dtype=int)
    predicted[draw.face[:5]] = 1  # nearly all of those called women were drawn
    said = worlds.answers_of([1] * 5 + [0] * 5, scheme=GENDER)
    found = simple.estimate_shares(said, draw=draw, predicted=predicted)
    assert found.share.min() >= 0
    assert found.share.sum() == pytest.approx(1)


def test_a_stratified_draw_is_refused_and_so_are_too_few_predictions():
    stratified = draws.draw_stratified(np.zeros(50, dtype=int), strata=("a",), size=10, seed=1)
    said = worlds.answers_of([1] * 10, scheme=GENDER)
    with pytest.raises(BadDraw) as error:
        simple.estimate_shares(said, draw=stratified, predicted=np.zeros(50, dtype=int))
    assert error.value.code == "not_simple"
    with pytest.raises(BadReviews):
        simple.estimate_shares(said, draw=draws.draw_simple(50, size=10, seed=1), predicted=np.zeros(49, dtype=int))
