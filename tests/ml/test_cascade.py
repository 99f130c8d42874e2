import numpy as np
import pytest
import torch
from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
from PIL import Image
from torch.nn import functional

from ml.detecting import cascade
from ml.detecting.canvas import Canvas
from ml.detecting.cascade import Cascade
from ml.detecting.mosaic import lay_out_levels
from ml.detecting.proposals import CellMap
from ml.detecting.views.exact_photo import ExactPhoto
from ml.detecting.views.fast_photo import FastPhoto
from ml.detecting.views.fitting import shrink_pixels
from tests import pictures


@pytest.fixture(scope="module")
def exact() -> Cascade:
    return Cascade(device=torch.device("cpu"), precision="float32")


def noise(*shape: int) -> torch.Tensor:
    """Smooth enough that P-Net finds something."""
    coarse = torch.rand(shape[0], shape[1], 9, 9, generator=torch.Generator().manual_seed(4)) * 255
    return functional.interpolate(coarse, size=shape[2:], mode="bicubic").clamp(0, 255)


def normalise(pixels: torch.Tensor) -> torch.Tensor:
    return (pixels - 127.5) * 0.0078125


@pytest.mark.parametrize(
    ("batch", "height", "width"), [(1, 12, 12), (3, 41, 50), (1, 96, 77), (1, 333, 31), (2, 40, 300)]
)
@pytest.mark.parametrize("pixels", [600, 28_000, 2_000_000])
@torch.inference_mode()
def test_the_first_network_finds_what_facenet_pytorchs_does_whole_or_in_strips(
    batch, height, width, pixels, monkeypatch
):
    monkeypatch.setattr(cascade, "_PIXELS_AT_ONCE", pixels)
    level = noise(batch, 3, height, width).contiguous(memory_format=torch.channels_last)
    shifts, scores = PNet()(normalise(level))
    threshold = float(scores[:, 1].median())
    expected = (scores[:, 1] >= threshold).nonzero()
    places, probabilities, moved = Cascade(device=torch.device("cpu")).propose(level, threshold=threshold)
    order = np.lexsort(places.numpy().T[::-1])
    at = expected.unbind(1)
    # A cell that lies on the threshold itself may fall to either side.
    assert abs(len(places) - len(expected)) <= 1
    if len(places) == len(expected):
        assert torch.equal(places[order], expected)
        assert torch.allclose(probabilities[order], scores[:, 1][at], atol=1e-4)
        assert torch.allclose(moved[order], shifts.permute(0, 2, 3, 1)[at], atol=1e-4)


@pytest.mark.parametrize("count", [1, 65])
@torch.inference_mode()
def test_the_other_networks_say_what_facenet_pytorchs_do(exact, count):
    crops = noise(count, 3, 48, 48)
    small = functional.avg_pool2d(crops, 2)
    shifts, scores = RNet()(normalise(small))
    found, probabilities = exact.refine(small)
    assert torch.allclose(found, shifts, atol=1e-4)
    assert torch.allclose(probabilities, scores[:, 1], atol=1e-4)
    shifts, points, scores = ONet()(normalise(crops))
    found, marks, probabilities, _ = exact.decide(crops)
    assert torch.allclose(found, shifts, atol=1e-4)
    assert torch.allclose(marks, points, atol=1e-4)
    assert torch.allclose(probabilities, scores[:, 1], atol=1e-4)


@torch.inference_mode()
def test_machines_without_onednn_or_bfloat16_find_the_same(monkeypatch):
    crops = noise(5, 3, 24, 24)
    fast = Cascade(device=torch.device("cpu")).refine(crops)
    monkeypatch.setattr(cascade, "_has_onednn", lambda: False)
    plain = Cascade(device=torch.device("cpu")).refine(crops)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    exact = Cascade(device=torch.device("cpu")).refine(crops)
    for one, two, three in zip(fast, plain, exact, strict=True):
        assert torch.allclose(two, three, atol=1e-5)
        assert torch.allclose(one, three, atol=0.03)


@torch.inference_mode()
@pytest.mark.parametrize("pixels", [10**9, 1])
def test_only_cells_of_a_photo_s_own_levels_become_proposals(exact, monkeypatch, pixels):
    sizes = [(60, 44), (50, 60)]
    canvases = [Canvas(size, size, 0, 20) for size in sizes]
    mosaic = lay_out_levels(canvases, factor=0.709)
    monkeypatch.setattr(exact, "_pixels", pixels)
    level = noise(2, 3, mosaic.height, mosaic.width)
    places, _, _ = exact.propose(level, threshold=0.01)
    found = CellMap.of(mosaic, device=torch.device("cpu")).find(places[:, 0], places[:, 1:])
    told = set(
        zip(found.owners.tolist(), found.levels.tolist(), *zip(*found.places.tolist(), strict=True), strict=True)
    )
    expected = set()
    for photo, row, column in places.tolist():
        for number, (top, left) in enumerate(mosaic.corners):
            rows, columns = mosaic.cells[photo, number]
            y, x = row - top // 2, column - left // 2
            if 0 <= y < rows and 0 <= x < columns:
                expected.add((photo, number, y, x))
    assert told == expected
    assert 0 < len(told) < len(places)


@torch.inference_mode()
def test_a_precision_that_is_asked_for_is_the_one_that_is_used(monkeypatch, exact):
    if not (cascade._has_onednn() and cascade._has_blocked_bfloat16()):
        pytest.skip("this CPU has no bfloat16: there is only float32")
    crops = noise(5, 3, 24, 24)
    expected = {"bfloat16": Cascade(device=torch.device("cpu"), precision="bfloat16").refine(crops)[1]}
    expected["float32"] = exact.refine(crops)[1]
    assert not torch.equal(*expected.values())
    for is_fast in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda told=is_fast: told)
        for asked, scores in {**expected, None: expected["bfloat16" if is_fast else "float32"]}.items():
            assert torch.equal(Cascade(device=torch.device("cpu"), precision=asked).refine(crops)[1], scores)
    monkeypatch.setattr(cascade, "_has_blocked_bfloat16", lambda: False)
    slow = Cascade(device=torch.device("cpu"), precision="bfloat16").refine(crops)[1]
    assert torch.equal(slow, expected["float32"])


def test_a_fast_photo_shows_nearly_what_averaging_over_areas_does():
    pixels = np.asarray(pictures.astronaut())
    fast, exact = FastPhoto(pixels), ExactPhoto(pixels)
    for height, width in ((300, 301), (154, 154), (77, 80), (20, 24)):
        level = fast.resize(height=height, width=width)
        assert level.shape == (1, 3, height, width)
        assert level.dtype == torch.uint8
        assert (level - exact.resize(height=height, width=width)).abs().mean() < 8
    low, high = torch.tensor([[180, 60], [0, 0], [511, 400]]), torch.tensor([[270, 180], [512, 512], [512, 410]])
    owners = torch.zeros(3, dtype=torch.long)
    assert (fast.crops(owners, low, high, size=48).float() - exact.crops(owners, low, high, size=48)).abs().mean() < 5
    assert fast.crops(owners[:0], low[:0], high[:0], size=24).shape == (0, 3, 24, 24)


def test_a_border_surrounds_a_fast_photo_as_it_does_an_exact_one():
    pixels = np.zeros((10, 20, 3), np.uint8)
    fast, exact = FastPhoto(pixels, border=5), ExactPhoto(pixels, border=5)
    assert (fast.height, fast.width) == (exact.height, exact.width) == (20, 30)
    assert torch.equal(fast.resize(height=20, width=30).float(), exact.resize(height=20, width=30))


@pytest.mark.parametrize("size", [(300, 200), (511, 1), (64, 512)])
def test_photos_shrink_as_pillow_shrinks_them(size):
    photo = pictures.astronaut()
    ours = shrink_pixels(np.array(photo), height=size[1], width=size[0]).astype(int)
    assert np.abs(ours - np.asarray(photo.resize(size, Image.Resampling.BILINEAR))).max() <= 1
