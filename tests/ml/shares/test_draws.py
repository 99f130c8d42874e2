import numpy as np
import pytest

from ml.shares import draws
from ml.shares.draws import Draw
from ml.shares.errors import BadDraw

STRATUM = np.repeat([0, 1, 2, 3, -1], [700, 200, 99, 1, 10])
NAMES = ("White", "Black", "Indian", "Latino_Hispanic")


def test_half_goes_by_size_and_half_evenly():
    assert draws.allocate(np.array([800, 200]), size=100).tolist() == [65, 35]
    assert draws.allocate(np.array([700, 200, 100, 0]), size=100).tolist() == [52, 27, 21, 0]


def test_every_stratum_gets_two_and_none_more_than_it_has():
    assert draws.allocate(np.array([9_990, 5, 4, 1]), size=7).tolist() == [2, 2, 2, 1]
    assert draws.allocate(np.array([9_990, 5, 4, 1]), size=100).tolist() == [90, 5, 4, 1]


@pytest.mark.parametrize("seed", range(30))
def test_any_allocation_adds_up_within_its_limits(seed):
    rng = np.random.default_rng(seed)
    frame = rng.integers(0, 500, size=rng.integers(1, 12)) * rng.integers(0, 2)
    frame[0] += 30
    size = int(rng.integers(2 * len(frame), frame.sum() + 1)) if frame.sum() >= 2 * len(frame) else int(frame.sum())
    found = draws.allocate(frame, size=size)
    assert found.sum() == size
    assert (found <= frame).all()
    assert (found >= np.minimum(frame, 2)).all()
    first = draws.allocate(frame, size=size)
    left = int((frame - first).sum())
    if left:
        more = draws.allocate(frame, size=min(7, left), taken=first)
        assert more.sum() == min(7, left)
        assert (more >= 0).all()
        assert (first + more <= frame).all()


@pytest.mark.parametrize(
    ("frame", "size", "code"),
    [([0, 0], 2, "empty"), ([5, 5], 11, "too_large"), ([5, 5], 3, "too_small"), ([5, 5], 0, "too_small")],
)
def test_what_cannot_be_allocated_is_named(frame, size, code):
    with pytest.raises(BadDraw) as error:
        draws.allocate(np.array(frame), size=size)
    assert error.value.code == code


def test_a_draw_is_without_replacement_and_knows_its_probabilities():
    draw = draws.draw_stratified(STRATUM, strata=NAMES, size=100, seed=1)
    assert draw.frame.tolist() == [700, 200, 99, 1]
    assert len(np.unique(draw.face)) == 100
    assert (STRATUM[draw.face] == draw.stratum).all()
    assert draw.probability == pytest.approx((draw.drawn / draw.frame)[draw.stratum])
    assert draw.probability[draw.stratum == 3] == pytest.approx([1])


def test_each_face_of_a_stratum_is_as_likely_as_another():
    """Drawn 1,000 times: no face of a stratum strays far from its inclusion probability."""
    stratum = np.repeat([0, 1], [20, 5])
    seen = np.zeros(25)
    for seed in range(1_000):
        seen[draws.draw_stratified(stratum, strata=("a", "b"), size=8, seed=seed).face] += 1
    draw = draws.draw_stratified(stratum, strata=("a", "b"), size=8, seed=0)
    expected = (draw.drawn / draw.frame)[stratum]
    spread = np.sqrt(expected * (1 - expected) / 1_000)
    assert (np.abs(seen / 1_000 - expected) < 4 * spread).all()


def test_the_order_within_a_stratum_is_random_and_all_strata_come_early():
    firsts = [draws.draw_stratified(STRATUM, strata=NAMES, size=100, seed=seed) for seed in range(200)]
    assert all(set(draw.stratum[:4]) == {0, 1, 2, 3} for draw in firsts)
    of_white = [draw.face[draw.stratum == 0] for draw in firsts]
    assert np.mean([faces[0] < faces[1] for faces in of_white]) == pytest.approx(0.5, abs=0.12)
    half = np.mean([(draw.stratum[:50] == 1).sum() for draw in firsts])
    assert half == pytest.approx(firsts[0].drawn[1] / 2, abs=1.5)


def test_the_same_seed_draws_the_same_faces():
    first, again, other = (draws.draw_stratified(STRATUM, strata=NAMES, size=50, seed=seed).face for seed in (1, 1, 2))
    assert (first == again).all()
    assert not np.array_equal(first, other)


def test_an_enlarged_draw_adds_undrawn_faces_and_their_numbers_add_up():
    draw = draws.draw_stratified(STRATUM, strata=NAMES, size=60, seed=1)
    larger = draws.enlarge(draw, STRATUM, size=40, seed=1)
    assert (larger.face[:60] == draw.face).all()
    assert len(np.unique(larger.face)) == 100
    assert larger.drawn.tolist() == draws.allocate(draw.frame, size=100).tolist()


def test_a_simple_draw_can_be_enlarged():
    draw = draws.draw_simple(50, size=10, seed=3)
    larger = draws.enlarge(draw, np.zeros(50, dtype=int), size=40, seed=3)
    assert sorted(larger.face) == list(range(50))
    assert larger.probability == pytest.approx(1)


def test_a_frame_that_changed_is_not_drawn_from_again():
    draw = draws.draw_stratified(STRATUM, strata=NAMES, size=60, seed=1)
    with pytest.raises(BadDraw) as error:
        draws.enlarge(draw, STRATUM[:-30], size=10, seed=1)
    assert error.value.code == "does_not_fit"


def test_later_faces_are_strata_of_their_own():
    draw = draws.draw_stratified(STRATUM, strata=NAMES, size=60, seed=1)
    everybody = np.concatenate([np.full(len(STRATUM), -1), np.repeat([0, 1], [30, 10])])
    later = draws.draw_stratified(everybody, strata=("White, later", "Black, later"), size=8, seed=2)
    both = draws.extend(draw, later)
    assert both.frame.tolist() == [700, 200, 99, 1, 30, 10]
    assert both.drawn[:4].tolist() == draw.drawn.tolist()
    assert both.strata[4:] == ("White, later", "Black, later")


def test_deleted_faces_leave_frame_and_sample():
    draw = draws.draw_stratified(STRATUM, strata=NAMES, size=60, seed=1)
    gone = np.zeros(len(STRATUM), dtype=bool)
    gone[draw.face[5]] = gone[np.setdiff1d(np.arange(700), draw.face)[:3]] = True
    left, stays = draws.remove(draw, gone=gone, stratum=STRATUM)
    assert (len(left), int(stays.sum())) == (59, 59)
    removed = draw.frame - left.frame
    assert removed.sum() == 4
    assert removed[0] == 3 + (draw.stratum[5] == 0)


def test_a_draw_read_back_must_have_the_probabilities_of_its_frame():
    draw = draws.draw_stratified(STRATUM, strata=NAMES, size=60, seed=1)
    told = np.array([float(f"{value:.6g}") for value in draw.probability])
    again = draws.rebuild(strata=NAMES, frame=draw.frame, stratum=draw.stratum, probability=told)
    assert (again.drawn == draw.drawn).all()
    with pytest.raises(BadDraw) as error:  # one row is missing
        draws.rebuild(strata=NAMES, frame=draw.frame, stratum=draw.stratum[:-1], probability=told[:-1])
    assert error.value.code == "probabilities_differ"
    with pytest.raises(BadDraw):  # faces have come to the frame
        draws.rebuild(strata=NAMES, frame=draw.frame + 1, stratum=draw.stratum, probability=told)


@pytest.mark.parametrize(
    ("face", "stratum"), [([0, 0], [0, 0]), ([0, 1], [0, 2]), ([0, 1, 2], [1, 1, 1]), ([0], [0, 1])]
)
def test_impossible_draws_are_refused(face, stratum):
    with pytest.raises(BadDraw) as error:
        Draw(("a", "b"), np.array([5, 2]), np.array(face), np.array(stratum))
    assert error.value.code == "does_not_fit"


@pytest.mark.parametrize(("count", "size", "code"), [(0, 1, "empty"), (5, 6, "too_large"), (5, 0, "too_small")])
def test_simple_draws_that_cannot_be(count, size, code):
    with pytest.raises(BadDraw) as error:
        draws.draw_simple(count, size=size, seed=0)
    assert error.value.code == code
