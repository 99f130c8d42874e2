"""What a set's images really show around the face, as a detector finds it."""

import numpy as np
import pytest

from ml import labels
from ml.datasets import face_set
from ml.detecting.detector import FaceDetector
from ml.errors import BadRecipe, DataWarning
from ml.preprocess import Preset, cut_chip
from ml.training import shown_margin


def set_of(images: np.ndarray) -> face_set.FaceSet:
    unknown = {name: np.full(len(images), face_set.UNKNOWN) for name in labels.ATTRIBUTES}
    return face_set.FaceSet(images, unknown, tuple(map(str, range(len(images)))))


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector(device="cpu")


@pytest.fixture(scope="module")
def faces(astronaut, detector):
    """Six images of one face by the margin that they show, darker from one to the next."""
    chip = detector.detect([astronaut])[0][0].chip
    made = {}
    for margin in (0.25, 0.9, 1.25):
        cut = np.asarray(cut_chip(astronaut, Preset(margin=margin).widen(chip), size=160))
        made[margin] = set_of(np.stack([(cut * (1 - 0.05 * n)).astype(np.uint8) for n in range(6)]))
    return made


@pytest.mark.parametrize("margin", [0.25, 0.9, 1.25])
def test_the_margin_is_found_from_where_the_face_lies(faces, detector, margin):
    assert shown_margin.measure_margin(faces[margin], detector=detector) == pytest.approx(margin, abs=0.1 + margin / 10)
    shown_margin.check_margin(faces[margin], margin=margin, detector=detector)


def test_images_of_another_margin_than_told_end_the_run(faces, detector):
    with pytest.raises(BadRecipe, match=r"about 0\.\d\d around the face, not 1\.25: say with --data\.margin"):
        shown_margin.check_margin(faces[0.25], margin=1.25, detector=detector)
    with pytest.raises(BadRecipe, match=r"not 0\.25"):
        shown_margin.check_margin(faces[1.25], margin=0.25, detector=detector)


def test_without_faces_nothing_is_claimed(detector):
    noise = np.random.default_rng(1).integers(0, 255, (6, 96, 96, 3), dtype=np.uint8)
    with pytest.warns(DataWarning, match="too few faces"):
        shown_margin.check_margin(set_of(noise), margin=1.25, detector=detector)
