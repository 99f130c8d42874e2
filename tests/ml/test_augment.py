"""What augmentation does to chips, beside what every recipe's test shows."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from ml.training import augment, jpeg_artifacts, mixing
from ml.training.chance import Chance
from tests import pictures


def as_chips(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()


@pytest.mark.parametrize("quality", [30, 60, 90])
@pytest.mark.parametrize("side", [96, 150])
def test_compression_loses_what_an_encoder_loses(quality, side):
    image = pictures.astronaut().crop((150, 0, 374, 224)).resize((side, side))
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    theirs = as_chips(Image.open(content))
    ours = jpeg_artifacts.compress(as_chips(image), quality=torch.tensor([float(quality)]))
    lost = (theirs - as_chips(image)).abs().mean()
    assert (ours - theirs).abs().mean() < lost / 2
    assert (ours - as_chips(image)).abs().mean() == pytest.approx(float(lost), rel=0.1)


def test_each_chip_has_its_own_quality():
    chips = as_chips(pictures.astronaut().resize((64, 64))).repeat(2, 1, 1, 1)
    coarse, fine = jpeg_artifacts.compress(chips, quality=torch.tensor([5.0, 95.0]))
    assert (coarse - chips[0]).abs().mean() > 2 * (fine - chips[1]).abs().mean()


def test_what_is_erased_is_a_rectangle_of_the_mean_colour():
    noise = torch.rand(64, 3, 50, 50, generator=torch.Generator().manual_seed(3)) * 255
    how = augment.Augmentation(erase=1.0)
    erased = augment._erase(noise.clone(), how=how, chance=Chance(4, device="cpu"))
    for before, after in zip(noise, erased, strict=True):
        changed = (before != after).any(dim=0)
        rows, columns = changed.any(dim=1), changed.any(dim=0)
        assert torch.equal(changed, rows[:, None] & columns[None])
        assert 0.03 < changed.float().mean() < 0.25
        assert torch.allclose(after[:, changed], before.mean(dim=(1, 2))[:, None], atol=1e-3)


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.3, 0.0), (0.0, 1.0), (0.5, 0.5)])
def test_a_mixture_holds_at_least_half_of_the_first_face(mixup, cutmix):
    chance = Chance(2, device="cpu")
    chips = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 3, 20, 20)
    for _ in range(50):
        mixed, others, share = mixing.mix_chips(chips, mixup=mixup, cutmix=cutmix, chance=chance)
        assert 0.5 <= share <= 1.0
        expected = chips * share + chips[others] * (1 - share)
        assert torch.allclose(mixed.mean(dim=(1, 2, 3)), expected.mean(dim=(1, 2, 3)), atol=1e-3)
        if not mixup:  # pasted, never blended
            assert ((mixed == chips) | (mixed == chips[others])).all()


def test_without_mixing_the_chips_stay_as_they_are():
    chips = torch.rand(4, 3, 8, 8)
    mixed, _, share = mixing.mix_chips(chips, mixup=0.0, cutmix=0.0, chance=Chance(1, device="cpu"))
    assert share == 1.0
    assert torch.equal(mixed, chips)
