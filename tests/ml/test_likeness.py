"""Drawings of faces are none to the detector; photographed ones, and facenet-pytorch's, stay what they are."""

import json
import math
from dataclasses import replace

import pytest
from safetensors import safe_open
from safetensors.torch import load_file

from ml import fit_likeness
from ml.benching import drawings, placing
from ml.detecting import likeness
from ml.detecting.detector import LEAST_LIKENESS, REFERENCE, FaceDetector, Settings
from tests import pictures

EVERYTHING = replace(Settings(), least_likeness=-math.inf)


def test_most_of_the_drawn_faces_that_onet_sees_are_none():
    drawn = list(drawings.draw_all(60, seed=7))
    seen = FaceDetector(EVERYTHING).detect(drawn)
    left = FaceDetector().detect(drawn)
    assert sum(map(len, seen)) >= 8
    assert sum(map(len, left)) <= sum(map(len, seen)) / 2
    known = {face.box for faces in seen for face in faces}
    assert {face.box for faces in left for face in faces} <= known  # what stays lies where it lay


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
def test_photographed_faces_stay(together):
    face = pictures.astronaut()
    crowd, boxes = placing.place_faces(placing.cut_faces([face]), size=(900, 700), width_px=60, count=10)
    spoilt = [face.convert("L").convert("RGB"), face.point(lambda value: value // 3), face.reduce(4)]
    found = FaceDetector(together=together).detect([face, crowd, *spoilt])
    assert [len(faces) for faces in found] == [1, len(boxes), 1, 1, 1]
    assert min(one.likeness for faces in found for one in faces) > LEAST_LIKENESS


def test_nothing_is_refused_at_facenet_pytorchs_settings():
    drawn = list(drawings.draw_all(15, seed=7))
    unlike = [face for faces in FaceDetector(REFERENCE).detect(drawn) for face in faces]
    assert min(face.likeness for face in unlike) < LEAST_LIKENESS


def test_the_layer_is_fitted_and_written_by_its_command(tmp_path, capsys):
    chip = pictures.astronaut().crop((110, 0, 340, 230)).resize((224, 224))
    for number in range(8):
        chip.save(tmp_path / f"{number}.png")
    out = tmp_path / "layer.safetensors"
    asked = ["--faces", str(tmp_path), "--held-out", str(tmp_path), "--counts", "8", "40", "20", "--out", str(out)]
    assert fit_likeness.main(asked) == 0
    assert "drawings seen are refused" in capsys.readouterr().out
    layer = load_file(out)
    with safe_open(out, "pt") as file:
        told = json.loads(file.metadata()["fitted"])
    assert told["faces"] >= 6
    with safe_open(likeness.FILE, "pt") as file:
        assert json.loads(file.metadata()["fitted"])["faces"] > 1_000
    fitted = likeness.Likeness(layer["weight"], layer["bias"])
    found = fit_likeness.find_features(fit_likeness.show_faces(tmp_path, count=8, seed=3), only_largest=True)
    assert fitted.weigh(found).median() > 0
