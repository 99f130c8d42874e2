import csv
import json
import os
import re
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml import evaluate, export, labels
from ml.datasets import face_set, fairface
from ml.measuring import whole_way
from ml.model import card as cards
from ml.model import checkpoint, network
from ml.model.runtime import TorchRuntime
from ml.preprocess import Chip
from tests.ml.conftest import TinyTrunk

HUMAN = Path(evaluate.__file__).parent / "configs" / "peers" / "human.toml"


@pytest.fixture
def model(tiny, tmp_path) -> Path:
    net, card = tiny
    checkpoint.save(tmp_path / "model", net=net, card=card)
    return tmp_path / "model"


@pytest.fixture
def arguments(small_fairface, model) -> list[str]:
    return ["--data", str(small_fairface), "--labels", fairface.TRAIN_CSV, "--model", str(model)]


def test_a_checkpoint_is_measured_into_json_csv_and_html(arguments, tmp_path, capsys):
    outputs = {kind: tmp_path / "out" / f"report.{kind}" for kind in ("json", "csv", "html")}
    options = [word for kind, path in outputs.items() for word in (f"--{kind}", str(path))]
    assert evaluate.main([*arguments, *options]) == 0
    report = json.loads(outputs["json"].read_text())
    assert (report["name"], report["data"]["name"], report["data"]["images"]) == ("tiny-1", "fairface_train", 64)
    assert report["measures"]["gender"]["images"] == 64
    assert set(report["measures"]["sure"]["race"]) == {"fairface-7", "utkface-4"}
    rows = list(csv.DictReader(outputs["csv"].open()))
    accuracy = next(row for row in rows if (row["attribute"], row["slice"], row["measure"]) == ("age", "", "accuracy"))
    assert float(accuracy["value"]) == report["measures"]["age"]["accuracy"]
    page = outputs["html"].read_text()
    assert page.startswith("<!doctype html>")
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:|#)""", page)
    for title in ("In short", "Race", "Gender", "Age", "How this was measured"):
        assert f">{title}</h2>" in page
    told = capsys.readouterr().out
    assert "tiny-1 on 64 faces" in told
    for name in (*labels.RACE, *labels.GENDER, *labels.AGE):
        assert re.search(rf"^  {re.escape(name)} ", told, re.MULTILINE), name
    assert not list(outputs["json"].parent.glob("*.part"))


def test_limit_and_list_files_measure_other_sets(small_fairface, model, tmp_path, capsys):
    (tmp_path / "test.txt").write_text(
        "".join(f"train/{n}.webp {'Asian' if n % 2 else 'Black'}\n" for n in range(1, 31))
    )
    file = tmp_path / "report.json"
    arguments = ["--data", str(small_fairface), "--model", str(model), "--json", str(file)]
    assert (
        evaluate.main([*arguments, "--list", str(tmp_path / "test.txt"), "--taxonomy", "list-5", "--limit", "20"]) == 0
    )
    report = json.loads(file.read_text())
    assert (report["data"]["name"], report["measures"]["images"]) == ("list_test", 20)
    assert report["measures"]["race"]["grouping"] == "list-5"
    assert report["measures"]["not_measured"] == dict.fromkeys(("gender", "age"), "the data set has no such labels")
    assert "gender and age are not measured: the data set has no such labels" in capsys.readouterr().out


def test_where_no_groups_can_be_held_against_each_other_no_gaps_are_told(small_fairface, model, tmp_path, capsys):
    (tmp_path / "one.txt").write_text("train/1.webp Asian\n")
    arguments = ["--data", str(small_fairface), "--model", str(model), "--html", str(tmp_path / "page.html")]
    assert evaluate.main([*arguments, "--list", str(tmp_path / "one.txt"), "--taxonomy", "list-5"]) == 0
    assert "lowest and highest" not in capsys.readouterr().out
    page = (tmp_path / "page.html").read_text()
    assert "told right least and most often" not in page
    assert "Gaps between groups" not in page


def test_recording_keeps_the_weights_and_other_metrics(arguments, model, capsys):
    before = cards.read_card(model)
    assert evaluate.main([*arguments, "--record", "--as", "somewhere"]) == 0
    _, card = checkpoint.load(model)
    assert card.metrics["race"] == before.metrics["race"]
    assert card.metrics["somewhere"]["images"] == 64
    assert set(card.metrics["somewhere"]["gender"]) >= {"accuracy", "by_race", "ece", "gap_by_race"}
    assert "intersections" not in card.metrics["somewhere"]["gender"]
    assert card.sha256 != before.sha256
    assert card.sha256[:12] in capsys.readouterr().out


def test_an_exported_model_is_recorded_as_well(arguments, tiny, model):
    net, card = tiny
    (model / cards.WEIGHTS_FILE).unlink()
    weights = export.to_onnx(net, card=card)
    cards.write_pair(model, card=card, weights=weights, weights_file=cards.ONNX_FILE)
    assert evaluate.main([*arguments, "--record"]) == 0
    found, same = cards.read_pair(model, weights_file=cards.ONNX_FILE)
    assert found.metrics["fairface_train"]["images"] == 64
    assert same == weights


@pytest.mark.parametrize("option", [["--record"], ["--json", "new/report.json"], ["--html", "report.html"]])
def test_where_nothing_can_be_written_nothing_is_measured(arguments, option, capsys, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(evaluate, "evaluate", lambda *_, **__: pytest.fail("measured"))
    with pytest.raises(SystemExit) as stopped:
        evaluate.main([*arguments, *option])
    assert stopped.value.code == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert option[0] in last
    assert "cannot write in" in last


def test_images_that_the_model_was_trained_on_are_told_and_not_recorded(arguments, model, tmp_path, capsys):
    net, card = checkpoint.load(model)
    recipe = {"data": {"shards": ["train-0.zip"], "held_out": 8}}
    checkpoint.save(model, net=net, card=replace(card, recipe=recipe))
    with pytest.raises(SystemExit):
        evaluate.main([*arguments, "--seen", "measure", "--record", "--html", str(tmp_path / "r.html")])
    told = capsys.readouterr()
    assert "warning: tiny-1 was trained on 56 of the 64 images" in told.err
    assert "Not recorded" in told.err
    assert "tiny-1 on 64 faces" in told.out
    assert "remembers" in (tmp_path / "r.html").read_text()
    assert "fairface_train" not in cards.read_card(model).metrics


def test_a_model_with_labels_of_its_own_is_measured_where_both_can_say(tiny, small_fairface, tmp_path):
    _, card = tiny
    own = {"gender": ("male", "female", "non-binary"), "eyes": ("blue", "brown")}
    net = network.AttributeNet(TinyTrunk(), attributes=own).eval()
    checkpoint.save(tmp_path, net=net, card=replace(card, labels=own, temperatures={}, thresholds={}))
    file = tmp_path / "report.json"
    arguments = ["--data", str(small_fairface), "--labels", fairface.TRAIN_CSV, "--model", str(tmp_path)]
    assert evaluate.main([*arguments, "--json", str(file)]) == 0
    found = json.loads(file.read_text())["measures"]
    assert found["gender"]["names"] == ["Male", "Female"]
    assert found["not_measured"] == {"eyes": "the data set has no such labels"}


@pytest.fixture
def theirs(small_fairface, tmp_path) -> list[str]:
    """Predictions of 40 of the 64 images, right about every gender, by the name of a careless person."""
    with (tmp_path / "theirs.csv").open("w") as file:
        file.write("file,man,years\n")
        file.writelines(f"train/{n}.webp,{1 - n % 2},{n}\n" for n in range(1, 41))
    (tmp_path / "theirs.toml").write_text(
        'name = "<b>theirs</b>"\n[gender]\nprobabilities = { Male = "man" }\n[age]\nyears = "years"\n'
    )
    place = ["--data", str(small_fairface), "--labels", fairface.TRAIN_CSV]
    return [*place, "--predictions", str(tmp_path / "theirs.csv"), "--mapping", str(tmp_path / "theirs.toml")]


def test_somebody_elses_predictions_are_measured(theirs, tmp_path, capsys):
    assert evaluate.main([*theirs, "--json", str(tmp_path / "r.json"), "--html", str(tmp_path / "r.html")]) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    found = report["measures"]
    assert (report["sha256"], found["images"], found["unpredicted"]) == ("", 40, 24)
    assert found["gender"]["accuracy"] == 1.0
    assert found["age"]["labels_only"]
    page = (tmp_path / "r.html").read_text()
    assert "<b>theirs</b>" not in page
    assert escape("<b>theirs</b>") in page
    assert "24 of 64 faces of the data set are not predicted" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (["--record"], "need a checkpoint"),
        (["--whole-way"], "need a checkpoint"),
        (["--device", "mps"], "no device 'mps'"),
        (["--device", "meta"], "no device 'meta'"),
        (["--json", "."], "is a folder"),
        (["--csv", __file__ + "/report.csv"], "is not a folder"),
        (["--html", "/dev/null"], "is not a file"),
        (["--device", "cuda:7"], "no device 'cuda:7'"),
        (["--device", "abacus"], "no device 'abacus'"),
        (["--reader", "folders", "--classes", "a,A"], "read the same"),
        (["--labels", "nothing.csv"], "Not there"),
        (["--mapping", "nothing.toml"], "nothing.toml"),
    ],
)
def test_bad_input_is_a_line(theirs, extra, told, capsys):
    with pytest.raises(SystemExit) as stopped:
        evaluate.main([*theirs, *extra])
    assert stopped.value.code == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("python -m ml.evaluate: error:")
    assert told in last


def test_predictions_without_a_mapping_and_a_missing_checkpoint_are_told(theirs, arguments, tmp_path, capsys):
    for words, told in ((theirs[:-2], "belong together"), ([*arguments[:-1], str(tmp_path / "no")], "no model.json")):
        with pytest.raises(SystemExit):
            evaluate.main(words)
        assert told in capsys.readouterr().err


def test_sets_are_named_after_what_is_measured():
    def name(**options) -> str:
        return evaluate.name_source(evaluate.sources.Source(Path("place"), **options))

    assert name(shards=("val.zip",)) == "fairface_val"
    assert name(label_file=fairface.VAL_CSV) == "fairface_val"
    assert name(reader="utkface") == "utkface"
    assert name(reader="list", list_file=Path("a/val.txt")) == "list_val"


@dataclass(frozen=True)
class Found:
    chip: Chip


class MiddleDetector:
    """Finds what lies in the middle of a canvas and something in its corner; every fourth canvas is empty to it."""

    def __init__(self) -> None:
        self.canvases = 0

    def detect(self, photos: list[Image.Image]) -> list[list[Found]]:
        self.canvases += 1
        if self.canvases % 4 == 0:
            return [[]]
        side = photos[0].width / 2
        return [[Found(Chip(3, 3, side, 0.0)), Found(Chip(side, side, side, 0.0))]]


def test_the_whole_way_cuts_the_face_in_the_middle_again(tiny, small_fairface):
    net, card = tiny
    runtime = TorchRuntime(net, card)
    large = fairface.read_fairface(small_fairface, label_file=fairface.TRAIN_CSV, size=64, limit=16)
    chips = replace(large, images=np.ascontiguousarray(large.images[:, ::2, ::2]))
    found = whole_way.measure_whole_way(large, chips, runtime=runtime, detector=MiddleDetector())
    assert (found.images, found.found) == (16, 0.75)
    assert found.found_again.images == found.same_chips.images == 12
    cut, picks = whole_way.find_again(large, preset=card.preset, detector=MiddleDetector())
    assert picks.tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14]
    # The middle of a turned chip stays where it is; bright chips are bright.
    middle = cut[:, 12:20, 12:20].mean(axis=(1, 2, 3))
    assert np.abs(middle - large.images[picks][:, 24:40, 24:40].mean(axis=(1, 2, 3))).max() < 12


def test_a_whole_way_on_which_nobody_is_found_is_told(tiny, small_fairface):
    class Blind:
        def detect(self, photos: list[Image.Image]) -> list[list[Found]]:
            return [[] for _ in photos]

    faces = fairface.read_fairface(small_fairface, label_file=fairface.TRAIN_CSV, size=32, limit=2)
    with pytest.raises(face_set.BadData, match="none of the 2 faces"):
        whole_way.find_again(faces, preset=tiny[1].preset, detector=Blind())


def test_the_ground_turns_clockwise():
    chip = Image.new("RGB", (40, 40), "black")
    chip.paste("white", (0, 0, 40, 10))  # white above turns to the right
    ground = np.asarray(whole_way.lay_on_ground(chip, angle=90))
    assert ground.shape == (80, 80, 3)
    assert ground[40, 57].tolist() == [255, 255, 255]
    assert ground[2, 2].tolist() == list(whole_way.GREY)


@pytest.mark.slow
def test_500_validation_chips_reach_the_recorded_numbers(shared, tmp_path):
    file, page = tmp_path / "report.json", tmp_path / "report.html"
    place = ["--data", str(shared / "data" / "fairface"), "--limit", "500"]
    assert evaluate.main([*place, "--json", str(file), "--html", str(page)]) == 0
    found = json.loads(file.read_text())
    recorded = cards.read_card().metrics["fairface_val"]
    assert found["data"]["name"] == "fairface_val"
    for attribute in labels.ATTRIBUTES:
        share = recorded[attribute]["accuracy"]
        # Three standard errors of a sample of 500.
        assert abs(found["measures"][attribute]["accuracy"] - share) < 3 * np.sqrt(share * (1 - share) / 500), attribute
    assert page.stat().st_size < 3_000_000


@pytest.mark.slow
def test_another_systems_predictions_are_read_and_far_behind(shared, tmp_path):
    peers = ["--predictions", str(shared / "peers" / "human_fairface_val.csv"), "--mapping", str(HUMAN)]
    file = tmp_path / "report.json"
    assert (
        evaluate.main(["--data", str(shared / "data" / "fairface"), "--limit", "600", *peers, "--json", str(file)]) == 0
    )
    found = json.loads(file.read_text())["measures"]
    assert (found["images"], found["race"]["grouping"]) == (501, "utkface-5")
    # What its first 1,000 images were measured at elsewhere: 40.7, 79.4, 41.0.
    assert found["race"]["accuracy"] == pytest.approx(0.407, abs=0.05)
    assert found["gender"]["accuracy"] == pytest.approx(0.794, abs=0.05)
    assert found["age"]["accuracy"] == pytest.approx(0.41, abs=0.05)
