import math

import numpy as np
import pytest
from PIL import Image

from ml.detecting.detector import CHIP_LANDMARKS, fit_chips
from ml.preprocess import Chip, cut_chip, whole_image


def landmarks_of(chip: Chip) -> np.ndarray:
    """Where FairFace's mean landmarks lie on a photo in which this is the chip."""
    turn = math.radians(chip.angle)
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    return (CHIP_LANDMARKS - 0.5) * chip.side @ rotation.T + [chip.cx, chip.cy]


@pytest.mark.parametrize("angle", [0.0, 17.5, -40.0, 120.0])
def test_a_known_similarity_is_recovered(angle):
    chip = Chip(cx=310.5, cy=200.25, side=140.0, angle=angle)
    (found,) = fit_chips(landmarks_of(chip)[None])
    assert found.tolist() == pytest.approx([310.5, 200.25, 140.0, angle])


def smooth(size: int) -> Image.Image:
    """Colours that change slowly, so that resampling may not change them much."""
    x, y = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    return Image.fromarray((np.stack([x, y, (x + y) / 2], axis=2) * 255 / size).round().astype(np.uint8))


@pytest.mark.parametrize("angle", [12.0, -33.0, 90.0])
@pytest.mark.parametrize("side", [60.0, 150.0, 400.0])
def test_a_turned_chip_shows_what_lies_there(angle, side):
    image, size = smooth(800), 100
    chip = Chip(cx=390.0, cy=410.0, side=side, angle=angle)
    found = np.asarray(cut_chip(image, chip, size=size)).astype(float)
    turn = math.radians(angle)
    for u, v in [(10, 20), (50, 50), (88, 15), (30, 90)]:
        dx, dy = (u + 0.5 - size / 2) * side / size, (v + 0.5 - size / 2) * side / size
        x = chip.cx + math.cos(turn) * dx - math.sin(turn) * dy
        y = chip.cy + math.sin(turn) * dx + math.cos(turn) * dy
        expected = np.array([x, y, (x + y) / 2]) * 255 / 800
        assert found[v, u] == pytest.approx(expected, abs=1.5)


def test_turning_by_nothing_and_by_next_to_nothing_agree():
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).resize(
        (600, 600), Image.Resampling.BICUBIC
    )
    straight = np.asarray(cut_chip(image, Chip(300, 300, 450, 0.0), size=150)).astype(float)
    turned = np.asarray(cut_chip(image, Chip(300, 300, 450, 1e-4), size=150)).astype(float)
    assert np.abs(straight - turned).mean() < 2.5


def test_shrinking_averages_instead_of_picking():
    stripes = np.zeros((400, 400, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    found = np.asarray(cut_chip(Image.fromarray(stripes), Chip(200, 200, 300, 30.0), size=50)).astype(float)
    assert found.std() < 10
    assert found.mean() == pytest.approx(127.5, abs=3)


def test_outside_the_photo_is_black():
    white = Image.new("RGB", (100, 100), "white")
    found = np.asarray(cut_chip(white, Chip(0, 0, 100, 0.0), size=50))
    assert found[:20, :20].max() == 0
    assert found[30:, 30:].min() == 255
    assert np.asarray(cut_chip(white, Chip(1000, 1000, 50, 10.0), size=50)).max() == 0


def test_a_whole_square_image_is_its_own_chip():
    image = smooth(224)
    found = cut_chip(image, whole_image(*image.size), size=150)
    assert np.array_equal(np.asarray(found), np.asarray(image.resize((150, 150), Image.Resampling.BILINEAR)))
