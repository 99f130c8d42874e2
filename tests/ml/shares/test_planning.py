import numpy as np
import pytest

from ml import labels
from ml.shares import draws, planning, reviewed, schemes
from tests.ml.shares import worlds

GENDER = schemes.single("gender", classes=labels.GENDER)


def test_a_plan_after_some_reviews_is_what_comes_true():
    rng = np.random.default_rng(1)
    stratum = np.repeat([0, 1], [6_000, 4_000])
    truth = (rng.random(10_000) < np.where(stratum == 0, 0.2, 0.85)).astype(int)
    draw = draws.draw_stratified(stratum, strata=labels.GENDER, size=150, seed=1)
    plans = planning.plan_more(worlds.answers_of(truth[draw.face], scheme=GENDER), draw=draw, sizes=(300, 20_000))
    assert [plan.reviews for plan in plans] == [300]
    larger = draws.enlarge(draw, stratum, size=300, seed=2)
    found = reviewed.estimate_shares(worlds.answers_of(truth[larger.face], scheme=GENDER), draw=larger)
    assert plans[0].half_width[:2] == pytest.approx(found.half_width[:2], rel=0.15)
    assert plans[0].widest == plans[0].half_width.max()


def test_a_plan_before_any_review_is_what_comes_true():
    """900 of 1,000 men and 800 of 1,000 women are called what they are."""
    rng = np.random.default_rng(2)
    truth = (rng.random(10_000) < 0.4).astype(int)
    called = np.where(rng.random(10_000) < np.where(truth == 1, 0.8, 0.9), truth, 1 - truth)
    plans = planning.plan_first(worlds.faces_of(called), evidence=worlds.KNOWN, scheme=GENDER)
    assert [plan.reviews for plan in plans] == [100, 300, 1_000]
    for plan in plans:
        draw = draws.draw_stratified(called, strata=labels.GENDER, size=plan.reviews, seed=3)
        found = reviewed.estimate_shares(worlds.answers_of(truth[draw.face], scheme=GENDER), draw=draw)
        assert plan.half_width == pytest.approx(found.half_width[:2], rel=0.25)
    assert plans[0].widest > 1.5 * plans[1].widest > 2 * plans[2].widest


def test_sizes_that_cannot_be_drawn_are_left_out():
    assert planning.plan_first(worlds.faces_of([0, 1] * 20), evidence=worlds.KNOWN, scheme=GENDER, sizes=(1, 41)) == ()
    whole = planning.plan_first(worlds.faces_of([0, 1] * 20), evidence=worlds.KNOWN, scheme=GENDER, sizes=(40,))
    assert whole[0].widest == pytest.approx(0)
