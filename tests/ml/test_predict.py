import csv
import json
import subprocess
import sys

import pytest

from ml import files, labels, predict
from ml.pipeline import FacePipeline
from ml.surveying import reading
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
    names = predict.columns()
    assert names[:8] == ["file", "status", "face", "x1", "y1", "x2", "y2", "detection"]
    assert names[8:11] == ["predicted_race", "race_White", "race_Black"]
    assert "race_Latino_Hispanic" in names
    assert "race_Southeast Asian" in names
    assert names[16:19] == ["predicted_gender", "gender_Male", "gender_Female"]
    assert names[-7:-5] == ["age_more than 70", "age_years"]
    assert names[-5:] == ["photo_width", "photo_height", "sharpness", "brightness", "model"]
    assert len(names) == 8 + 8 + 3 + 10 + 1 + 5


def test_no_name_of_a_file_is_a_formula_to_a_spreadsheet():
    rows = [dict.fromkeys(predict.columns()) | {"file": name, "status": "no_face"} for name in ("=1+1.jpg", "a=1.jpg")]
    told = [row["file"] for row in csv.DictReader(predict.to_csv(rows).splitlines())]
    assert told == ["'=1+1.jpg", "a=1.jpg"]
    assert reading.key_of(told[0]) == reading.key_of("=1+1.jpg") != reading.key_of("a=1.jpg")


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
    assert float(first["x1"]) < float(first["x2"])
    assert set(second.values()) == {str(folder / "broken.jpg"), "unreadable", ""}


def test_json_goes_to_standard_output_alone(folder, capsys):
    assert predict.main([str(folder / "astronaut.png"), str(folder / "broken.jpg"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["status"] for row in rows] == ["ok", "unreadable"]
    assert list(rows[0]) == predict.columns()
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


def test_a_failure_leaves_no_half_written_file(folder, monkeypatch, capsys):
    out = folder / "out.csv"
    out.write_text("before")

    def fail(*_: object) -> str:
        raise OSError(28, "No space left on device", str(out))

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(SystemExit):
        predict.main([str(folder / "broken.jpg"), "--csv", str(out)])
    assert "No space left on device: " in capsys.readouterr().err
    assert out.read_text() == "before"
    assert not list(folder.glob("*part"))


def test_a_folder_without_photos_is_told_and_nothing_is_written(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        predict.main([str(tmp_path), "--csv", str(tmp_path / "out.csv")])
    assert end.value.code == 2
    assert f"there is no photo in {tmp_path}" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out.csv").exists()


def test_it_runs_as_a_command(folder):
    command = [sys.executable, "-m", "ml.predict", str(folder / "broken.jpg"), "--json"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)[0]["status"] == "unreadable"


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    for number in range(120):  # more than a pipe holds
        (tmp_path / f"{number}.jpg").write_text("not a photo")
    python = f"{sys.executable} -m ml.predict {tmp_path} --json"
    command = ["bash", "-c", f"{python} | head -c 5; echo; echo ${{PIPESTATUS[0]}}"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.stdout.splitlines()[-1] == "0"
    assert "Error" not in found.stderr
