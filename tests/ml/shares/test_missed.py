import numpy as np
import pytest

from ml.shares import intervals, missed
from ml.shares.errors import BadInput, NoFaces


def test_four_photos_by_hand():
    """Missed 0, 0, 0, 3 of 2, 3, 1, 4 faces: 3 of 10; e = -0.6, -0.9, -0.3, 1.8."""
    found = missed.estimate_missed(np.array([2, 3, 1, 1]), np.array([0, 0, 0, 3]), photos=100)
    assert (found.share, found.photos, found.found, found.missed) == (pytest.approx(0.3), 4, 7, 3)
    variance = (0.36 + 0.81 + 0.09 + 3.24) / 3 / 4 * (1 - 4 / 100) / 2.5**2
    low, high = intervals.wilson(np.array(0.3), count=np.array(0.21 / variance))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_nothing_missed_counts_photos_not_faces():
    found = missed.estimate_missed(np.array([5, 5, 5, 0]), np.zeros(4, dtype=int), photos=1_000)
    _, high = intervals.wilson(np.array(0.0), count=np.array(3))
    assert (found.share, found.low, found.high) == (0, 0, pytest.approx(high))


def test_all_photos_reviewed_leave_no_doubt():
    found = missed.estimate_missed(np.array([3, 4]), np.array([1, 0]), photos=2)
    assert found.low == found.share == found.high == pytest.approx(1 / 8)


def test_one_photo_says_little():
    found = missed.estimate_missed(np.array([9]), np.array([1]), photos=500)
    assert found.share == pytest.approx(0.1)
    assert found.high > 0.6


def test_faces_missed_together_widen_the_interval():
    apart = missed.estimate_missed(np.full(100, 9), np.ones(100), photos=10_000)
    together = missed.estimate_missed(np.full(100, 9), np.where(np.arange(100) < 10, 10, 0), photos=10_000)
    assert together.share == pytest.approx(apart.share)
    assert together.high - together.low > 2 * (apart.high - apart.low)


@pytest.mark.parametrize(
    ("found", "lost", "photos", "code"),
    [([1, 2], [1], 9, "lengths_differ"), ([1], [-1], 9, "negative"), ([1, 1], [0, 0], 1, "too_many")],
)
def test_bad_numbers_are_refused(found, lost, photos, code):
    with pytest.raises(BadInput) as error:
        missed.estimate_missed(np.array(found), np.array(lost), photos=photos)
    assert error.value.code == code


def test_photos_without_a_face_say_nothing():
    with pytest.raises(NoFaces) as error:
        missed.estimate_missed(np.zeros(3), np.zeros(3), photos=9)
    assert error.value.code == "no_photos"


def test_coverage_of_clustered_misses():
    """3,000 photos; faces in the back of crowds are missed together."""
    rng = np.random.default_rng(1)
    faces = rng.integers(1, 8, 3_000)
    lost = np.where(faces > 5, rng.binomial(faces, 0.25), rng.binomial(faces, 0.02))
    truth = lost.sum() / faces.sum()
    held = 0
    for _ in range(200):
        rows = rng.choice(3_000, 120, replace=False)
        found = missed.estimate_missed(faces[rows] - lost[rows], lost[rows], photos=3_000)
        held += found.low <= truth <= found.high
    assert held >= 180
