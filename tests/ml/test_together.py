"""The way of a GPU, many photos at once, taken on the CPU (and on a GPU where there is one)."""

import numpy as np
import pytest
import torch
from PIL import Image

from ml.detecting.boxes import suppress_nested
from ml.detecting.canvas import Canvas, Search, group_similar, plan_canvas
from ml.detecting.cascade import count_cells
from ml.detecting.detector import REFERENCE, FaceDetector, Settings
from ml.detecting.mosaic import lay_out_levels
from ml.detecting.views.exact_batch import ExactBatch
from ml.detecting.views.exact_photo import ExactPhoto
from ml.detecting.views.fast_batch import FastBatch
from ml.detecting.views.fast_photo import FastPhoto
from ml.detecting.views.fitting import fit_image, fit_tensor
from ml.model.runtime import TorchRuntime
from ml.pipeline import FacePipeline
from ml.requests import PhotoRequest
from tests import pictures

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_cuda)])


def plan(width: int, height: int) -> Canvas:
    return plan_canvas(width, height, search=Search())


def photos_with_canvases() -> tuple[list[np.ndarray], list[Canvas]]:
    photos = [np.asarray(pictures.picture(*size, seed=n)) for n, size in enumerate([(70, 50), (50, 70), (131, 170)])]
    sizes = [(photo.shape[1], photo.shape[0]) for photo in photos]
    return photos, [Canvas(size, size, border, 40) for size, border in zip(sizes, (0, 7, 0), strict=True)]


@devices
@pytest.mark.parametrize(
    ("make", "show", "off"), [(ExactBatch, ExactPhoto, 1e-3), (FastBatch, FastPhoto, 1)], ids=["exact", "default"]
)
def test_photos_together_look_as_they_do_alone(make, show, off, device):
    photos, canvases = photos_with_canvases()
    together = make([torch.tensor(photo, device=device) for photo in photos], canvases)
    alone = [show(photo, border=canvas.border) for photo, canvas in zip(photos, canvases, strict=True)]
    mosaic = lay_out_levels(canvases, factor=0.709)
    levels = together.levels(mosaic).float().cpu()
    assert levels.shape == (3, 3, mosaic.height, mosaic.width)
    for number, (level, one) in enumerate(zip(levels, alone, strict=True)):
        for (top, left), (height, width), cells in zip(
            mosaic.corners, mosaic.sizes[number], mosaic.cells[number], strict=True
        ):
            if cells.all():
                own = one.resize(height=int(height), width=int(width))[0].float()
                assert torch.allclose(level[:, top : top + height, left : left + width], own, atol=off)
    low, high = (
        torch.tensor([[3, 4], [0, 0], [5, 60], [0, 10]]),
        torch.tensor([[40, 50], [64, 84], [6, 70], [131, 141]]),
    )
    owners = torch.tensor([0, 1, 2, 2])
    crops = together.crops(owners.to(device), low.to(device), high.to(device), size=24).float().cpu()
    for n, owner in enumerate(owners.tolist()):
        own = alone[owner].crops(owners[n : n + 1], low[n : n + 1], high[n : n + 1], size=24)[0].float()
        assert torch.allclose(crops[n], own, atol=off if n < 3 else 4 * off)  # of the largest from a halved copy


@pytest.mark.parametrize(
    ("make", "show", "off"), [(ExactBatch, ExactPhoto, 1e-3), (FastBatch, FastPhoto, 1)], ids=["exact", "default"]
)
def test_a_photo_by_itself_lays_out_the_same_levels(make, show, off):
    for photo, canvas in zip(*photos_with_canvases(), strict=True):
        mosaic = lay_out_levels([canvas], factor=0.709)
        alone = show(photo, border=canvas.border).levels(mosaic).float()
        assert torch.allclose(alone, make([torch.tensor(photo)], [canvas]).levels(mosaic).float(), atol=off)


@pytest.mark.parametrize("pixels", [1, 10**9])
def test_crops_in_small_portions_are_the_same(pixels, monkeypatch):
    photos, canvases = photos_with_canvases()
    batch = FastBatch([torch.tensor(photo) for photo in photos], canvases)
    boxes = torch.arange(20).view(10, 2), torch.arange(20).view(10, 2) + 30
    owners = torch.arange(10) % 3
    whole = batch.crops(owners, *boxes, size=24)
    monkeypatch.setattr("ml.detecting.views.fast_batch._PIXELS_AT_ONCE", pixels)
    assert batch.crops(owners, *boxes, size=24).equal(whole)
    assert batch.crops(owners[:0], boxes[0][:0], boxes[1][:0], size=24).shape == (0, 3, 24, 24)


def test_no_levels_of_a_mosaic_overlap_and_each_cell_belongs_to_one():
    mosaic = lay_out_levels([plan(1024, 768), plan(700, 1000), plan(100, 300)], factor=0.709)
    owned = mosaic.map_cells()
    assert owned.shape == (count_cells(mosaic.height), count_cells(mosaic.width))
    largest = mosaic.cells.max(axis=0)
    assert [(owned == level).sum() for level in range(len(mosaic.corners))] == largest.prod(axis=1).tolist()
    for (row, column), (height, width) in zip(mosaic.corners, mosaic.sizes.max(axis=0), strict=True):
        assert row % 2 == column % 2 == 0
        assert row + height <= mosaic.height
        assert column + width <= mosaic.width
    assert mosaic.height % 8 == mosaic.width % 32 == 0  # few sizes, for which kernels are made
    assert mosaic.height * mosaic.width < 1.3 * mosaic.sizes.max(axis=0).prod(axis=1).sum()
    assert lay_out_levels([plan(1, 5)], factor=0.709) is None


def test_photos_of_similar_size_are_searched_together():
    sizes = [(1024, 768), (1024, 700), (20_000, 1), (64, 48), (1024, 768), (768, 1024), (4000, 3000)]
    canvases = [plan(*size) for size in sizes]
    groups = group_similar(canvases, exact=False)
    assert sorted(n for group in groups for n in group) == list(range(len(sizes)))
    assert {0, 1, 4, 5} <= set(next(group for group in groups if 0 in group))
    assert all(6 not in group for group in groups if 3 in group)
    assert sorted(next(group for group in group_similar(canvases, exact=True) if 0 in group)) == [0, 4]


@pytest.mark.parametrize("size", [(2048, 1536), (5000, 3001), (1500, 900), (20_000, 1), (300, 200)])
def test_a_tensor_is_fitted_as_an_image_is(size):
    image = pictures.picture(*size)
    canvas = plan(*size)
    ours = fit_tensor(torch.tensor(np.asarray(image)), canvas).numpy().astype(int)
    assert np.abs(ours - fit_image(image, canvas)).max() <= 2


@devices
@pytest.mark.parametrize("wanted", [Settings(), REFERENCE], ids=["default", "reference"])
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


def test_nesting_is_measured_on_the_smaller_of_two_boxes_whichever_is_the_better():
    small, large = [10, 10, 59, 59], [0, 0, 99, 99]
    for better, worse in ((small, large), (large, small)):
        rows = np.array([[*worse, 0.8], [*better, 0.9]])
        assert suppress_nested(rows, np.zeros(2), threshold=0.7).tolist() == [1]


def test_boxes_that_cover_as_much_as_the_threshold_of_each_other_are_both_kept():
    # 100 pixels a side; 70 columns of the second lie in the first, 71 of the third in the second.
    rows = np.array([[0, 0, 99, 99, 0.9], [30, 0, 129, 99, 0.8], [59, 0, 158, 99, 0.7]])
    assert suppress_nested(rows, np.zeros(3), threshold=0.7).tolist() == [0, 1]
    assert suppress_nested(rows, np.zeros(3), threshold=0.71).tolist() == [0, 1, 2]
    assert suppress_nested(rows, np.zeros(3), threshold=0.69).tolist() == [0, 2]


def test_boxes_that_do_not_meet_are_kept_although_both_their_gaps_are_wide():
    rows = np.array([[0, 0, 9, 9, 0.9], [500, 500, 509, 509, 0.8]])
    assert suppress_nested(rows, np.zeros(2), threshold=0.7).tolist() == [0, 1]


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
