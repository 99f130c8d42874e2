"""Photos without a face say why, as far as that shows."""

import csv

import numpy as np
import pytest
from PIL import Image, ImageFilter

from classifier.models import Photo
from ml import predict
from ml.detecting.detector import FaceDetector
from ml.detecting.faces import DetectedFace, Upright
from ml.model.runtime import TorchRuntime
from ml.pipeline import FacePipeline
from ml.preprocess import Chip
from ml.requests import NOBODY, PhotoRequest
from ml.seeing.nobody import explain_nobody
from tests import pictures


@pytest.fixture(params=[False, True], ids=["one by one", "together"])
def explain(request, tiny):
    net, card = tiny
    pipeline = FacePipeline(detector=FaceDetector(together=request.param), runtime=TorchRuntime(net, card), threads=1)

    def explanations(*photos: Image.Image) -> list[str]:
        results = pipeline.analyze([PhotoRequest(photo, may_turn=True) for photo in photos])
        assert not any(result.faces and result.no_face_because for result in results)
        return [result.no_face_because for result in results]

    return explanations


def test_light_and_detail_are_told(explain):
    face = pictures.astronaut()
    noise = Image.fromarray(np.random.default_rng(2).integers(0, 255, (300, 400, 3), dtype=np.uint8))
    told = explain(
        face,
        face.point(lambda value: value // 40),
        face.point(lambda value: 235 + value // 15),
        face.filter(ImageFilter.GaussianBlur(30)),
        noise,
    )
    assert told == ["", "dark", "bright", "blurred", "nothing"]


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ({}, "nothing"),
        ({"missed": (20.0, 0.7)}, "tiny"),
        ({"missed": (60.0, 0.7)}, "unclear"),
        ({"missed": (60.0, 0.95)}, "drawn"),
        ({"missed": (60.0, 0.7), "seemed_turned": True}, "turned"),
    ],
)
def test_what_came_next_to_a_face_is_told(seen, told):
    if "missed" in seen:
        width, probability = seen["missed"]
        seen = seen | {"missed": DetectedFace((0, 0, width, width), probability, Chip(9, 9, 9, 0))}
    found = Upright([], **seen)
    assert explain_nobody(pictures.astronaut(), found=found, narrowest_px=27) == told


def test_the_row_of_a_photo_without_a_face_says_why(tmp_path, monkeypatch, pipeline):
    monkeypatch.setattr(FacePipeline, "load", lambda *args, **kwargs: pipeline)
    Image.new("RGB", (300, 200), (4, 4, 4)).save(tmp_path / "night.png")
    out = tmp_path / "out.csv"
    assert predict.main([str(tmp_path), "--csv", str(out)]) == 0
    with open(out, newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["status"], row["reason"]) == ("no_face", "dark")


def test_the_site_has_words_for_all_of_them():
    assert tuple(Photo.Nobody.values) == NOBODY
