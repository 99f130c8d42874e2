import numpy as np
import pytest

from ml import labels
from ml.shares import answers, draws, intervals, reviewed, schemes
from ml.shares.answers import CANNOT, NOT_A_FACE
from ml.shares.draws import Draw
from ml.shares.errors import BadReviews, NoFaces
from tests.ml.shares import worlds

GENDER = schemes.single("gender", classes=labels.GENDER)


def draw_of(frame, drawn):
    """The first faces of each stratum, stratum by stratum."""
    stratum = np.repeat(np.arange(len(frame)), drawn)
    return Draw(tuple("abcdef"[: len(frame)]), np.array(frame), np.arange(len(stratum)), stratum)


def test_two_strata_by_hand():
    """W = 0.8 and 0.2; 8 of 20 and 9 of 10 women."""
    draw = draw_of([800, 200], [20, 10])
    said = worlds.answers_of([1] * 8 + [0] * 12 + [1] * 9 + [0], scheme=GENDER)
    found = reviewed.estimate_shares(said, draw=draw)
    theta = 0.8 * 8 / 20 + 0.2 * 9 / 10
    first, second = 8.25 / 20.5, 9.25 / 10.5
    variance = 0.64 * first * (1 - first) / 20 * (1 - 20 / 800) + 0.04 * second * (1 - second) / 10 * (1 - 10 / 200)
    assert found.share == pytest.approx([1 - theta, theta, 0])
    assert found.variance[:2] == pytest.approx(variance)
    low, high = intervals.wilson(np.array(theta), count=np.array(theta * (1 - theta) / variance))
    assert (found.low[1], found.high[1]) == (pytest.approx(low), pytest.approx(high))
    assert found.bounds == ("both", "both", "upper")
    assert (found.reviewed, found.waiting, found.faces, found.population) == (30, 0, 1_000, 1_000)


def test_a_label_that_nobody_said_counts_all_answers():
    draw = draw_of([800, 200], [20, 10])
    found = reviewed.estimate_shares(worlds.answers_of([0] * 30, scheme=GENDER), draw=draw)
    _, high = intervals.wilson(np.array(0.0), count=np.array(30))
    assert found.share.tolist() == [1, 0, 0]
    assert (found.low[1], found.high[1], found.bounds[1]) == (0, pytest.approx(high), "upper")
    assert (found.high[0], found.bounds[0]) == (1, "lower")


@pytest.mark.parametrize("seed", range(40))
def test_a_label_that_all_faces_have_is_sure_whatever_rounding_leaves(seed):
    """Of weights that do not come out even, 1 was 0.9999999999999999, and its interval went from 0 to 1."""
    rng = np.random.default_rng(seed)
    frame, drawn = rng.integers(30, 5_000, 5), rng.integers(5, 25, 5)
    draw = draw_of(frame, drawn)
    said = np.where(rng.random(len(draw)) < 0.3, NOT_A_FACE, 1)
    said[:2] = 1
    found = reviewed.estimate_shares(worlds.answers_of(said, scheme=GENDER), draw=draw)
    low, _ = intervals.wilson(np.array(1.0), count=np.array((said == 1).sum()))
    assert found.share.tolist() == [0, 1, 0]
    assert found.low[1] == pytest.approx(low)


def test_a_stratum_reviewed_whole_adds_nothing():
    draw = draw_of([1_000, 10], [20, 10])
    said = [1] * 10 + [0] * 10
    mixed = reviewed.estimate_shares(worlds.answers_of(said + [1] * 5 + [0] * 5, scheme=GENDER), draw=draw)
    pure = reviewed.estimate_shares(worlds.answers_of(said + [1] * 10, scheme=GENDER), draw=draw)
    assert mixed.variance[1] == pytest.approx(pure.variance[1], rel=0.001)


def test_all_reviewed_has_no_width_however_rare_a_label_is():
    draw = draw_of([20, 10], [20, 10])
    found = reviewed.estimate_shares(worlds.answers_of([1] + [0] * 29, scheme=GENDER), draw=draw)
    assert found.low == pytest.approx(found.share)
    assert found.high == pytest.approx(found.share)
    assert found.bounds == ("both",) * 3
    assert found.share[1] == pytest.approx(1 / 30)


def test_not_a_face_leaves_the_population():
    """Of 100 reviewed faces 20 are none and 40 women: half of what is left, which is told as 800 of 1,000."""
    draw = draw_of([1_000], [100])
    said = worlds.answers_of([1] * 40 + [0] * 40 + [NOT_A_FACE] * 20, scheme=GENDER)
    found = reviewed.estimate_shares(said, draw=draw)
    assert found.share == pytest.approx([0.5, 0.5, 0])
    assert found.population == pytest.approx(800)
    # e = y - z / 2 is 1/2, -1/2 or 0: its variance is 0.8 / 4, smoothing leaves that as it is, and Zbar^2 is 0.64.
    assert found.variance[1] == pytest.approx(0.2 / 100 * 0.9 / 0.64)


def test_a_ratio_is_that_of_the_linearisation():
    """Against the plain formula for e = y - theta z, unsmoothed, with many answers."""
    rng = np.random.default_rng(1)
    n = [900, 600]
    draw = draw_of([9_000, 3_000], n)
    said = [
        rng.choice([0, 1, NOT_A_FACE], size=k, p=p) for k, p in zip(n, ([0.5, 0.3, 0.2], [0.1, 0.8, 0.1]), strict=True)
    ]
    y = np.concatenate(said)
    found = reviewed.estimate_shares(worlds.answers_of(y, scheme=GENDER), draw=draw)
    weight = np.array([0.75, 0.25])
    z = (y >= 0).astype(float)
    base = sum(w * z[draw.stratum == h].mean() for h, w in enumerate(weight))
    theta = sum(w * (y[draw.stratum == h] == 1).mean() for h, w in enumerate(weight)) / base
    e = (y == 1) - theta * z
    spread = [e[draw.stratum == h].var() / n[h] for h in range(2)]
    variance = 0.75**2 * spread[0] * 0.9 + 0.25**2 * spread[1] * 0.8
    assert found.share[1] == pytest.approx(theta)
    assert found.variance[1] == pytest.approx(variance / base**2, rel=0.01)


def test_a_filter_is_a_domain():
    """Inside are all of the first stratum and half of the second."""
    draw = draw_of([100, 100], [20, 20])
    said = worlds.answers_of([1] * 10 + [0] * 10 + [1] * 20, scheme=GENDER)
    inside = np.array([True] * 20 + [True, False] * 10)
    found = reviewed.estimate_shares(said, draw=draw, domain=inside)
    assert found.share[1] == pytest.approx((0.5 * 0.5 + 0.5 * 0.5) / 0.75)
    assert found.population == pytest.approx(150)
    assert found.reviewed == 30


def test_a_filter_with_nothing_inside_is_named():
    draw = draw_of([100], [4])
    said = worlds.answers_of([1, 1, 0, 0], scheme=GENDER)
    with pytest.raises(NoFaces) as error:
        reviewed.estimate_shares(said, draw=draw, domain=np.zeros(4, dtype=bool))
    assert error.value.code == "no_answers"
    with pytest.raises(BadReviews):
        reviewed.estimate_shares(said, draw=draw, domain=np.zeros(3, dtype=bool))


def test_cannot_tell_is_shown_and_told_answers_leave_it_out():
    draw = draw_of([1_000], [40])
    said = worlds.answers_of([1] * 15 + [0] * 15 + [CANNOT] * 10, scheme=GENDER)
    assert reviewed.estimate_shares(said, draw=draw).share == pytest.approx([0.375, 0.375, 0.25])
    told = reviewed.estimate_shares(said.told(), draw=draw)
    assert told.share == pytest.approx([0.5, 0.5])
    assert told.population == pytest.approx(750)


def test_all_unsure_reviewers_are_an_answer_of_their_own():
    found = reviewed.estimate_shares(worlds.answers_of([CANNOT] * 30, scheme=GENDER), draw=draw_of([500], [30]))
    assert found.share.tolist() == [0, 0, 1]


def test_one_review_of_one_face_and_one_of_many():
    one = reviewed.estimate_shares(worlds.answers_of([1], scheme=GENDER), draw=draw_of([1], [1]))
    assert (one.share.tolist(), one.low.tolist(), one.high.tolist()) == ([0, 1, 0], [0, 1, 0], [0, 1, 0])
    many = reviewed.estimate_shares(worlds.answers_of([1], scheme=GENDER), draw=draw_of([900], [1]))
    assert many.bounds[1] == "neither"
    assert (many.low[1], many.high[1]) == (0, 1)


def test_a_stratum_that_nobody_has_looked_at_is_named():
    said = answers.gather(worlds.reviews_of([1, 0]), scheme=GENDER, drawn=4)
    with pytest.raises(BadReviews, match="b") as error:
        reviewed.estimate_shares(said, draw=draw_of([100, 50], [2, 2]))
    assert error.value.code == "stratum_unanswered"


def test_a_stratum_without_faces_is_no_matter():
    draw = Draw(("a", "empty"), np.array([100, 0]), np.arange(4), np.zeros(4, dtype=int))
    assert reviewed.estimate_shares(worlds.answers_of([1, 1, 0, 0], scheme=GENDER), draw=draw).share[1] == 0.5


def test_an_interim_estimate_uses_the_answers_in_turn():
    draw = draw_of([100], [10])
    said = answers.gather(worlds.reviews_of([1, 0, 1, 0, -3, 1, 1]), scheme=GENDER, drawn=10)
    found = reviewed.estimate_shares(said, draw=draw)
    assert (found.share[1], found.reviewed, found.waiting) == (0.5, 4, 2)


def test_enlarged_draws_add_up_and_later_faces_are_strata_of_their_own():
    rng = np.random.default_rng(4)
    truth = (rng.random(900) < np.repeat([0.2, 0.8], [600, 300])).astype(int)
    stratum = np.repeat([0, 1], [600, 300])
    draw = draws.draw_stratified(stratum, strata=("a", "b"), size=60, seed=1)
    larger = draws.enlarge(draw, stratum, size=540, seed=2)
    whole = draws.enlarge(larger, stratum, size=300, seed=3)
    found = reviewed.estimate_shares(worlds.answers_of(truth[whole.face], scheme=GENDER), draw=whole)
    assert found.share[1] == pytest.approx(truth.mean())
    assert found.half_width == pytest.approx(0, abs=1e-12)

    later = draws.draw_stratified(
        np.append(np.full(900, -1), np.zeros(100, dtype=int)), strata=("c",), size=100, seed=4
    )
    everything = draws.extend(whole, later)
    answers_ = worlds.answers_of(np.append(truth, np.ones(100, dtype=int))[everything.face], scheme=GENDER)
    assert reviewed.estimate_shares(answers_, draw=everything).share[1] == pytest.approx((truth.sum() + 100) / 1_000)


def test_other_attributes_use_the_same_draw():
    """A draw by race tells gender: strata need not be the labels that are told."""
    draw = draw_of([500, 300, 200], [10, 10, 10])
    found = reviewed.estimate_shares(worlds.answers_of([1] * 10 + [0] * 20, scheme=GENDER), draw=draw)
    assert found.share[1] == pytest.approx(0.5)
