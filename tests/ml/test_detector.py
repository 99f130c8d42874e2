import json

import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN
from PIL import Image
from torch.nn import functional

from ml.detecting.canvas import Search
from ml.detecting.detector import REFERENCE, FaceDetector, Settings
from ml.detecting.views.exact_photo import ExactPhoto
from tests import pictures


def overlap(a, b) -> float:
    """Intersection over union of two boxes."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


@pytest.fixture(scope="module", params=["drawn", "of people"])
def photos(request) -> dict[str, Image.Image]:
    if request.param == "drawn":
        return {f"crowd {number}": draw_crowd(seed=number) for number in range(3)}
    folder = request.getfixturevalue("shared") / "photos"
    told = json.loads((folder / "mtcnn_reference.json").read_text())
    return {name: Image.open(folder / name).convert("RGB") for name in told["photos"]}


@pytest.fixture(scope="module")
def reference(request, photos) -> dict[str, list[dict]]:
    """What facenet-pytorch finds on each photo with its own settings: by itself, or as it was written down."""
    if "crowd 0" in photos:
        theirs = MTCNN(keep_all=True, device="cpu")
        found = {name: theirs.detect(photo) for name, photo in photos.items()}
        return {
            name: [{"box": box, "probability": p} for box, p in zip(boxes.tolist(), probabilities, strict=True)]
            for name, (boxes, probabilities) in found.items()
        }
    told = json.loads((request.getfixturevalue("shared") / "photos" / "mtcnn_reference.json").read_text())
    return {name: found["min_face_size_20"] for name, found in told["photos"].items()}


def draw_crowd(*, seed: int) -> Image.Image:
    """Twenty astronauts of many sizes, a little turned, on a smooth ground."""
    crowd = pictures.picture(1300, 900, seed=seed)
    draw = np.random.default_rng(seed)
    for number in range(20):
        head = pictures.astronaut().crop((120, 0, 330, 230)).rotate(draw.uniform(-12, 12), Image.Resampling.BICUBIC)
        height = int(draw.integers(70, 215))
        place = (number % 5 * 255 + int(draw.integers(0, 40)), number // 5 * 222)
        crowd.paste(head.resize((height * 210 // 230, height), Image.Resampling.BICUBIC), place)
    return crowd


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.mark.slow
def test_with_its_settings_the_faces_are_those_of_facenet_pytorch(reference, photos):
    detector = FaceDetector(REFERENCE)
    wanted, found, others = 0, 0, 0
    for name, photo in photos.items():
        ours = [face.box for face in detector.detect([photo])[0]]
        sure = [face["box"] for face in reference[name] if face["probability"] >= 0.9]
        wanted += len(sure)
        found += sum(any(overlap(box, mine) >= 0.9 for mine in ours) for box in sure)
        others += sum(all(overlap(mine, face["box"]) < 0.9 for face in reference[name]) for mine in ours)
    assert wanted > 40
    assert found == wanted
    assert others <= 0.02 * wanted


@pytest.mark.slow
def test_by_default_every_clear_face_is_found(detector, reference, photos):
    missed = []
    for found, (name, told) in zip(detector.detect(list(photos.values())), reference.items(), strict=True):
        for face in told:
            clear = face["probability"] >= 0.95 and face["box"][2] - face["box"][0] >= 40
            if clear and not any(overlap(face["box"], mine.box) >= 0.7 for mine in found):
                missed.append((name, face["box"]))
    assert not missed


def test_a_batch_finds_what_one_by_one_finds(detector, astronaut):
    batch = [
        astronaut,
        Image.new("RGB", (64, 48)),
        astronaut.resize((700, 700)),
        np.asarray(astronaut),
        astronaut.rotate(5),
    ]
    together = detector.detect(batch)
    for photo, found in zip(batch, together, strict=True):
        alone = detector.detect([photo])[0]
        assert len(alone) == len(found)
        for one, other in zip(alone, found, strict=True):
            assert one.box == pytest.approx(other.box, abs=0.1)
    assert [len(found) for found in together] == [1, 0, 1, 1, 1]


def test_only_a_cpu_takes_photos_one_by_one():
    with pytest.raises(ValueError, match="cuda"):
        FaceDetector(device="cuda", together=False)
    assert not FaceDetector(device="cpu", together=False).together


def test_a_crowd_is_found_to_the_last_face(astronaut):
    head = astronaut.crop((150, 20, 300, 220)).resize((48, 64))
    crowd = Image.new("RGB", (40 * 48, 25 * 64))
    for number in range(1000):
        crowd.paste(head, (number % 40 * 48, number // 40 * 64))
    found = FaceDetector(Settings(Search(min_face=24, pixels=0))).detect([crowd])[0]
    assert 990 <= len(found) <= 1000


def test_a_black_photo_among_photos_of_people_has_nobody(detector, astronaut):
    black = Image.new("RGB", (900, 600))
    assert [len(found) for found in detector.detect([black, astronaut, black])] == [0, 1, 0]
    assert detector.detect([black, Image.new("RGB", (300, 500), "white")]) == [[], []]


def test_a_turned_face_has_a_turned_chip(detector, astronaut):
    straight, turned = detector.detect([astronaut])[0][0], detector.detect([astronaut.rotate(-15)])[0][0]
    assert turned.chip.angle - straight.chip.angle == pytest.approx(15, abs=3)
    assert turned.chip.side == pytest.approx(straight.chip.side, rel=0.08)


def test_boxes_are_in_pixels_of_the_photo_whatever_the_working_size(detector, astronaut):
    small, large = detector.detect([astronaut])[0][0], detector.detect([astronaut.resize((2048, 2048))])[0][0]
    assert overlap([value * 4 for value in small.box], large.box) > 0.8


def test_a_head_that_fills_a_small_frame_is_found(detector, astronaut):
    head = astronaut.crop((170, 60, 270, 170))
    assert len(detector.detect([head])[0]) == 1
    assert FaceDetector(Settings(Search(border_below=0))).settings.search.border_below == 0


@pytest.mark.parametrize(
    "shape", [(1, 1, 3), (8, 8, 3), (1, 20000, 3), (20000, 1), (100, 100, 4), (40, 60, 1), (300, 200), (12, 12, 3)]
)
def test_odd_photos_have_no_faces_and_crash_nothing(detector, shape):
    photo = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    assert detector.detect([photo]) == [[]]
    assert FaceDetector(REFERENCE).detect([photo]) == [[]]


def test_no_photos_have_no_lists(detector):
    assert detector.detect([]) == []


@pytest.mark.parametrize(("height", "width"), [(57, 31), (24, 80), (13, 12)])
def test_an_exact_photo_resamples_as_adaptive_average_pooling_does(height, width):
    pixels = torch.randint(0, 256, (120, 97, 3), generator=torch.Generator().manual_seed(2), dtype=torch.uint8)
    exact = ExactPhoto(pixels.numpy())
    expected = functional.interpolate(pixels.permute(2, 0, 1)[None].float(), size=(height, width), mode="area")
    assert torch.allclose(exact.resize(height=height, width=width), expected, atol=1e-3)


@pytest.mark.parametrize("size", [24, 48])
def test_crops_of_an_exact_photo_grow_and_shrink_likewise(size):
    pixels = torch.randint(0, 256, (90, 140, 3), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)
    low, high = torch.tensor([[0, 0], [13, 20], [100, 5]]), torch.tensor([[140, 90], [30, 37], [101, 80]])
    found = ExactPhoto(pixels.numpy()).crops(torch.zeros(3, dtype=torch.long), low, high, size=size)
    for crop, (x1, y1), (x2, y2) in zip(found, low.tolist(), high.tolist(), strict=True):
        part = pixels[y1:y2, x1:x2].permute(2, 0, 1)[None].float()
        assert torch.allclose(crop, functional.interpolate(part, size=(size, size), mode="area")[0], atol=1e-3)


def test_sums_may_wrap_around():
    exact = ExactPhoto(np.full((3000, 3000, 3), 255, dtype=np.uint8))
    assert torch.allclose(exact.resize(height=20, width=20), torch.full((1, 3, 20, 20), 255.0))
