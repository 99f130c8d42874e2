"""The way of a GPU, many photos at once, taken on the CPU (and on a GPU where there is one)."""

import numpy as np
import pytest
import torch
from PIL import Image

from ml import faces
from ml.areas import AreaTable
from ml.boxes import suppress_nested
from ml.canvas import Canvas, fit_image, fit_tensor, group_similar, plan_canvas
from ml.faces import FaceDetector, Settings
from ml.pipeline import FacePipeline
from ml.requests import PhotoRequest
from ml.runtime import TorchRuntime
from ml.stack import PhotoStack
from tests import pictures

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_cuda)])


def plan(width: int, height: int) -> Canvas:
    return plan_canvas(width, height, working_side=1280, min_face=40, working_min_face=20, border_below=300)


@devices
def test_a_stack_shows_what_tables_of_its_photos_show(device):
    photos = [np.asarray(pictures.picture(*size, seed=n)) for n, size in enumerate([(70, 50), (50, 70), (31, 70)])]
    canvases = [
        Canvas((p.shape[1], p.shape[0]), (p.shape[1], p.shape[0]), border, 40)
        for p, border in zip(photos, (0, 7, 0), strict=True)
    ]
    stack = PhotoStack([torch.tensor(photo, device=device) for photo in photos], canvases)
    tables = [AreaTable(photo, border=canvas.border) for photo, canvas in zip(photos, canvases, strict=True)]
    sizes = [(20, 31), (36, 28), (23, 11)]
    levels = stack.levels([0, 1, 2], sizes).cpu()
    assert levels.shape == (3, 3, 36, 31)
    for level, table, (height, width) in zip(levels, tables, sizes, strict=True):
        assert torch.allclose(level[:, :height, :width], table.resize(height=height, width=width)[0], atol=1e-3)
        assert torch.allclose(level[:, height:, :width], level[:, height - 1 : height, :width])
    low, high = torch.tensor([[3, 4], [0, 0], [5, 60]]), torch.tensor([[40, 50], [64, 84], [6, 70]])
    owners = torch.tensor([0, 1, 2])
    crops = stack.crops(owners.to(device), low.to(device), high.to(device), size=24).cpu()
    for n, table in enumerate(tables):
        assert torch.allclose(crops[n], table.crops(low[n : n + 1], high[n : n + 1], size=24)[0], atol=1e-3)


def test_photos_of_similar_size_are_searched_together():
    sizes = [(1024, 768), (1024, 700), (20_000, 1), (64, 48), (1024, 768), (768, 1024), (4000, 3000)]
    canvases = [plan(*size) for size in sizes]
    groups = group_similar(canvases, exact=False)
    assert sorted(n for group in groups for n in group) == list(range(len(sizes)))
    assert sorted(next(group for group in groups if 0 in group)) == [0, 1, 4, 5]
    assert [6] in groups
    assert sorted(next(group for group in group_similar(canvases, exact=True) if 0 in group)) == [0, 4]


@pytest.mark.parametrize("size", [(2048, 1536), (5000, 3001), (1500, 900), (20_000, 1), (300, 200)])
def test_a_tensor_is_fitted_as_an_image_is(size):
    image = pictures.picture(*size)
    canvas = plan(*size)
    ours = fit_tensor(torch.tensor(np.asarray(image)), canvas).numpy().astype(int)
    assert np.abs(ours - fit_image(image, canvas)).max() <= 2


@devices
@pytest.mark.parametrize("wanted", [Settings(), faces.REFERENCE], ids=["default", "reference"])
def test_photos_together_have_the_faces_that_they_have_alone(wanted, device):
    astronaut = pictures.astronaut()
    odd = [
        Image.new("RGB", (8, 8)),
        Image.new("RGB", (1, 2000)),
        Image.new("RGB", (640, 480)),
        pictures.picture(90, 70),
    ]
    photos = [
        pictures.crowd(),
        astronaut,
        astronaut.crop((170, 60, 270, 170)),
        *odd,
        astronaut.resize((500, 511)),
        pictures.crowd().rotate(90, expand=True),
    ]
    alone = FaceDetector(wanted).detect(photos)
    together = FaceDetector(wanted, device=device, together=True).detect(photos)
    for mine, others in zip(together, alone, strict=True):
        sure = [face for face in others if face.probability > 0.97]
        # Averages over areas are exact either way; the usual way on a CPU is another filter.
        least = 0.9 if wanted.exact else 0.7
        assert all(any(overlap(face.box, one.box) > least for one in mine) for face in sure)
        assert len(mine) <= len(others) + 1
    assert len(together[0]) >= 3


def test_nested_boxes_are_suppressed_photo_by_photo():
    rows = np.array([[0, 0, 99, 99, 0.9], [10, 10, 59, 59, 0.95], [0, 0, 99, 99, 0.8], [200, 0, 299, 99, 0.7]])
    assert suppress_nested(rows, np.array([0, 0, 1, 0]), threshold=0.7).tolist() == [1, 2, 3]


@devices
def test_a_pipeline_tells_the_same_of_photos_together(pipeline, device):
    own = FacePipeline.load(device=device, threads=2)
    if device == "cpu":
        detector = FaceDetector(together=True)
        own = FacePipeline(detector=detector, runtime=pipeline.runtime, threads=2)
    requests = [PhotoRequest(pictures.crowd()), PhotoRequest(pictures.astronaut()), PhotoRequest(b"no photo")]
    for alone, together in zip(pipeline.analyze(requests), own.analyze(requests), strict=True):
        assert (alone.width, alone.height, alone.error) == (together.width, together.height, together.error)
        assert len(alone.faces) == len(together.faces)
        for one, other in zip(alone.faces, together.faces, strict=True):
            assert overlap(one.box, other.box) > 0.85
            assert other.sharpness == pytest.approx(one.sharpness, rel=0.3)
            for name, vector in one.probabilities.items():
                assert other.probabilities[name] == pytest.approx(vector, abs=0.15)  # crops that differ by a pixel


def test_a_failing_runtime_is_not_hidden(tiny, astronaut, monkeypatch):
    net, card = tiny
    pipeline = FacePipeline(detector=FaceDetector(together=True), runtime=TorchRuntime(net, card), threads=2)
    monkeypatch.setattr(pipeline.runtime, "logits", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pipeline.analyze([PhotoRequest(astronaut)] * 3)


def overlap(a, b) -> float:
    """Intersection over union of two boxes."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)
