"""Two models face by face: hand-worked tests, tiny networks, somebody else's CSV, bad input."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from ml import compare, labels
from ml.datasets import face_set
from ml.measuring import comparing, comparison_tables, same_answers
from ml.measuring.predictions import Predictions
from ml.model import checkpoint
from ml.reporting import comparison_page

GENDER = {"gender": face_set.classes_in("gender")}


def make_faces(targets, *, files=None, classes=None):
    (first, *_) = targets.values()
    count = len(first)
    rng = np.random.default_rng(1)
    return face_set.FaceSet(
        images=rng.integers(0, 255, (count, 8, 8, 3), dtype=np.uint8),
        targets={name: np.array(values) for name, values in targets.items()},
        files=files or tuple(f"{number}.jpg" for number in range(count)),
        classes=classes or {name: face_set.classes_in(name) for name in targets},
    )


def said(rows, *, attribute="gender", faces, classes=None, **more):
    return Predictions(
        name="somebody",
        files=faces.files,
        vectors={attribute: np.array(rows, dtype=float)},
        classes={attribute: classes or face_set.classes_in(attribute)},
        **more,
    )


def test_mcnemar_is_the_binomial_of_the_discordant_pairs():
    # 1 against 5: 2 * (C(6,0) + C(6,1)) / 2^6 = 14/64
    assert comparing.mcnemar(1, 5) == pytest.approx(14 / 64)
    # 0 against 10: 2 / 2^10
    assert comparing.mcnemar(10, 0) == pytest.approx(2 / 1024)
    assert comparing.mcnemar(4, 4) == 1.0
    assert comparing.mcnemar(0, 0) == 1.0


def test_the_interval_of_a_paired_difference_is_bonett_and_prices():
    # n = 98, 9 and 19 discordant: p12 = 10/100, p21 = 20/100, middle 0.1, reach 1.96 * sqrt((0.3 - 0.01) / 100)
    low, high = comparing.paired_interval(9, 19, 98)
    assert (low, high) == pytest.approx((0.1 - 0.105547, 0.1 + 0.105547), abs=1e-5)
    assert comparing.paired_interval(0, 0, 10)[0] < 0 < comparing.paired_interval(0, 0, 10)[1]
    assert comparing.paired_interval(0, 1, 1)[1] <= 1.0
    assert np.isnan(comparing.paired_interval(0, 0, 0)).all()


def test_holm_adjusts_in_order_and_never_decreases():
    assert comparing.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert comparing.holm([0.9, 0.8]) == [1.0, 1.0]
    assert comparing.holm([]) == []


def test_shares_of_both_sides_are_compared_face_by_face():
    production = np.array([True, True, True, False, False, False, True, False])
    candidate = np.array([True, True, True, True, True, True, False, False])
    row = comparing.compare_shares(production, candidate)
    assert (row.production, row.candidate, row.difference) == (0.5, 0.75, 0.25)
    assert (row.production_only, row.candidate_only) == (1, 3)
    assert row.p == pytest.approx(2 * (1 + 4) / 16)  # C(4,0) + C(4,1) of 2^4, twice
    assert row.low < 0.25 < row.high


def test_every_measure_of_a_small_comparison():
    faces = make_faces({"gender": [0, 0, 0, 1, 1, -1], "race": [0, 0, 1, 1, -1, 0]})
    production = said([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7], [0.8, 0.2], [1, 0]], faces=faces)
    candidate = said([[0.9, 0.1], [0.3, 0.7], [0.7, 0.3], [0.1, 0.9], [0.4, 0.6], [1, 0]], faces=faces)
    pairings, reasons = comparing.pair(production, candidate, faces)
    part = comparing.compare(pairings, faces)["gender"]
    assert reasons == {"race": "not told by production and candidate"}
    assert (part.images, part.not_compared, part.groups) == (5, 0, ("Male", "Female"))
    assert (part.overall.production, part.overall.candidate) == (0.6, 0.8)
    assert part.balanced_accuracy.production == pytest.approx((2 / 3 + 1 / 2) / 2, abs=1e-5)
    assert part.balanced_accuracy.candidate == pytest.approx((2 / 3 + 1) / 2, abs=1e-5)
    assert part.agreement == comparison_tables.Agreement(same=0.4, both_right=0.4, both_wrong=0.0)
    assert part.worst_group.production == comparison_tables.Worst(group="Female", share=0.5, images=2)
    assert part.worst_group.candidate == comparison_tables.Worst(group="Male", share=0.66667, images=3)
    assert [(row.group, row.images) for row in part.by["gender"]] == [("Male", 3), ("Female", 2)]
    # The face without a race counts in none of the groups.
    assert [(row.group, row.images) for row in part.by["race"]] == [("White", 2), ("Black", 2)]
    assert part.ece.production is not None


def test_faces_they_tell_apart_come_by_the_surety_of_the_less_sure():
    faces = make_faces({"gender": [0, 0, 1, 1]})
    production = said([[0.9, 0.1], [0.99, 0.01], [0.2, 0.8], [0.7, 0.3]], faces=faces)
    candidate = said([[0.3, 0.7], [0.45, 0.55], [0.1, 0.9], [0.2, 0.8]], faces=faces)
    found = comparing.find_disagreements(comparing.pair(production, candidate, faces)[0]["gender"])
    assert [one.row for one in found] == [0, 3, 1]
    assert found[1].labelled == "Female"
    assert found[1].said == {"production": ("Male", 0.7), "candidate": ("Female", 0.8)}


def test_labels_without_probabilities_have_no_calibration_error_and_no_surety():
    faces = make_faces({"gender": [0, 1]})
    production = said([[1, 0], [1, 0]], faces=faces, labels_only=frozenset({"gender"}))
    candidate = said([[0.4, 0.6], [0.3, 0.7]], faces=faces)
    pairings, _ = comparing.pair(production, candidate, faces)
    assert comparing.compare(pairings, faces)["gender"].ece.production is None
    assert comparing.find_disagreements(pairings["gender"])[0].said["production"] == ("Male", None)


def test_sides_of_other_groups_are_compared_in_what_both_can_say():
    faces = make_faces({"race": [0, 3, 4, 6, 1]})
    fine = said(np.eye(7)[[0, 3, 3, 6, 6]], attribute="race", faces=faces)
    four = said(
        [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]],
        attribute="race",
        faces=faces,
        classes=face_set.classes_in("race", taxonomy="utkface-4"),
    )
    pairings, _ = comparing.pair(fine, four, faces)
    part = comparing.compare(pairings, faces)["race"]
    assert part.groups == ("White", "Black", "Asian", "Indian")
    assert part.images == 4  # Middle Eastern is none of the four
    assert part.overall.production == 0.75  # the last has all its probability in what is left out: wrong
    assert part.overall.candidate == 0.75
    answers = [one.said["production"] for one in comparing.find_disagreements(pairings["race"])]
    assert (comparing.NONE_OF_THEM, None) in answers


def test_faces_that_one_side_does_not_predict_are_left_out_and_counted():
    faces = make_faces({"gender": [0, 1, 1]})
    production = said([[1, 0], [np.nan, np.nan], [0, 1]], faces=faces)
    some = Predictions("some", ("2.jpg", "0.jpg"), {"gender": np.array([[0.2, 0.8], [0.9, 0.1]])}, GENDER)
    part = comparing.compare(comparing.pair(production, some, faces)[0], faces)["gender"]
    assert (part.images, part.not_compared) == (2, 1)
    assert part.overall.candidate == 1.0


def test_nothing_in_common_is_an_error():
    faces = make_faces({"gender": [0, 1]})
    other = said([[1, 0], [0, 1]], attribute="mood", faces=faces, classes=face_set.own_classes("mood", ["glad", "sad"]))
    with pytest.raises(face_set.BadData, match="mood: not told by data set and production"):
        comparing.pair(said([[1, 0], [0, 1]], faces=faces), other, faces)


def check_same(*, wrong, lost, count=1000):
    """`wrong` faces of the first 300 are another group in the candidate, `lost` of which production had right."""
    actual = np.repeat([0, 1], [300, count - 300])
    answers = actual.copy()
    answers[lost:wrong] = 1
    other = answers.copy()
    other[:wrong] = 1 - other[:wrong]
    faces = make_faces({"gender": actual.tolist()})
    sides = [said(np.eye(2)[side], faces=faces) for side in (answers, other)]
    return same_answers.check(comparing.compare(comparing.pair(*sides, faces)[0], faces))["gender"]


def test_a_faster_way_gives_the_same_answers_or_does_not():
    found = check_same(wrong=5, lost=3)
    assert (found.agreement, found.same) == (0.995, True)
    # Of the 5 that they tell apart production had 3 right and the candidate 2.
    assert found.largest_loss == comparison_tables.Loss("gender", "Male", 300, 1)
    assert not check_same(wrong=6, lost=3).same
    assert not check_same(wrong=4, lost=3).same, "two faces of 300 are more than half a point"
    (line,) = comparison_page.tell_same_answers({"gender": check_same(wrong=4, lost=4)})
    assert line == (
        "Gender: NOT the same answers; 99.60 % agree, Male (by gender) loses most: 4 of 300 faces, -1.33 points."
    )


def test_one_face_of_a_small_group_is_no_loss():
    faces = make_faces({"gender": [0] * 199 + [1]})
    production = said([[1, 0]] * 199 + [[0, 1]], faces=faces)
    candidate = said([[1, 0]] * 200, faces=faces)
    found = same_answers.check(comparing.compare(comparing.pair(production, candidate, faces)[0], faces))["gender"]
    assert (found.agreement, found.largest_loss, found.same) == (0.995, None, True)


@pytest.fixture
def two_models(tiny, tmp_path):
    """The folders of two checkpoints that differ."""
    net, card = tiny
    checkpoint.save(tmp_path / "production", net=net, card=card)
    torch.manual_seed(11)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    checkpoint.save(
        tmp_path / "candidate", net=net, card=replace(card, name="tiny-<2>", preset=replace(card.preset, size=24))
    )
    return tmp_path / "production", tmp_path / "candidate"


def arguments(models, place, *more):
    production, candidate = models
    return [
        *("--production", str(production), "--candidate", str(candidate), "--data", str(place)),
        *("--shard", "train-0.zip", "--labels", "fairface_label_train.csv", *map(str, more)),
    ]


def test_two_networks_of_different_sizes_end_to_end(two_models, small_fairface, tmp_path, capsys):
    out = tmp_path / "out"
    files = ("--output-csv", out / "a.csv", "--output-html", out / "a.html", "--json", out / "a.json", "--faces", 3)
    assert compare.main(arguments(two_models, small_fairface, *files)) == 0
    report = json.loads((out / "a.json").read_text())
    assert report["production"]["name"] == "tiny-1"
    assert len(report["candidate"]["sha256"]) == 64
    assert report["data"]["images"] == 64
    assert set(report["attributes"]) == set(labels.ATTRIBUTES)
    for part in report["attributes"].values():
        overall = part["overall"]
        assert overall["difference"] == pytest.approx(overall["candidate"] - overall["production"], abs=1e-4)
        assert overall["low"] <= overall["difference"] <= overall["high"]
        assert sum(row["images"] for row in part["by"]["race"]) == 64
    rows = list(csv.DictReader((out / "a.csv").read_text().splitlines()))
    assert tuple(rows[0]) == compare.COLUMNS
    assert [row["attribute"] for row in rows if row["group"] == "all"] == list(labels.ATTRIBUTES)
    assert len([row for row in rows if row["by"] == "race" and row["attribute"] == "gender"]) == 7
    page = (out / "a.html").read_text()
    assert "tiny-1 against tiny-&lt;2&gt;" in page
    assert page.count('alt="the face in') <= 9
    assert "http" not in re.sub(r'http-equiv="', "", page)
    told = capsys.readouterr().out
    assert "race" in told
    assert "Middle Eastern" in told


def test_a_model_compared_with_itself_shows_no_difference(two_models, small_fairface, tmp_path):
    out = tmp_path / "same.html"
    assert compare.main(arguments((two_models[0],) * 2, small_fairface, "--output-html", out, "--limit", 20)) == 0
    page = out.read_text()
    assert "Both sides say the same of every face." in page
    assert '<ul class="thumbnails">' not in page


def test_one_checkpoint_in_two_precisions_answers_alike_and_two_networks_do_not(
    two_models, small_fairface, tmp_path, capsys
):
    out = tmp_path / "out.json"
    precisions = ("--production-precision", "float32", "--candidate-precision", "float32", "--same-answers")
    assert compare.main(arguments((two_models[0],) * 2, small_fairface, *precisions)) == 0
    assert "the same answers; 100.00 % agree, no group has 200 images" in capsys.readouterr().out
    assert compare.main(arguments(two_models, small_fairface, "--same-answers", "--json", out)) == 1
    assert "NOT the same answers" in capsys.readouterr().out
    assert not all(part["same"] for part in json.loads(out.read_text())["same_answers"].values())


def test_a_side_that_was_trained_on_the_images_is_told(tiny, two_models, small_fairface, tmp_path, capsys):
    trained = replace(tiny[1], recipe={"data": {"shards": ["train-0.zip"]}})
    checkpoint.save(two_models[1], net=tiny[0], card=trained)
    page = tmp_path / "seen.html"
    assert compare.main(arguments(two_models, small_fairface, "--seen", "measure", "--output-html", page)) == 0
    assert "was trained on 64 of the 64 images" in capsys.readouterr().err
    assert "The candidate model was trained on images of this set" in page.read_text()
    assert "The production model was trained" not in page.read_text()


def test_names_of_files_are_escaped_on_the_page():
    faces = make_faces({"gender": [0]}, files=('<img src="x" onerror="alert(1)">.jpg',))
    pairings, reasons = comparing.pair(said([[1, 0]], faces=faces), said([[0, 1]], faces=faces), faces)
    side = comparison_tables.Side("<i>")
    about = comparison_tables.ComparedFaces(source="<b>", images=1, sha256="0")
    report = comparison_tables.Comparison(side, side, about, reasons, comparing.compare(pairings, faces))
    shown = {"gender": compare.make_thumbnails(comparing.find_disagreements(pairings["gender"]), faces)}
    page = comparison_page.write_page(report, thumbnails=shown, apart={"gender": 1})
    for written in ("<img src=", "<i>", "<b>"):
        assert written not in page.replace('<img src="data:', "")
    assert "&lt;img src=&quot;x&quot; onerror=&quot;alert(1)&quot;&gt;.jpg" in page


def conclude(production, candidate, faces):
    pairings, _ = comparing.pair(production, candidate, faces)
    side, about = comparison_tables.Side("one"), comparison_tables.ComparedFaces("here", len(faces), "0")
    attributes = comparing.compare(pairings, faces)
    return comparison_page.conclude(comparison_tables.Comparison(side, side, about, attributes=attributes))


def test_a_clear_difference_and_the_groups_it_lies_in_are_told():
    faces = make_faces({"gender": [0] * 40 + [1] * 40})
    production = said([[1, 0]] * 80, faces=faces)
    candidate = said([[1, 0]] * 40 + [[0, 1]] * 40, faces=faces)
    (told,) = conclude(production, candidate, faces)
    assert told.startswith("Gender: candidate is right 50.0 points more often than production (")
    assert told.endswith("The candidate finds more often: Female (+100.0).")
    (told,) = conclude(candidate, production, faces)
    assert "production is right 50.0 points more often than candidate" in told
    assert "The candidate finds less often: Female (-100.0)." in told


def test_somebody_elses_predictions_stand_against_a_checkpoint(two_models, small_fairface, tmp_path):
    theirs = tmp_path / "theirs.csv"
    with open(theirs, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "sex"])
        writer.writerows([f"train/{number}.webp", "MF"[number % 2]] for number in range(1, 61))
    mapping = tmp_path / "theirs.toml"
    mapping.write_text('name = "theirs"\n[gender]\nlabel = "sex"\nwords = { M = "Male", F = "Female" }\n')
    out = tmp_path / "out.json"
    models = (two_models[0], theirs)
    assert compare.main(arguments(models, small_fairface, "--candidate-mapping", mapping, "--json", out)) == 0
    report = json.loads(out.read_text())
    part = report["attributes"]["gender"]
    assert report["candidate"] == {"name": "theirs", "sha256": "", "seen": False}
    assert (part["images"], part["not_compared"], part["overall"]["candidate"]) == (60, 4, 1.0)
    assert part["ece"]["candidate"] is None
    assert report["not_compared"]["race"] == "not told by candidate"


def test_two_csvs_need_no_network(small_fairface, tmp_path):
    theirs = tmp_path / "theirs.csv"
    theirs.write_text("file,p\n" + "".join(f"train/{n}.webp,{n % 3 / 2}\n" for n in range(1, 65)))
    mapping = tmp_path / "theirs.toml"
    mapping.write_text('[gender]\nprobabilities = { Male = "p" }\n')
    page = tmp_path / "out.html"
    both = ("--production-mapping", mapping, "--candidate-mapping", mapping, "--output-html", page)
    assert compare.main(arguments((theirs, theirs), small_fairface, *both)) == 0
    assert "Both sides say the same" in page.read_text()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (["--candidate", "nowhere"], "no model.json in nowhere"),
        (["--data", "nowhere"], "Not there"),
        (["--faces", "-1"], "--faces is a number from 0 to 500"),
        (["--output-html", "."], "is a folder"),
        (["--output-csv", f"{__file__}/table.csv"], "is not a folder"),
        (["--device", "mps"], "no device 'mps'"),
        (["--candidate", __file__], "a CSV needs --candidate-mapping"),
        (["--candidate", __file__, "--candidate-mapping", "nowhere.toml"], "nowhere.toml"),
        (["--reader", "list"], "needs a list file"),
    ],
)
def test_bad_input_is_one_line_and_not_a_traceback(two_models, small_fairface, capsys, change, told):
    with pytest.raises(SystemExit) as stopped:
        compare.main([*arguments(two_models, small_fairface), *change])
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err.splitlines()[-1]


def test_a_damaged_candidate_is_told_and_nothing_is_written(two_models, small_fairface, tmp_path, capsys):
    weights = two_models[1] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(SystemExit):
        compare.main(arguments(two_models, small_fairface, "--json", tmp_path / "out.json"))
    assert "damaged" in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()
