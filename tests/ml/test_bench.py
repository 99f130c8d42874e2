import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

from ml import bench
from ml.benching import growth, measuring, sample, ways
from ml.benching.ways import Seen
from ml.detecting.detector import FaceDetector
from ml.model import checkpoint
from ml.model.runtime import TorchRuntime
from ml.pipeline import FacePipeline
from tests import pictures

MEASURED = {"photos_per_second", "faces_per_second", "stages_ms", "peak_rss_mb"}


@pytest.fixture
def tiny_pipeline(tiny) -> FacePipeline:
    net, card = tiny
    return FacePipeline(detector=FaceDetector(), runtime=TorchRuntime(net, card), threads=1)


def crowd(people: int, *, side: int = 60) -> Image.Image:
    """A wall of astronauts' heads."""
    head = pictures.astronaut().crop((150, 20, 300, 220)).resize((side, side * 4 // 3))
    columns = int(np.ceil(np.sqrt(people)))
    wall = Image.new("RGB", (columns * side, int(np.ceil(people / columns)) * head.height), "grey")
    for number in range(people):
        wall.paste(head, (number % columns * side, number // columns * head.height))
    return wall


def test_the_json_has_what_was_promised_and_a_ratio(tmp_path, capsys, tiny_pipeline, monkeypatch, astronaut):
    monkeypatch.setattr(FacePipeline, "load", lambda *_, **__: tiny_pipeline)
    (tmp_path / "photos").mkdir()
    astronaut.save(tmp_path / "photos" / "astronaut.jpg")
    pictures.picture(200, 150).save(tmp_path / "photos" / "nobody.png")
    file = tmp_path / "speed" / "report.json"
    told = [str(tmp_path / "photos"), "--reference", "--chips", "2", "--longest", "300", "--json", str(file)]
    assert bench.main(told) == 0
    report = json.loads(file.read_text())
    assert set(report) >= MEASURED | {"reference", "ratio", "threads", "precision", "device"}
    assert set(report["reference"]) >= MEASURED
    assert (
        set(report["stages_ms"]) == set(report["reference"]["stages_ms"]) == {"decode", "detect", "align", "classify"}
    )
    assert all(set(times) == {"median", "p95"} for times in report["stages_ms"].values())
    assert report["faces"] == report["reference"]["faces"] == 1
    assert report["ratio"] == pytest.approx(
        report["photos_per_second"] / report["reference"]["photos_per_second"], rel=0.02
    )
    assert (report["detection"]["missed"], report["detection"]["others"]) == (0, 0)
    assert report["peak_rss_mb"] > 50
    printed = capsys.readouterr().out
    assert "times the reference" in printed
    assert "photos/s" in printed


def test_both_ways_are_warmed_alike_and_their_memory_is_not_added_up(tiny_pipeline, monkeypatch):
    events = []
    for way in (ways.FacetWay, ways.UsualWay):
        monkeypatch.setattr(way, "run", lambda self, part, way=way: events.append((way.__name__, len(part))) or [])
    build = ways.UsualWay.__init__
    monkeypatch.setattr(ways.UsualWay, "__init__", lambda self, **how: events.append("built") or build(self, **how))
    read = measuring.read_peak_mb
    monkeypatch.setattr(measuring, "read_peak_mb", lambda: events.append("peak") or read())
    monkeypatch.setattr(measuring, "read_peak_of_usual", lambda part, **_: events.append(("apart", len(part))) or 1.5)
    monkeypatch.setattr(bench, "PHOTOS_A_TURN", 3)
    monkeypatch.setattr(bench, "detect_alone", lambda part, **_: [])
    monkeypatch.setattr(bench, "compare_detection", lambda *_: {})
    monkeypatch.setattr(measuring.Tally, "report", lambda self: {"peak_rss_mb": self.peak_rss_mb})
    monkeypatch.setattr(measuring.Tally, "cpu_seconds", 1.0)
    report = bench.measure([b""] * 5, pipeline=tiny_pipeline, reference=True, chips=0)
    assert events[:5] == [("FacetWay", 3), "peak", "built", ("UsualWay", 3), ("apart", 3)]
    assert report["reference"]["peak_rss_mb"] == 1.5


def test_without_a_reference_there_is_no_ratio(tiny_pipeline, astronaut):
    report = bench.measure([astronaut], pipeline=tiny_pipeline)
    assert set(report) >= MEASURED
    assert not {"ratio", "reference"} & set(report)


def test_photos_that_break_others_are_measured_too(tiny_pipeline, astronaut):
    noise = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    bad = [
        Image.fromarray(noise),
        Image.new("RGB", (20_000, 1)),
        Image.new("RGB", (1, 20_000)),
        Image.new("RGB", (640, 480)),
        b"no photo",
        astronaut,
    ]
    report = bench.measure(bad, pipeline=tiny_pipeline, reference=True, chips=0)
    assert (report["photos"], report["faces"], report["failed"]) == (6, 1, 1)
    assert report["reference"]["failed"] >= 1
    assert "classification" not in report


def test_many_faces_are_all_found_and_classified(tiny_pipeline):
    report = bench.measure([crowd(100)], pipeline=tiny_pipeline)
    assert report["faces"] == 100


def test_a_batch_with_nobody_has_no_faces(tiny_pipeline):
    report = bench.measure([pictures.picture(90 + n, 80) for n in range(5)], pipeline=tiny_pipeline)
    assert (report["photos"], report["faces"], report["faces_per_second"]) == (5, 0, 0)


def test_generated_photos_show_the_astronaut(monkeypatch):
    monkeypatch.setattr(sample, "GENERATED", 2)
    made = sample.gather_photos(None, count=3, longest=400)
    assert made[0] == made[2]
    boxes = [face.box for face in FaceDetector(bench.REFERENCE).detect([ways.photos.read_photo(made[0])])[0]]
    assert len(boxes) == 1
    assert max(ways.photos.read_photo(made[1]).size) == 400


def test_growth_is_told_for_faces_and_sizes(tiny_pipeline, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(FacePipeline, "load", lambda *_, **__: tiny_pipeline)
    small = {"faces": (1, 4), "megapixels": (0.2,), "workers": ()}
    monkeypatch.setattr(bench.growth, "measure", partial(growth.measure, **small))
    assert bench.main(["--growth", "--count", "2", "--json", str(tmp_path / "growth.json")]) == 0
    report = json.loads((tmp_path / "growth.json").read_text())
    assert report["precision"] == tiny_pipeline.runtime.precision
    told = [(row["faces"], row["megapixels"], row["workers"], row["faces_found"]) for row in report["growth"]]
    assert told == [(1, 2.0, 0, 1.0), (4, 2.0, 0, 4.0), (1, 0.2, 0, 1.0)]
    assert all(row["photos_per_second"] > 0 and row["cpu_ms_per_photo"] > 0 for row in report["growth"])
    assert len(capsys.readouterr().out.splitlines()) == 4


@pytest.mark.slow
def test_growth_is_measured_with_workers_of_their_own(tiny_pipeline):
    load = partial(FacePipeline.load, device="cpu")
    (row,) = growth.measure(tiny_pipeline, load=load, count=2, faces=(), megapixels=(), workers=(2,))
    assert (row.workers, row.faces, row.faces_found) == (2, 1, 1.0)
    assert row.photos_per_second > 0


def test_a_crowd_has_the_pixels_and_the_people_asked_for():
    photo = ways.photos.read_photo(sample.make_crowd(12, megapixels=0.5))
    assert photo.width * photo.height == pytest.approx(500_000, rel=0.01)
    assert photo.width / photo.height == pytest.approx(4 / 3, rel=0.01)
    assert len(FaceDetector().detect([photo])[0]) == 12


def test_differences_are_counted_by_overlap():
    reference = Seen({}, boxes=((0, 0, 10, 10), (50, 50, 60, 60), (80, 80, 99, 99)), probabilities=(0.99, 0.95, 0.8))
    assert ways.overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert ways.overlap((0, 0, 0, 0), (0, 0, 0, 0)) == 0
    ours = [(0, 0, 10, 10.1), (80, 80, 99, 99), (200, 200, 220, 220)]
    assert ways.count_differences(ours, reference) == (2, 1, 1)


def test_times_are_told_by_median_and_95th_percentile():
    assert measuring.describe_times([float(value) for value in range(101)]) == {"median": 50.0, "p95": 95.0}


def test_a_peak_of_memory_is_seen():
    tally = measuring.Tally()
    with tally.turn() as seen:
        before = measuring.read_peak_mb()
        seen.append(Seen(dict.fromkeys(ways.STAGES, 1.0)))
        np.ones(25_000_000)
    assert tally.peak_rss_mb > before + 150
    assert tally.report()["photos"] == 1


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (["nowhere"], "not a folder"),
        (["{empty}"], "no photos in"),
        (["--count", "0"], "--count"),
        (["--growth", "--reference"], "--growth makes its own photos"),
        (["--device", "cuda:9"], "no device 'cuda:9'"),
        (["--device", "abacus"], "no device 'abacus'"),
        (["{empty}", "--model", "nowhere"], "no "),
    ],
)
def test_what_cannot_be_measured_is_told_in_a_line(told, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        bench.main([word.format(empty=tmp_path) for word in told])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_network_with_labels_of_its_own_is_measured_too(tiny, tmp_path):
    net, card = tiny
    own = {"gender": ("Female", "Male", "Non-binary")}
    checkpoint.save(
        tmp_path / "model", net=type(net)(net.trunk, attributes=own), card=replace(card, labels=own, thresholds={})
    )
    file = tmp_path / "speed.json"
    told = ["--model", str(tmp_path / "model"), "--count", "1", "--longest", "200", "--chips", "0", "--json", str(file)]
    assert bench.main(told) == 0
    assert json.loads(file.read_text())["photos"] == 1
