"""Faces of which a part is missing are marked, and unsure in everything; whole ones at a photo's edge are not."""

import csv
import io

import numpy as np
import pytest
import torch
from PIL import Image

from ml import labels, predict
from ml.detecting.detector import FaceDetector
from ml.model.runtime import TorchRuntime
from ml.pipeline import FacePipeline
from ml.preprocess import Chip, Preset, cut_chip
from ml.requests import PhotoRequest
from ml.seeing.cut_off import have_bars, lies_outside
from tests import pictures


@pytest.fixture(scope="module")
def whole() -> Image.Image:
    return pictures.astronaut().crop((100, 0, 360, 260))


@pytest.fixture(scope="module")
def box(whole) -> tuple[float, ...]:
    return FaceDetector().detect([whole])[0][0].box


@pytest.fixture(params=[False, True], ids=["one by one", "together"])
def mark(request, tiny):
    """Whether the one face of each photo is cut off."""
    net, card = tiny
    pipeline = FacePipeline(detector=FaceDetector(together=request.param), runtime=TorchRuntime(net, card), threads=1)

    def marks(*photos: Image.Image) -> list[list[bool]]:
        results = pipeline.analyze([PhotoRequest(photo) for photo in photos])
        return [[face.cut_off for face in result.faces] for result in results]

    return marks


def test_a_face_whose_mouth_or_brows_lie_outside_is_marked(mark, whole, box):
    x1, y1, x2, y2 = box
    tall = y2 - y1
    upper = whole.crop((0, 0, whole.width, round(y1 + 0.72 * tall)))
    lower = whole.crop((0, round(y1 + 0.3 * tall), *whole.size))
    side = whole.crop((round(x1 + 0.35 * (x2 - x1)), 0, *whole.size))
    assert mark(upper, lower, side) == [[True], [True], [True]]


def test_a_face_at_a_photos_edge_is_not(mark, whole, box):
    x1, y1, x2, y2 = box
    edges = [
        (0, 0, whole.width, round(y2)),
        (0, round(y1), *whole.size),
        (round(x1 - 0.05 * (x2 - x1)), 0, *whole.size),
        (round(x1 - 8), round(y1 - 8), round(x2 + 8), round(y2 + 8)),
    ]
    assert mark(whole, *(whole.crop(edge) for edge in edges)) == [[False]] * 5


@pytest.mark.parametrize("quality", [95, 60])
def test_a_face_under_a_bar_is_marked(mark, whole, box, quality):
    barred = whole.copy()
    barred.paste((16, 16, 16), (0, round(box[1] + 0.72 * (box[3] - box[1])), *whole.size))
    file = io.BytesIO()
    barred.save(file, "JPEG", quality=quality)
    assert mark(Image.open(file)) == [[True]]


def test_a_fifth_of_the_box_may_lie_outside():
    def lies(x: float, y: float, *, angle: float = 0.0) -> bool:
        box = (x, y, x + 100, y + 120)
        return lies_outside(box, Chip(x + 50, y + 68, 115, angle), width=400, height=300)

    assert [lies(-x, 50) for x in (0, 19, 21)] == [False, False, True]
    assert [lies(100, 180 + y) for y in (0, 22, 25)] == [False, False, True]
    assert lies(-10, -10) is False
    assert lies(-15, -15) is True
    assert lies(-110, 50) is True
    # Rolled to its side, a mouth is over the left edge, or the brows are.
    assert [lies(-19, 50, angle=angle) for angle in (90, -90)] == [False, True]
    assert lies_outside((-10, 50, 90, 170), Chip(12, 118, 115, 90), width=400, height=300) is True


def test_what_is_as_dark_as_a_bar_is_none(whole):
    chip = Chip(130, 120, 150, 0.0)
    dark = whole.point(lambda value: value // 20)
    grey = Image.new("RGB", whole.size, "grey")
    chips = torch.stack([torch.from_numpy(np.array(cut_chip(photo, chip, size=150))) for photo in (whole, dark, grey)])
    for margin in (0.25, 1.25):
        assert not have_bars(chips, preset=Preset(margin=margin)).any()


def test_everything_said_of_it_is_unsure_in_every_output(tmp_path, monkeypatch, pipeline, whole, box, capsys):
    monkeypatch.setattr(FacePipeline, "load", lambda *args, **kwargs: pipeline)
    whole.save(tmp_path / "a.png")
    whole.crop((0, 0, whole.width, round(box[1] + 0.72 * (box[3] - box[1])))).save(tmp_path / "b.png")
    out = tmp_path / "out.csv"
    assert predict.main([str(tmp_path), "--csv", str(out), "--report", str(tmp_path / "all.json")]) == 0
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["cut_off"] for row in rows] == ["false", "true"]
    assert {rows[1][f"unsure_{name}"] for name in labels.ATTRIBUTES} == {"true"}
    assert "1 of the faces is cut off" in (tmp_path / "all.json").read_text()
    predict.main([str(tmp_path / "b.png")])
    assert "(cut off)" in capsys.readouterr().out
