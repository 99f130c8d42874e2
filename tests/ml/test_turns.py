"""Photos that lie on their side or stand on their head are turned upright; others stay as they are."""

import pytest
from PIL import Image

from ml.benching import placing
from ml.benching.ways import overlap
from ml.detecting.detector import FaceDetector
from ml.detecting.turns import turn_image
from ml.model.runtime import TorchRuntime
from ml.pipeline import FacePipeline
from ml.requests import PhotoRequest
from tests import pictures

TURNS = (90, 180, 270)


@pytest.fixture(scope="module")
def crowd() -> Image.Image:
    faces = placing.cut_faces([pictures.astronaut()])
    return placing.place_faces(faces, size=(1200, 900), width_px=70, count=12)[0]


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
def test_a_turned_photo_has_the_faces_of_the_upright_one(tiny, crowd, astronaut, together):
    net, card = tiny
    pipeline = FacePipeline(detector=FaceDetector(together=together), runtime=TorchRuntime(net, card), threads=1)
    photos = [crowd, astronaut, pictures.picture(800, 600), Image.new("RGB", (60, 40))]
    for upright, degrees in zip(pipeline.analyze([PhotoRequest(photo) for photo in photos]), (0,) * 4, strict=True):
        assert upright.turned == degrees
    expected = pipeline.analyze([PhotoRequest(photo, may_turn=True) for photo in photos])
    assert [result.turned for result in expected] == [0, 0, 0, 0]
    for degrees in TURNS:
        turned = [turn_image(photo, degrees=360 - degrees) for photo in photos]
        found = pipeline.analyze([PhotoRequest(photo, may_turn=True) for photo in turned])
        assert [result.turned for result in found] == [degrees, degrees, 0, 0]
        for result, upright in zip(found[:2], expected[:2], strict=True):
            assert (result.width, result.height) == (upright.width, upright.height)
            assert len(result.faces) == len(upright.faces)
            for face in upright.faces:
                same = max(result.faces, key=lambda other: overlap(face.box, other.box))
                assert overlap(face.box, same.box) > 0.8
                for name, vector in face.probabilities.items():
                    assert same.probabilities[name] == pytest.approx(vector, abs=0.1)
    assert all(result.turned == 0 for result in pipeline.analyze([PhotoRequest(photo) for photo in turned]))


def test_one_who_lies_down_among_others_turns_nothing(crowd):
    lying = turn_image(crowd, degrees=90).crop((0, 0, 900, 300))
    photo = Image.new("RGB", (1200, 1200))
    photo.paste(crowd, (0, 0))
    photo.paste(lying, (0, 900))
    found = FaceDetector().detect_upright([photo], details=["normal"], turning=[True])[0]
    assert found.turned == 0
    assert len(found.faces) >= 12
