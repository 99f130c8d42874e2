import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from ml import labels, predict
from ml.model.card import read_card
from ml.pipeline import FacePipeline
from ml.predicting import growing
from ml.predicting.rows import Rows
from tests import pictures


@pytest.fixture
def folder(tmp_path, astronaut):
    """One photo with a face, one without, one that is none, a note, and a subfolder."""
    astronaut.save(tmp_path / "astronaut.png")
    (tmp_path / "deeper").mkdir()
    pictures.picture(80, 60).save(tmp_path / "deeper" / "nobody.JPG", "JPEG")
    (tmp_path / "broken.jpg").write_text("not a photo")
    (tmp_path / "notes.txt").write_text("not looked at")
    return tmp_path


@pytest.fixture(autouse=True)
def loaded(monkeypatch, pipeline):
    """The default model is loaded once for all of these tests."""
    monkeypatch.setattr(FacePipeline, "load", lambda *args, **kwargs: pipeline)


def test_the_columns_are_those_that_were_promised():
    names = list(Rows(read_card()).columns)
    assert names[:8] == ["file", "status", "face", "x1", "y1", "x2", "y2", "detection"]
    assert names[8:11] == ["predicted_race", "race_White", "race_Black"]
    assert "race_Latino_Hispanic" in names
    assert "race_Southeast Asian" in names
    assert names[16:19] == ["predicted_gender", "gender_Male", "gender_Female"]
    assert names[-19:-17] == ["age_more than 70", "age_years"]
    assert names[-17:-14] == ["unsure_race", "unsure_gender", "unsure_age"]
    assert names[-14:-9] == ["set_race", "set_gender", "set_age", "age_low", "age_high"]
    assert names[-9:-5] == ["photo_width", "photo_height", "sharpness", "brightness"]
    assert names[-5:] == ["narrowest_face_px", "turned", "cut_off", "model", "reason"]
    assert len(names) == 8 + 8 + 3 + 10 + 1 + 3 + 5 + 9


def test_a_folder_becomes_csv_rows(folder, capsys):
    out = folder / "out.csv"
    assert predict.main([str(folder), "--csv", str(out)]) == 0
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    assert capsys.readouterr().out == ""
    assert [(row["file"], row["status"], row["face"]) for row in rows] == [
        (str(folder / "astronaut.png"), "ok", "1"),
        (str(folder / "broken.jpg"), "unreadable", ""),
        (str(folder / "deeper" / "nobody.JPG"), "no_face", ""),
    ]
    first, second = rows[0], rows[1]
    for attribute, names in labels.ATTRIBUTES.items():
        shares = {name: float(first[f"{attribute}_{name}"]) for name in names}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-3)
        assert first[f"predicted_{attribute}"] == max(shares, key=shares.__getitem__)
        label, card = first[f"predicted_{attribute}"], read_card()
        least = card.calibration.threshold(attribute, taxonomy=card.taxonomy(attribute), label=label)
        assert first[f"unsure_{attribute}"] == str(shares[label] < least).lower()
        rule = card.sets[attribute][card.taxonomy(attribute)]
        enough = {name for name in names if shares[name] >= rule.least[name]}
        assert {label} <= set(first[f"set_{attribute}"].split("|")) >= enough
    assert int(first["age_low"]) < float(first["age_years"]) < int(first["age_high"])
    assert float(first["x1"]) < float(first["x2"])
    assert set(second.values()) == {str(folder / "broken.jpg"), "unreadable", "format", ""}


def test_json_goes_to_standard_output_alone(folder, capsys):
    assert predict.main([str(folder / "astronaut.png"), str(folder / "broken.jpg"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["status"] for row in rows] == ["ok", "unreadable"]
    assert list(rows[0]) == list(Rows(read_card()).columns)
    assert rows[0]["face"] == 1
    assert rows[1]["x1"] is None


def test_people_get_a_table(folder, capsys):
    assert predict.main([str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert "perceived race" in lines[0]
    assert "%" in lines[1]
    assert "unreadable" in lines[2]
    assert "no_face" in lines[3]


def test_aligned_images_are_faces_without_a_box(folder, capsys):
    assert predict.main([str(folder / "deeper" / "nobody.JPG"), "--aligned", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["status"], row["face"], row["x1"], row["detection"]) == ("ok", 1, None, None)
    assert row["predicted_race"] in labels.RACE
    assert row["age_years"] > 0


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nowhere.jpg"],
        ["{folder}", "--csv", "{folder}"],
        ["{folder}", "--csv", "{folder}/notes.txt/rows.csv"],
        ["{folder}", "--model", "{folder}"],
        ["{folder}", "--unknown"],
    ],
)
def test_bad_arguments_end_with_2(folder, arguments, capsys):
    with pytest.raises(SystemExit) as end:
        predict.main([argument.format(folder=folder) for argument in arguments])
    assert end.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_what_was_done_before_a_failure_is_kept_under_another_name(folder, monkeypatch, capsys):
    out = folder / "out.csv"
    out.write_text("before")

    def fail(*_: object) -> str:
        raise OSError(28, "No space left on device", str(out))

    monkeypatch.setattr(growing.os, "replace", fail)
    with pytest.raises(SystemExit):
        predict.main([str(folder / "broken.jpg"), "--csv", str(out)])
    told = capsys.readouterr().err
    assert "No space left on device: " in told
    assert "--resume goes on with it" in told
    assert out.read_text() == "before"
    assert "broken.jpg" in (folder / "out.csv.unfinished").read_text()


def test_a_folder_without_photos_is_told_and_nothing_is_written(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        predict.main([str(tmp_path), "--csv", str(tmp_path / "out.csv")])
    assert end.value.code == 2
    assert f"there is no photo in {tmp_path}" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out.csv").exists()


def run(*arguments, **environment):
    command = [sys.executable, "-m", "ml.predict", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, env=os.environ | environment)


def test_it_runs_as_a_command_and_says_by_its_status_that_nothing_could_be_read(folder):
    found = run(folder / "broken.jpg", "--json")
    assert found.returncode == 3, found.stderr
    assert [(row["status"], row["reason"]) for row in json.loads(found.stdout)] == [("unreadable", "format")]
    assert b"1 file, 0 faces; not read: 1 (cannot identify the format: none of those that Facet reads)" in found.stderr


def test_no_name_of_a_file_costs_a_run(tmp_path):
    """Neither bytes that are no UTF-8, nor letters that the terminal lacks, nor what it would obey."""
    for name in (b"\xff.png", "北.png".encode(), b"a\x1b[31m\n.png", b"=1+1.png"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            pictures.picture(8, 8).save(file, "PNG")
    out = tmp_path / "out.csv"
    assert run(tmp_path, "--csv", out, PYTHONIOENCODING="ascii:strict").returncode == 0
    with open(out, newline="", encoding="utf-8") as file:
        told = {row["file"].removeprefix(f"{tmp_path}/") for row in csv.DictReader(file)}
    assert told == {"\\xff.png", "北.png", "a\x1b[31m\n.png", "=1+1.png"}
    table = run(tmp_path, PYTHONIOENCODING="ascii:strict")
    assert table.returncode == 0
    assert b"\x1b" not in table.stdout + table.stderr
    assert len(table.stdout.splitlines()) == 5


def test_a_run_that_was_killed_is_gone_on_with(tmp_path, monkeypatch, pipeline):
    for number in range(4):
        pictures.picture(8 + number, 8).save(tmp_path / f"{number}.png")
    out = tmp_path / "out.csv"
    monkeypatch.setattr(predict, "PHOTOS_AT_ONCE", 1)
    asked = []

    def analyze(requests):
        asked.extend(request.image.name for request in requests)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return FacePipeline.analyze(pipeline, requests)

    monkeypatch.setattr(pipeline, "analyze", analyze)
    assert predict.main([str(tmp_path), "--csv", str(out)]) == 130
    assert not out.exists()
    assert predict.main([str(tmp_path), "--csv", str(out), "--resume"]) == 0
    assert asked == ["0.png", "1.png", "2.png", "1.png", "2.png", "3.png"]
    with open(out, newline="") as file:
        assert [row["file"][-5:] for row in csv.DictReader(file)] == ["0.png", "1.png", "2.png", "3.png"]


def test_shards_hold_all_files_and_parquet_has_types(folder):
    parquet = pytest.importorskip("pyarrow.parquet")
    files = []
    for number in (1, 2):
        out = folder / f"{number}.parquet"
        try:
            predict.main([str(folder), "--parquet", str(out), "--shard", f"{number}/2"])
        except SystemExit:
            continue  # no photo in this part
        table = parquet.read_table(out)
        files += table.column("file").to_pylist()
        assert str(table.schema.field("face").type) == "int32"
        assert str(table.schema.field("unsure_race").type) == "bool"
    assert sorted(os.path.basename(file) for file in files) == ["astronaut.png", "broken.jpg", "nobody.JPG"]
    assert not list(folder.glob("*.csv"))


def test_a_checkpoint_says_what_it_knows_in_labels_of_its_own(folder, capsys, monkeypatch, pipeline):
    own = {"mood": ("glad", "sad"), "gender": ("Female", "Male", "Non-binary"), "age": ("Child", "Teen", "Adult")}
    card = replace(pipeline.card, labels=own, thresholds={})

    def analyze(requests):
        for result in FacePipeline.analyze(pipeline, requests):
            vectors = {"mood": (0.9, 0.1), "gender": (0.2, 0.3, 0.5), "age": (0.1, 0.8, 0.1)}
            yield replace(result, faces=tuple(replace(face, probabilities=vectors) for face in result.faces))

    told = SimpleNamespace(card=card, analyze=lambda requests: list(analyze(requests)))
    monkeypatch.setattr(FacePipeline, "load", lambda *args, **kwargs: told)
    out, report = folder / "out.csv", folder / "report.json"
    assert predict.main([str(folder), "--csv", str(out), "--report", str(report)]) == 0
    with open(out, newline="") as file:
        first = next(csv.DictReader(file))
    guesses = {"gender": "Non-binary", "age": "Teen", "mood": "glad"}
    assert {name: first[f"predicted_{name}"] for name in guesses} == guesses
    assert first["predicted_race"] == first["race_White"] == first["unsure_race"] == ""
    assert {row["label"] for row in json.loads(report.read_text())["attributes"]["mood"]["rows"]} == {"glad", "sad"}
    assert predict.main([str(folder / "astronaut.png")]) == 0
    assert "Non-binary 50%" in capsys.readouterr().out


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    for number in range(120):  # more than a pipe holds
        (tmp_path / f"{number}.jpg").write_text("not a photo")
    python = f"{sys.executable} -m ml.predict {tmp_path} --json"
    command = ["bash", "-c", f"{python} | head -c 5; echo; echo ${{PIPESTATUS[0]}}"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.stdout.splitlines()[-1] == "0"
    assert "Error" not in found.stderr


def test_a_decoders_warning_names_the_file_each_time(tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    broken = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x05\x00"  # five entries are promised, and none is there
    names = [b"first.jpg", b"second\xff.jpg"]
    for name in names:
        content = io.BytesIO()
        Image.new("RGB", (60, 60), (90, 120, 200)).save(content, "JPEG", exif=broken)
        Path(folder / os.fsdecode(name)).write_bytes(content.getvalue())
    assert predict.main([str(folder), "--csv", str(tmp_path / "out.csv")]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "EXIF" in line]
    assert [line.partition("Corrupt EXIF data")[0] for line in told] == [
        f"warning: {folder}/first.jpg: ",
        f"warning: {folder}/second\\xff.jpg: ",
    ]
