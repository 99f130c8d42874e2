import numpy as np
import pytest

from ml import labels
from ml.shares import photo_shares, schemes
from ml.shares.errors import BadInput, NoFaces
from tests.ml.shares import worlds

GENDER = schemes.single("gender", classes=labels.GENDER)
# Four photos: two men; a man and a woman; a woman; a woman and a face without an answer.
FACES = worlds.faces_of(
    [0, 0, 0, 1, 1, 1, -1], photo=[1, 1, 2, 2, 3, 4, 4], width=np.array([0.1, 0.1, 0.2, 0.4, 0.5, 0.3, 0.9])
)


def test_photos_with_men_with_women_and_with_either_alone():
    found = photo_shares.share_photos(FACES, scheme=GENDER)
    assert found.photos == 4
    assert found.any.tolist() == [0.5, 0.75]
    assert found.only.tolist() == [0.25, 0.5]
    assert (found.any_low <= found.any).all()
    assert (found.any <= found.any_high).all()


def test_the_interval_of_a_share_of_photos_is_the_binomials():
    faces = worlds.faces_of(np.repeat([0, 1], [600, 400]), photo=np.repeat(np.arange(500), 2))
    found = photo_shares.share_photos(faces, scheme=GENDER)
    assert found.any[0] == pytest.approx(0.6)
    assert found.any_high[0] - found.any_low[0] == pytest.approx(2 * 1.96 * np.sqrt(0.24 / 500), rel=0.12)


def test_a_photo_of_many_is_one_photo():
    faces = worlds.faces_of([0] * 50 + [1], photo=[1] * 50 + [2])
    assert photo_shares.share_photos(faces, scheme=GENDER).any.tolist() == [0.5, 0.5]


def test_widths_by_label():
    found = photo_shares.measure_widths(FACES, scheme=GENDER)
    assert found.faces.tolist() == [3, 3]
    assert found.mean == pytest.approx([0.4 / 3, 0.4])
    assert found.part == pytest.approx([0.25, 0.75])
    assert (found.mean_low <= found.mean).all()
    assert (found.part <= found.part_high).all()


def test_the_width_of_a_label_nobody_has_is_not_known():
    found = photo_shares.measure_widths(worlds.faces_of([0, 0], width=np.array([0.2, np.nan])), scheme=GENDER)
    assert found.mean[0] == pytest.approx(0.2)
    assert np.isnan([found.mean[1], found.mean_low[1], found.mean_high[1]]).all()
    assert found.part.tolist() == [1, 0]


def test_what_cannot_be_told_is_named():
    with pytest.raises(BadInput) as error:
        photo_shares.measure_widths(worlds.faces_of([0, 1]), scheme=GENDER)
    assert error.value.code == "no_widths"
    for ask in (photo_shares.share_photos, photo_shares.measure_widths):
        with pytest.raises(NoFaces):
            ask(worlds.faces_of([-1, -1], width=np.ones(2)), scheme=GENDER)
