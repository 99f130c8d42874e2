import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from ml import labels, photos
from ml import pipeline as pipelines
from ml.calibration import least_probabilities
from ml.detecting.canvas import Search
from ml.detecting.detector import FaceDetector, Settings
from ml.model.precision import PRECISIONS
from ml.model.runtime import TorchRuntime
from ml.pipeline import FacePipeline
from ml.predicting.rows import Rows
from ml.predicting.tally import Tally
from ml.requests import Chip, PhotoRequest
from ml.seeing.together import read_tensor
from tests import pictures


@pytest.fixture(params=["one by one", "together"])
def tiny_pipeline(tiny, request) -> FacePipeline:
    """On the CPU, the usual way and as a GPU takes photos."""
    net, card = tiny
    detector = FaceDetector(together=request.param == "together")
    return FacePipeline(detector=detector, runtime=TorchRuntime(net, card), threads=2)


def test_the_default_model_finds_the_astronaut(pipeline, astronaut):
    result = pipeline.analyze([PhotoRequest(astronaut)])[0]
    (face,) = result.faces
    x1, y1, x2, y2 = face.box
    assert (result.width, result.height, result.error) == (512, 512, "")
    assert 160 < x1 < 200
    assert 250 < x2 < 290
    assert 50 < y1 < 90
    assert 160 < y2 < 210
    assert face.size_px == pytest.approx(x2 - x1)
    assert face.detection > 0.99
    assert abs(face.chip.angle) < 20
    assert set(face.probabilities) == set(labels.ATTRIBUTES)
    for name, vector in face.probabilities.items():
        assert len(vector) == len(labels.ATTRIBUTES[name])
        assert sum(vector) == pytest.approx(1)
    assert labels.top_group("race", face.probabilities["race"])[0] == "White"
    assert labels.top_group("gender", face.probabilities["gender"])[0] == "Female"
    assert 25 < labels.expected("age", face.probabilities["age"]) < 50
    assert set(result.timings_ms) == {"decode", "detect", "align", "classify"}
    assert all(value > 0 for value in result.timings_ms.values())


def test_the_default_model_says_what_it_is(pipeline):
    assert pipeline.device == "cpu"
    assert pipeline.card.name
    assert len(pipeline.card.sha256) == 64
    for attribute in labels.ATTRIBUTES:
        for taxonomy in labels.taxonomies_of(attribute):
            names = labels.groups_of(attribute, taxonomy=taxonomy)
            least = least_probabilities(pipeline.card.thresholds, attribute, taxonomy=taxonomy, names=names)
            assert 0 <= least.min() < 1  # of some label it may be sure


def test_given_chips_are_classified_without_detection(pipeline, astronaut):
    found = pipeline.analyze([PhotoRequest(astronaut)])[0].faces[0]
    elsewhere = Chip(400, 400, 80, 0)
    result = pipeline.analyze([PhotoRequest(astronaut, chips=(elsewhere, found.chip))])[0]
    assert [face.chip for face in result.faces] == [elsewhere, found.chip]
    again = result.faces[1]
    assert again.box is None
    assert again.detection is None
    assert again.probabilities["race"] == pytest.approx(found.probabilities["race"], abs=0.02)
    assert again.size_px == pytest.approx(found.size_px, rel=0.25)
    assert result.timings_ms["detect"] == 0


def test_what_is_switched_off_is_neither_returned_nor_computed(tiny_pipeline, astronaut):
    def refuse(*_: object) -> None:
        raise AssertionError("the race head ran")

    tiny_pipeline.runtime._net.heads["race"].register_forward_pre_hook(refuse)
    off = frozenset({"gender", "age"})
    results = tiny_pipeline.analyze([PhotoRequest(astronaut, attributes=off), PhotoRequest(astronaut, attributes=off)])
    assert [set(face.probabilities) for result in results for face in result.faces] == [off, off]


def test_requests_with_other_attributes_share_a_batch(tiny_pipeline, astronaut):
    sets = [frozenset({"gender"}), frozenset({"race", "gender", "age"}), frozenset({"age"}), frozenset()]
    results = tiny_pipeline.analyze([PhotoRequest(astronaut, attributes=wanted) for wanted in sets])
    assert [set(result.faces[0].probabilities) for result in results] == sets


def test_a_bad_photo_does_not_spoil_the_others(tiny_pipeline, astronaut, tmp_path):
    path = tmp_path / "astronaut.png"
    astronaut.save(path)
    photos = [
        b"no photo",
        path,
        Image.new("RGB", (50, 50)),
        np.zeros((1, 1, 3), np.uint8),
        tmp_path / "gone.jpg",
        astronaut,
    ]
    results = tiny_pipeline.analyze([PhotoRequest(photo) for photo in photos])
    assert [result.error for result in results] == ["unreadable", "", "", "", "unreadable", ""]
    assert [result.reason for result in results] == ["format", "", "", "", "missing", ""]
    assert [len(result.faces) for result in results] == [0, 1, 0, 0, 0, 1]


def test_odd_photos_of_one_batch_have_nobody_and_the_others_their_faces(tiny_pipeline, astronaut):
    odd = [(8, 8), (1, 20_000), (20_000, 1), (1, 1), (11, 13), (640, 480)]
    photos = [Image.new("RGB", size) for size in odd] + [pictures.picture(8, 8), pictures.picture(20_000, 1), astronaut]
    results = tiny_pipeline.analyze([PhotoRequest(photo) for photo in photos])
    assert [(result.width, result.height) for result in results] == [photo.size for photo in photos]
    assert [result.error for result in results] == [""] * len(photos)
    assert [len(result.faces) for result in results] == [0] * (len(photos) - 1) + [1]


def test_a_batch_without_anybody_is_answered(tiny_pipeline):
    nobody = [PhotoRequest(Image.new("RGB", (60 + 7 * number, 90))) for number in range(9)]
    results = tiny_pipeline.analyze(nobody)
    assert [(result.faces, result.error) for result in results] == [((), "")] * 9
    assert all(result.timings_ms["classify"] == 0 for result in results)


def test_a_thousand_faces_of_one_photo_are_told_apart(tiny, astronaut):
    net, card = tiny
    detector = FaceDetector(Settings(Search(min_face=24, pixels=0)))
    pipeline = FacePipeline(detector=detector, runtime=TorchRuntime(net, card), threads=2)
    head = astronaut.crop((150, 20, 300, 220)).resize((48, 64))
    crowd = Image.new("RGB", (40 * 48, 25 * 64))
    for number in range(1000):
        crowd.paste(head, (number % 40 * 48, number // 40 * 64))
    many, one = pipeline.analyze([PhotoRequest(crowd), PhotoRequest(astronaut)])
    assert (many.error, one.error, len(one.faces)) == ("", "", 1)
    assert 990 <= len(many.faces) <= 1000
    places = {(round(face.box[0]) // 48, round(face.box[1]) // 64) for face in many.faces if face.box}
    assert len(places) == len(many.faces)
    assert all(sum(face.probabilities["race"]) == pytest.approx(1) for face in many.faces)


def test_a_failing_detection_is_told_for_its_photo_alone(tiny_pipeline, astronaut, monkeypatch, caplog):
    plan = tiny_pipeline.detector.plan

    def fail_on_small(sizes, **how):
        if (50, 50) in sizes:
            raise RuntimeError("broken")
        return plan(sizes, **how)

    monkeypatch.setattr(tiny_pipeline.detector, "plan", fail_on_small)
    with caplog.at_level(logging.CRITICAL):
        results = tiny_pipeline.analyze([PhotoRequest(astronaut), PhotoRequest(Image.new("RGB", (50, 50)))])
    assert [result.error for result in results] == ["", "internal"]
    assert len(results[0].faces) == 1


def test_a_photo_that_breaks_the_network_fails_alone_and_is_told_so(tiny_pipeline, astronaut, monkeypatch, caplog):
    ask, small = tiny_pipeline.runtime.probabilities, Image.new("RGB", (50, 50), (250, 0, 0))

    def break_on_red(chips, **how):
        if any(chip[..., 0].min() > 200 and chip[..., 1].max() < 50 for chip in chips):
            raise RuntimeError("broken")
        return ask(chips, **how)

    monkeypatch.setattr(tiny_pipeline.runtime, "probabilities", break_on_red)
    with caplog.at_level(logging.CRITICAL):
        results = tiny_pipeline.classify_aligned([astronaut, small, astronaut, b"no photo"])
    assert [result.error for result in results] == ["", "internal", "", "unreadable"]
    assert results[0].faces[0].probabilities == results[2].faces[0].probabilities
    told = [Rows(tiny_pipeline.card).tell(Path(f"{n}.jpg"), result)[0] for n, result in enumerate(results)]
    assert [(row["status"], row["reason"]) for row in told][1:] == [
        ("failed", "failed"),
        ("ok", None),
        ("unreadable", "format"),
    ]
    tally = Tally()
    tally.add([[row] for row in told])
    assert tally.tell().startswith("4 files, 2 faces; not read: 1 (an error inside Facet, of which the log tells)")


def test_faces_come_largest_first(tiny_pipeline, astronaut):
    canvas = Image.new("RGB", (1100, 700), (90, 120, 90))
    canvas.paste(astronaut.resize((300, 300)), (20, 20))
    canvas.paste(astronaut, (500, 100))
    faces = tiny_pipeline.analyze([PhotoRequest(canvas)])[0].faces
    assert len(faces) == 2
    assert faces[0].size_px > faces[1].size_px
    assert faces[0].box[0] > 500


def test_ready_chips_are_taken_whole(tiny_pipeline):
    results = tiny_pipeline.classify_aligned([pictures.picture(224, 224), b"no photo"], attributes=frozenset({"age"}))
    (face,) = results[0].faces
    assert face.chip == Chip(112, 112, 224, 0)
    assert face.box is None
    assert set(face.probabilities) == {"age"}
    assert results[1].error == "unreadable"


def test_many_photos_come_back_in_order(tiny_pipeline, monkeypatch):
    monkeypatch.setattr("ml.seeing.together.PHOTOS_AT_ONCE", 3)
    photos = [pictures.picture(30 + number, 40) for number in range(11)]
    results = tiny_pipeline.analyze([PhotoRequest(photo) for photo in photos])
    assert [result.width for result in results] == [photo.width for photo in photos]
    assert tiny_pipeline.analyze([]) == []


def test_sharpness_and_brightness_tell_a_good_crop(tiny_pipeline):
    rng = np.random.default_rng(0)
    sharp = Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8))
    blurred = sharp.resize((8, 8)).resize((64, 64))
    dark = Image.new("RGB", (64, 64), (10, 10, 10))
    one, two, three = (result.faces[0] for result in tiny_pipeline.classify_aligned([sharp, blurred, dark]))
    assert one.sharpness > 10 * two.sharpness > three.sharpness == 0
    assert three.brightness == pytest.approx(10 / 255, abs=1e-3)


def test_photos_side_by_side_give_what_one_by_one_give(tiny, astronaut):
    net, card = tiny
    pipeline = FacePipeline(detector=FaceDetector(), runtime=TorchRuntime(net, card), threads=3)
    photos = [astronaut.resize((300 + 20 * n, 300 + 10 * n)) for n in range(7)] + [
        b"no photo",
        pictures.picture(90, 80),
    ]
    together = pipeline.analyze([PhotoRequest(photo) for photo in photos])
    for photo, result in zip(photos, together, strict=True):
        (alone,) = pipeline.analyze([PhotoRequest(photo)])
        assert (result.width, result.height, result.error) == (alone.width, alone.height, alone.error)
        assert [face.box for face in result.faces] == [pytest.approx(face.box, abs=0.5) for face in alone.faces]


def test_a_pipeline_leaves_torchs_threads_to_others_as_they_were(tiny):
    net, card = tiny
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        FacePipeline(detector=FaceDetector(), runtime=TorchRuntime(net, card), threads=3)
        with ThreadPoolExecutor(1) as elsewhere:
            assert torch.get_num_threads() == elsewhere.submit(torch.get_num_threads).result() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("precision", [*PRECISIONS, None])
def test_detector_and_network_are_asked_for_the_same_precision(monkeypatch, precision):
    asked = {}

    def note(*_, what, **named):
        asked[what] = named["precision"]
        return SimpleNamespace(together=False)

    for what in ("FaceDetector", "load_runtime"):
        monkeypatch.setattr(pipelines, what, partial(note, what=what))
    FacePipeline.load(device="cpu", threads=1, precision=precision)
    assert asked == {"FaceDetector": precision, "load_runtime": precision}


def test_tensors_are_read_from_every_source_as_images_are(astronaut, tmp_path):
    for name in ("photo.jpg", "photo.png"):
        astronaut.save(tmp_path / name)
    for source in (tmp_path / "photo.jpg", (tmp_path / "photo.png").read_bytes(), astronaut, np.asarray(astronaut)):
        assert np.array_equal(read_tensor(source, pinned=False).numpy(), np.asarray(photos.read_photo(source)))
    with pytest.raises(photos.UnreadablePhoto):
        read_tensor(b"no photo", pinned=False)
