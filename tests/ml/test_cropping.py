"""Chips cut and measured as a GPU does it, on the CPU (and on a GPU where there is one)."""

import numpy as np
import pytest
import torch

from ml.preprocess import Chip, cut_chip
from ml.seeing import quality
from ml.seeing.cropping import cut_chips
from tests import pictures

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_cuda)])


@devices
def test_chips_cut_together_are_those_that_pillow_cuts(device):
    photos = [pictures.crowd(), pictures.astronaut(), pictures.picture(40, 30)]
    chips = [
        (0, Chip(210, 200, 180, 12)),
        (0, Chip(900, 500, 60, -33)),
        (0, Chip(500, 350, 900, 4)),
        (1, Chip(225, 120, 140, 0)),
        (1, Chip(225.3, 119.8, 300.5, 0)),
        (1, Chip(10, 10, 90, 0)),
        (1, Chip(5, 500, 120, 170)),
        (2, Chip(20, 15, 30, 0)),
        (2, Chip(20, 15, 4, 45)),
        (2, Chip(500, 15, 30, 45)),
    ]
    there = [torch.tensor(np.asarray(photo), device=device) for photo in photos]
    cut = cut_chips(there, [chip for _, chip in chips], owners=[owner for owner, _ in chips], size=64).cpu().numpy()
    for ours, (owner, chip) in zip(cut, chips, strict=True):
        difference = np.abs(ours.astype(int) - np.asarray(cut_chip(photos[owner], chip, size=64)))
        assert difference.mean() < 0.5
        assert difference.max() <= 4
    assert cut_chips([], [], owners=[], size=64).shape == (0, 64, 64, 3)


@pytest.mark.parametrize("most", [(1, 10**9), (10**9, 1)])
def test_chips_cut_in_small_portions_are_the_same(monkeypatch, most):
    there = [torch.tensor(np.asarray(pictures.crowd()))]
    chips = [Chip(100 + 30 * n, 150 + 10 * n, 50 + 20 * n, 5 * n) for n in range(7)]
    whole = cut_chips(there, chips, owners=[0] * 7, size=32)
    monkeypatch.setattr("ml.seeing.cropping._CHIPS_AT_ONCE", most[0])
    monkeypatch.setattr("ml.seeing.cropping._PIXELS_AT_ONCE", most[1])
    assert (cut_chips(there, chips, owners=[0] * 7, size=32).int() - whole.int()).abs().max() <= 1


@devices
def test_chips_are_measured_together_as_one_by_one(device):
    chips = np.random.default_rng(0).integers(0, 256, (5, 40, 40, 3), dtype=np.uint8)
    marks = quality.measure_together(torch.from_numpy(chips).to(device))
    for chip, (sharpness, brightness) in zip(chips, marks, strict=True):
        assert sharpness == pytest.approx(quality.measure_sharpness(chip), rel=1e-3)
        assert brightness == pytest.approx(quality.measure_brightness(chip), rel=1e-4)
    assert quality.measure_together(torch.zeros(0, 40, 40, 3, dtype=torch.uint8)).shape == (0, 2)
