import numpy as np
import pytest

from ml import labels
from ml.shares import accuracy, schemes
from ml.shares.answers import CANNOT, NOT_A_FACE
from ml.shares.draws import Draw
from ml.shares.errors import BadReviews
from tests.ml.shares import worlds

GENDER = schemes.single("gender", classes=labels.GENDER)
# 80 of 100 faces are called men: 9 of 10 reviewed are; of the 20 called women 6 of 10 are.
DRAW = Draw(("Male", "Female"), np.array([80, 20]), np.arange(20), np.repeat([0, 1], 10))
PREDICTED = np.repeat([0, 1], 10)
SAID = [0] * 9 + [1] + [1] * 6 + [0] * 4


def test_accuracy_recall_and_precision_are_weighted():
    everything, recall, precision = accuracy.estimate_accuracy(
        worlds.answers_of(SAID, scheme=GENDER), draw=DRAW, predicted=PREDICTED
    )
    assert everything.share == pytest.approx([0.8 * 0.9 + 0.2 * 0.6])
    assert precision.share == pytest.approx([0.9, 0.6])
    assert recall.share == pytest.approx([0.72 / (0.72 + 0.08), 0.12 / (0.12 + 0.08)])
    assert recall.examined.tolist() == [13, 7]
    assert (everything.low < everything.share).all()
    assert (everything.share < everything.high).all()


def test_what_reviewers_cannot_tell_is_neither_right_nor_wrong():
    said = [CANNOT, NOT_A_FACE, *SAID[2:]]
    (found, _, precision) = accuracy.estimate_accuracy(
        worlds.answers_of(said, scheme=GENDER), draw=DRAW, predicted=PREDICTED
    )
    assert precision.share[0] == pytest.approx(7 / 8)
    assert found.examined.tolist() == [18]


def test_faces_that_the_model_was_trained_on_are_left_out():
    trained = np.zeros(20, dtype=bool)
    trained[:9] = True
    _, _, precision = accuracy.estimate_accuracy(
        worlds.answers_of(SAID, scheme=GENDER), draw=DRAW, predicted=PREDICTED, trained_on=trained
    )
    assert precision.share.tolist() == [0, pytest.approx(0.6)]
    assert precision.examined.tolist() == [1, 10]


def test_a_group_nobody_is_in_has_no_accuracy():
    everything, recall, _ = accuracy.estimate_accuracy(
        worlds.answers_of([0] * 20, scheme=GENDER), draw=DRAW, predicted=PREDICTED
    )
    assert np.isnan(recall.share[1])
    assert (recall.low[1], recall.high[1], recall.bounds[1]) == (0, 1, "neither")
    assert everything.share == pytest.approx([0.8])


def test_accuracy_by_what_was_said_of_another_attribute():
    race = schemes.single("race", classes=labels.RACE)
    groups = worlds.answers_of([0] * 5 + [1] * 5 + [0] * 10, scheme=race, attribute="race")
    found = accuracy.estimate_by_group(
        worlds.answers_of(SAID, scheme=GENDER), draw=DRAW, predicted=PREDICTED, groups=groups
    )
    assert found.parts == labels.RACE
    assert found.share[:2] == pytest.approx([(0.8 * 0.5 + 0.2 * 0.6) / (0.8 * 0.5 + 0.2), 0.8])
    assert np.isnan(found.share[2:]).all()


def test_reliability_has_weighted_bins():
    confidence = np.where(np.arange(20) % 2 == 0, 0.55, 0.95)
    found = accuracy.estimate_reliability(
        worlds.answers_of(SAID, scheme=GENDER), draw=DRAW, predicted=PREDICTED, confidence=confidence
    )
    assert found.confidence[[5, 9]] == pytest.approx([0.55, 0.95])
    # At 0.55: 5 of 5 called men, 3 of 5 called women.
    assert found.accuracy.share[5] == pytest.approx(0.8 + 0.2 * 0.6)
    assert np.isnan(found.accuracy.share[:5]).all()
    assert found.accuracy.parts[5] == "50% to 60%"


def test_the_interval_holds_the_accuracy_of_all_faces():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 5_000)
    called = np.where(rng.random(5_000) < np.where(truth == 1, 0.7, 0.95), truth, 1 - truth)
    right = (truth == called).mean()
    held = 0
    for _ in range(100):
        rows = np.concatenate([rng.choice(np.flatnonzero(called == k), 60, replace=False) for k in (0, 1)])
        draw = Draw(labels.GENDER, np.bincount(called), np.arange(120), called[rows])
        said = worlds.answers_of(truth[rows], scheme=GENDER)
        found = accuracy.estimate_accuracy(said, draw=draw, predicted=called[rows])[0]
        held += found.low[0] <= right <= found.high[0]
    assert held >= 90


def test_predictions_of_other_faces_are_refused():
    with pytest.raises(BadReviews) as error:
        accuracy.estimate_accuracy(worlds.answers_of(SAID, scheme=GENDER), draw=DRAW, predicted=PREDICTED[:5])
    assert error.value.code == "lengths_differ"
