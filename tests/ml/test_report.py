"""The commands that tell who is in a collection, as they are called."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from ml import draw, labels, predict, report
from ml.model import card as cards
from ml.pipeline import FacePipeline
from ml.surveying import knowing
from tests import pictures
from tests.ml.surveying import made_up

DEFAULT = knowing.name_model(cards.read_card())
QUICK = ["--replicates", "200"]


@pytest.fixture
def predictions(tmp_path):
    """Faces that say they come from the default model."""
    made_up.write_predictions(tmp_path / "faces.csv", count=300, shares={"race": {"White": 0.7}}, model=DEFAULT)
    return tmp_path / "faces.csv"


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        report.main([*map(str, arguments), *QUICK])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error.splitlines()[-1]


def values(tmp_path, *arguments):
    out = tmp_path / "report.json"
    assert report.main([*map(str, arguments), "--json", str(out), *QUICK]) == 0
    return json.loads(out.read_text())


def test_predictions_of_the_default_model_are_corrected_by_what_it_carries(predictions, tmp_path, capsys):
    files = [str(tmp_path / f"report.{suffix}") for suffix in ("html", "json", "csv")]
    assert report.main([str(predictions), "--html", files[0], "--json", files[1], "--csv", files[2], *QUICK]) == 0
    assert "report of 300 faces written to" in capsys.readouterr().out
    found = json.loads((tmp_path / "report.json").read_text())
    assert (found["basis"], found["model"]) == ("adjusted", cards.read_card().name)
    assert "corrected labels" in (tmp_path / "report.html").read_text()
    assert report.main([str(predictions), *QUICK]) == 0
    assert "if the model errs here as on FairFace" in capsys.readouterr().out


def test_predict_writes_the_same_report_as_its_csv_gives(tmp_path, astronaut, pipeline, monkeypatch):
    monkeypatch.setattr(FacePipeline, "load", lambda *args, **kwargs: pipeline)
    place = tmp_path / "photos"
    place.mkdir()
    for name in ("a.png", "b.png"):
        astronaut.save(place / name)
    (place / "broken.jpg").write_text("no photo")
    first, table = tmp_path / "first.json", tmp_path / "photos.csv"
    assert predict.main([str(place), "--report", str(first), "--csv", str(table)]) == 0
    assert report.main([str(table), "--json", str(tmp_path / "second.json")]) == 0
    one, two = (json.loads(path.read_text()) for path in (first, tmp_path / "second.json"))
    assert one | {"created_at": ""} == two | {"created_at": ""}
    assert (one["photos"], one["photos_with_faces"], one["faces"]) == (3, 2, 2)
    assert one["left_out"] == {"photos that could not be read": 1}
    assert one["source"] == "photos"
    assert one["quality"].keys() == {"size_px", "sharpness", "brightness"}
    assert any("Only 2 faces" in note for note in one["notes"])


def test_ready_chips_are_corrected_by_the_matrix_of_chips(tmp_path, astronaut, pipeline, monkeypatch):
    monkeypatch.setattr(FacePipeline, "load", lambda *args, **kwargs: pipeline)
    astronaut.save(tmp_path / "chip.png")
    out = tmp_path / "report.html"
    assert predict.main([str(tmp_path / "chip.png"), "--aligned", "--report", str(out)]) == 0
    assert "The faces came as ready crops" in out.read_text()


def test_photos_without_a_face_give_rows_and_no_report(tmp_path, pipeline, monkeypatch, capsys):
    monkeypatch.setattr(FacePipeline, "load", lambda *args, **kwargs: pipeline)
    pictures.picture(80, 60).save(tmp_path / "nobody.jpg", "JPEG")
    out, table = tmp_path / "report.html", tmp_path / "rows.csv"
    with pytest.raises(SystemExit) as end:
        predict.main([str(tmp_path / "nobody.jpg"), "--report", str(out), "--csv", str(table)])
    assert end.value.code == 2
    assert "nobody has no face to count" in capsys.readouterr().err.splitlines()[-1]
    assert table.exists()
    assert not out.exists()


@pytest.mark.parametrize("name", ["report.pdf", "report"])
def test_a_report_of_another_format_is_refused_before_any_work(tmp_path, name, capsys):
    with pytest.raises(SystemExit) as end:
        predict.main([str(tmp_path), "--report", str(tmp_path / name)])
    assert end.value.code == 2
    assert "ends with none of .html, .json, .csv" in capsys.readouterr().err


def test_the_way_from_a_draw_to_reviewed_shares(tmp_path):
    path, out = tmp_path / "faces.csv", tmp_path / "draw.csv"
    truth = made_up.write_predictions(path, count=600, shares={"race": {"White": 0.7}}, model=DEFAULT)
    assert draw.main([str(path), "--size", "200", "--out", str(out)]) == 0
    made_up.fill(out, truth=truth)
    found = values(tmp_path, path, "--reviews", out)
    assert found["basis"] == "reviewed"
    assert found["reviewing"] == {"drawn": 200, "answered": 200, "reviewers": 1, "strata": "race"}
    white = found["attributes"]["race"]["rows"][0]
    true = sum(of["race"] == "White" for of in truth) / 600
    assert white["low"] < true < white["high"]


def test_answers_out_of_turn_are_told(tmp_path):
    truth = made_up.write_predictions(tmp_path / "faces.csv", count=400, model=DEFAULT)
    assert draw.main([str(tmp_path / "faces.csv"), "--size", "200", "--out", str(tmp_path / "draw.csv")]) == 0
    made_up.fill(tmp_path / "draw.csv", truth=truth)
    rows = made_up.read_rows((tmp_path / "draw.csv").read_text())
    stratum = [row for row in rows if row["stratum"] == rows[0]["stratum"]]
    stratum[-3] |= {f"reviewed_{name}": "" for name in labels.ATTRIBUTES}
    (tmp_path / "draw.csv").write_text(made_up.to_csv(list(rows[0]), rows))
    found = values(tmp_path, tmp_path / "faces.csv", "--reviews", tmp_path / "draw.csv")
    assert found["basis"] == "reviewed"
    assert any(note.startswith("2 answers were given out of turn") for note in found["notes"])


def test_predictions_of_another_model_are_refused(tmp_path, capsys):
    made_up.write_predictions(tmp_path / "faces.csv", count=50)
    assert "these are predictions of made-up-1 0123456789ab, and" in refused(capsys, tmp_path / "faces.csv")


def test_a_file_that_does_not_name_its_model_is_counted_unless_one_is_named(predictions, tmp_path):
    rows = made_up.read_rows(predictions.read_text())
    kept = [name for name in rows[0] if name not in ("model", "photo_width", "photo_height", "sharpness", "brightness")]
    predictions.write_text(made_up.to_csv(kept, [{name: row[name] for name in kept} for row in rows]))
    found = values(tmp_path, predictions)
    assert found["basis"] == "counted"
    assert "does not tell which model" in found["attributes"]["race"]["limit"]
    assert found["face_widths"] == {}
    assert values(tmp_path, predictions, "--model", cards.DEFAULT_DIR)["basis"] == "adjusted"


def test_a_checkpoint_from_before_there_was_evidence_is_told(predictions, tmp_path):
    old = tmp_path / "old"
    card, weights = cards.read_pair(cards.DEFAULT_DIR, weights_file=cards.WEIGHTS_FILE)
    cards.write_pair(old, card=replace(card, evidence={}), weights=weights, weights_file=cards.WEIGHTS_FILE)
    found = values(tmp_path, predictions, "--model", old)
    assert found["basis"] == "counted"
    assert f"{card.name} does not carry how it errs" in found["notes"][0]
    assert found["attributes"]["race"]["unsure"] is not None


def test_somebody_elses_predictions_are_counted_and_said_to_be(tmp_path):
    path, toml = tmp_path / "theirs.csv", tmp_path / "theirs.toml"
    path.write_text("file,sex\n" + "".join(f"{number}.jpg,{'MF'[number % 3 > 0]}\n" for number in range(90)))
    toml.write_text('name = "them"\n[gender]\nlabel = "sex"\nwords = { M = "Male", F = "Female" }\n')
    found = values(tmp_path, path, "--mapping", toml)
    assert (found["basis"], found["model"]) == ("counted", "them")
    assert found["attributes"]["gender"]["rows"][0]["share"] == pytest.approx(1 / 3)
    assert "nothing is known of the errors of these predictions" in found["attributes"]["gender"]["limit"]
    assert draw.main([str(path), "--mapping", str(toml), "--strata", "gender", "--size", "40", "--out",
                      str(tmp_path / "draw.csv")]) == 0  # fmt: skip
    rows = made_up.read_rows((tmp_path / "draw.csv").read_text())
    for row in rows:
        row["reviewed_gender"] = "Male"
    (tmp_path / "draw.csv").write_text(made_up.to_csv(list(rows[0]), rows))
    found = values(tmp_path, path, "--mapping", toml, "--reviews", tmp_path / "draw.csv")
    assert found["accuracy"]["gender"]["overall"]["share"] == pytest.approx(1 / 3, abs=0.01)


def test_other_collections_and_reference_shares_are_told_by_their_headers(predictions, tmp_path):
    made_up.write_predictions(tmp_path / "other.csv", count=300, seed=8, model=DEFAULT)
    found = values(tmp_path, predictions, "--against", tmp_path / "other.csv")
    assert {(of["kind"], of["against"]) for of in found["comparisons"]} == {("collection", "other")}
    (tmp_path / "census.csv").write_text("attribute;label;share\ngender;Male;49,5\ngender;Female;50,5\n")
    found = values(tmp_path, predictions, "--against", tmp_path / "census.csv")
    assert found["comparisons"][0]["rows"][0]["second"] == pytest.approx(0.495)


@pytest.mark.parametrize("against", ["census.csv", "faces.csv"])
def test_counted_labels_are_compared_with_nothing_and_that_is_told(tmp_path, against):
    made_up.write_predictions(tmp_path / "faces.csv", count=60, model="")
    (tmp_path / "census.csv").write_text("attribute,label,share\ngender,Male,0.5\ngender,Female,0.5\n")
    found = values(tmp_path, tmp_path / "faces.csv", "--against", tmp_path / against)
    assert found["comparisons"] == []
    names = {"census.csv": "gender", "faces.csv": "race, gender, age"}[against]
    told = f"Not compared with {against[:-4]}: {names}, of which there are only counted labels."
    assert told in found["notes"]


def test_groups_and_columns_are_chosen(predictions, tmp_path):
    found = values(tmp_path, predictions, "--taxonomy", "utkface-4", "--by", "photo_width", "--narrowest", "100")
    assert [row["label"] for row in found["attributes"]["race"]["rows"]] == list(labels.TAXONOMIES["utkface-4"])
    assert [(of["value"], of["faces"]) for of in found["groups"]] == [("1000", found["faces"])]
    assert "faces narrower than 100 px" in found["left_out"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["{folder}/nowhere.csv"], "No such file or directory"),
        (["{faces}", "--by", "mood"], "lacks the column mood"),
        (["{faces}", "--reviews", "{faces}"], "has no column reviewed_race"),
        (["{faces}", "--against", "{folder}/census.csv"], "on one side only: Female, Other"),
        (["{faces}", "--model", "{folder}"], "no model.json in"),
        (["{faces}", "--html", "{folder}/report.json"], "does not end with .html"),
        (["{faces}", "--mapping", "{faces}"], "faces.csv"),
        (["{folder}/none.csv"], "has no row under its header"),
        (["{faces}", "--against", "{folder}/nobody.csv"], "has no share under its header"),
        (["{faces}", "--seed", "-1"], "no whole number of at least 0"),
        (["{faces}", "--narrowest", "nan"], "no width in pixels"),
        (["{faces}", "--narrowest", "-5"], "no width in pixels"),
    ],
)
def test_what_cannot_work_ends_with_2_and_a_line(predictions, tmp_path, arguments, told, capsys):
    (tmp_path / "census.csv").write_text("attribute,label,share\ngender,Male,0.5\ngender,Other,0.5\n")
    (tmp_path / "nobody.csv").write_text("attribute,label,share\n")
    (tmp_path / "none.csv").write_text(predictions.read_text().splitlines()[0] + "\n")
    found = [text.format(folder=tmp_path, faces=predictions) for text in arguments]
    assert told in refused(capsys, *found)
    assert not list(tmp_path.glob("report.*"))


def test_too_few_resamples_are_refused(predictions, capsys):
    with pytest.raises(SystemExit) as end:
        report.main([str(predictions), "--replicates", "50"])
    assert end.value.code == 2
    assert "need 100 resamples or more" in capsys.readouterr().err


def test_reports_need_neither_torch_nor_matplotlib(predictions):
    code = (
        "import sys; from ml import draw, report; "
        f"assert report.main([{str(predictions)!r}, '--replicates', '100']) == 0; "
        "print([name for name in ('torch', 'matplotlib', 'scipy', 'pandas', 'django') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == "[]"
