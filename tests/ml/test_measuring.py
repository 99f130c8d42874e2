"""Every measure against numbers worked by hand.

Forty faces, ten of each: White men, White women, Black men, Black women. Women: all ten and five of ten are found; men
nine and eight. White faces are 20-29 and told so; Black ones 30-39, told 30-39 (10), 40-49 (5) and 60-69 (5).
"""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from ml import labels
from ml.calibration import Calibration
from ml.datasets import face_set, fairface
from ml.measuring import breakdowns, fairness, long_table, measures, stored, tables
from ml.measuring.predictions import Predictions
from ml.reporting import numbers

FILES = tuple(f"{number}.jpg" for number in range(40))
RACE, GENDER = np.repeat([0, 1], 20), np.tile(np.repeat([0, 1], 10), 2)


def one_hot(places: np.ndarray, *, count: int) -> np.ndarray:
    return np.eye(count)[places]


@pytest.fixture(scope="module")
def faces() -> face_set.FaceSet:
    images = np.full((40, 8, 8, 3), 60, np.uint8)
    images[20:] = (200, 100, 50)
    return face_set.FaceSet(
        images=images,
        targets={"race": RACE, "gender": GENDER, "age": np.repeat([3, 4], 20)},
        files=FILES,
        years=np.where(RACE == 0, 25.0, np.nan),
        sides=np.where(RACE == 0, 40.0, 200.0),
        left_out={"unreadable": 3},
    )


@pytest.fixture(scope="module")
def predictions() -> Predictions:
    gender = GENDER.copy()
    gender[[0, 20, 21]] = 1
    gender[30:35] = 0
    race = np.zeros((40, 7))
    race[:10, :2], race[10:20, :2], race[20:, :2] = (0.9, 0.1), (0.4, 0.6), (0.2, 0.8)
    return Predictions(
        name="by hand",
        files=FILES,
        vectors={
            "race": race,
            "gender": one_hot(gender, count=2) * 0.8 + 0.1,
            "age": one_hot(np.repeat([3, 4, 5, 7], [20, 10, 5, 5]), count=9),
        },
        classes=face_set.fine_classes(),
        years=np.repeat([27.0, 24.0, 50.0], [10, 10, 20]),
        labels_only=frozenset({"age"}),
    )


@pytest.fixture(scope="module")
def measured(predictions, faces) -> tables.Measures:
    thresholds = {"race": {"fairface-7": 0.5, "utkface-4": 0.7}, "age": {"age": 0.5}}
    return measures.measure(predictions, faces, calibration=Calibration(thresholds))


@pytest.fixture(scope="module")
def report(measured) -> dict:
    """The measures as they are stored."""
    return stored.write_measures(measured)


def test_the_report_tells_what_was_measured(report, measured):
    assert (report["name"], report["images"], report["faces"], report["unpredicted"]) == ("by hand", 40, 40, 0)
    assert report["left_out"] == {"unreadable": 3}
    assert list(measured.attributes) == ["race", "gender", "age"]
    json.dumps(report, allow_nan=False)


def test_recall_and_precision_of_each_group(report):
    gender = report["gender"]
    assert gender["accuracy"] == gender["balanced_accuracy"] == 0.8
    assert gender["accuracy_interval"] == [0.6524, 0.895]
    assert gender["confusion"] == [[17, 3], [5, 15]]
    male, female = gender["groups"].values()
    assert (male["labelled"], male["recall"], male["predicted"], male["precision"]) == (20, 0.85, 22, 0.7727)
    assert (female["labelled"], female["recall"], female["predicted"], female["precision"]) == (20, 0.75, 18, 0.8333)


def test_balanced_accuracy_passes_over_groups_without_faces(report):
    assert report["race"]["accuracy"] == 0.75
    assert report["race"]["balanced_accuracy"] == 0.75
    assert report["race"]["groups"]["Indian"]["recall"] is None
    assert report["race"]["groups"]["Indian"]["recall_interval"] == [None, None]


def test_gaps_between_groups(report):
    gender = report["gender"]
    assert gender["by_race"]["White"] == 0.95
    assert gender["parts"]["race"]["Black"] == {"n": 20, "accuracy": 0.65, "low": 0.4329, "high": 0.8188}
    by_race = gender["gaps"]["race"]
    assert (by_race["worst"], by_race["best"], by_race["gap"]) == ("Black", "White", 0.3)
    # Said to be women: 11 of 20 and 7 of 20. Of the women 10 and 5 of 10, of the men 1 and 2 of 10.
    assert by_race["demographic_parity_difference"] == {"value": 0.2, "class": "Female", "by_class": {"Female": 0.2}}
    assert by_race["equalised_odds_difference"]["value"] == 0.5
    assert gender["gaps"]["gender"] == {
        "worst": "Female",
        "worst_accuracy": 0.75,
        "best": "Male",
        "best_accuracy": 0.85,
        "gap": 0.1,
    }
    assert gender["gap_by_race"]["White"] == {"Male": 0.9, "Female": 1.0, "gap": -0.1}
    assert gender["gap_by_race"]["Black"] == {"Male": 0.8, "Female": 0.5, "gap": 0.3}
    assert gender["gap_by_race"]["Indian"] == {"Male": None, "Female": None, "gap": None}


def test_of_several_classes_the_largest_difference_is_told():
    groups = np.repeat([0, 1, face_set.UNKNOWN], [20, 20, 5])
    actual = np.tile(np.repeat([0, 1, 2], [5, 5, 10]), 3)[:45]
    predicted = np.where(groups == 1, 2, actual)
    found = fairness.compare_rates(predicted, actual, names=("a", "b", "c"), groups=groups)
    assert found.demographic_parity is not None
    assert found.demographic_parity.by_class == {"a": 0.25, "b": 0.25, "c": 0.5}
    assert found.demographic_parity.of_class == "c"
    # Five labelled a, or b, are too few; all others are called c in one group, none in the other.
    assert found.equalised_odds == tables.Difference(1.0, "c", {"a": None, "b": None, "c": 1.0})


def test_intersections_have_intervals(report):
    cells = report["gender"]["intersections"]
    assert list(cells) == ["race x gender", "race x age", "gender x age", "race x gender x age"]
    assert cells["race x gender x age"][3] == {
        "race": "Black",
        "gender": "Female",
        "age": "30-39",
        "n": 10,
        "accuracy": 0.5,
        "low": 0.2366,
        "high": 0.7634,
    }
    assert [cell["accuracy"] for cell in cells["race x gender"]] == [0.9, 1.0, 0.8, 0.5]


def test_age_is_measured_in_bins_and_years(report):
    age = report["age"]
    assert (age["accuracy"], age["within_one_bin"], age["mean_bins_off"]) == (0.75, 0.875, 0.5)
    assert age["by_age"]["30-39"] == 0.5
    # White faces only: 2 years too old and 1 too young, ten each.
    assert (age["mean_absolute_error_years"], age["bias_years"]) == (1.5, 0.5)
    assert age["years_by"]["gender"]["Female"] == {"n": 10, "mean_absolute_error": 1.0, "bias": -1.0}
    assert age["years_by"]["race"]["Black"]["n"] == 0


def test_confidence_is_measured_only_where_probabilities_were_told(report):
    race = report["race"]
    # 10 at 0.9 all right, 10 at 0.6 all wrong, 20 at 0.8 all right.
    assert race["ece"] == pytest.approx(0.25 * 0.1 + 0.25 * 0.6 + 0.5 * 0.2)
    assert [part["n"] for part in race["reliability"] if part["n"]] == [10, 20, 10]
    assert race["reliability"][9] == {"low": 0.6, "high": 0.6667, "n": 10, "confidence": 0.6, "accuracy": 0.0}
    assert race["accuracy_of_surest_80_percent"] == 0.9375
    quarter = next(point for point in race["coverage"] if point["share"] == 0.25)
    assert quarter == {"share": 0.25, "n": 10, "threshold": 0.9, "accuracy": 1.0}
    assert not {"ece", "reliability", "coverage"} & set(report["age"])


def test_sure_is_told_for_each_taxonomy_and_threshold(report):
    assert list(report["sure"]) == ["race"]
    assert report["sure"]["race"]["utkface-4"] == {
        "threshold": 0.7,
        "images": 40,
        "sure": 0.75,
        "accuracy_of_sure": 1.0,
        "low": 0.8865,
        "high": 1.0,
        "n": 30,
    }
    assert report["sure"]["race"]["fairface-7"]["sure"] == 1.0


def test_taxonomies_are_sums(report):
    assert report["race"]["by_taxonomy"] == dict.fromkeys(labels.TAXONOMIES, 0.75)
    assert report["race"]["taxonomies"]["utkface-4"]["recall"] == {
        "White": 0.5,
        "Black": 1.0,
        "Asian": None,
        "Indian": None,
    }


def test_slices_by_quality(report):
    slices = report["gender"]["slices"]
    assert [(part["slice"], part["n"], part["accuracy"]) for part in slices["size"] if part["n"]] == [
        ("under 48 px", 20, 0.95),
        ("150 px and more", 20, 0.65),
    ]
    assert [(part["slice"], part["n"]) for part in slices["colour"]] == [("grey", 20), ("coloured", 20)]
    # Mean luma 60 / 255, and (0.299 * 200 + 0.587 * 100 + 0.114 * 50) / 255.
    assert slices["brightness"][3]["slice"] == "brightest quarter (from 0.49)"
    assert sum(part["n"] for part in slices["brightness"]) == 40


def test_readers_tell_the_size_of_the_original(small_fairface):
    faces = fairface.read_fairface(small_fairface, label_file=fairface.TRAIN_CSV, size=32, limit=4)
    for told, side in ((faces, 60), (faces.slice(1, 3), 60), (faces.crop(8, 24), 30)):
        assert told.sides is not None
        assert told.sides.tolist() == [side] * len(told)


def test_faces_without_prediction_are_counted_not_measured(predictions, faces):
    some = predictions.take(np.arange(30, 10, -1))
    report = stored.write_measures(measures.measure(some, faces))
    assert (report["images"], report["faces"], report["unpredicted"]) == (20, 40, 20)
    assert report["gender"]["left_out"] == {"no prediction": 20}
    # 9 White women, ten Black men of whom two are told wrongly, one Black woman told wrongly.
    assert report["gender"]["accuracy"] == 0.85
    assert sum(part["n"] for part in report["gender"]["slices"]["sharpness"]) == 20


def test_what_cannot_be_measured_is_told(predictions, faces):
    unlabelled = face_set.FaceSet(
        images=faces.images,
        targets={"race": np.full(40, face_set.UNKNOWN), "gender": GENDER},
        files=FILES,
        classes={"race": face_set.classes_in("race"), "gender": face_set.own_classes("gender", ["x", "y"])},
    )
    with pytest.raises(face_set.BadData, match="Nothing can be measured"):
        measures.measure(predictions, unlabelled)
    with pytest.raises(face_set.BadData, match=r"measured: the data set has no such labels \(.*, .*\)$"):
        measures.measure(predictions, replace(unlabelled, targets={}, classes={}))
    told = r"None of the 1 faces, such as other\.jpg, is predicted: the predictions name theirs like \S+$"
    with pytest.raises(face_set.BadData, match=told):
        measures.measure(predictions, face_set.FaceSet(images=faces.images[:1], targets={}, files=("other.jpg",)))
    gender_only = face_set.FaceSet(
        images=faces.images, targets={"gender": GENDER}, files=FILES, classes={"gender": face_set.classes_in("gender")}
    )
    measured = measures.measure(predictions, gender_only)
    report = stored.write_measures(measured)
    assert list(measured.attributes) == ["gender"]
    assert report["not_measured"] == dict.fromkeys(("race", "age"), "the data set has no such labels")
    assert "gap_by_race" not in report["gender"]


def test_classes_of_their_own_are_measured_as_they_are():
    eyes = face_set.own_classes("eyes", ["blue", "brown", "green"])
    faces = face_set.FaceSet(
        images=np.zeros((3, 4, 4, 3), np.uint8), targets={"eyes": np.arange(3)}, files=FILES[:3], classes={"eyes": eyes}
    )
    predictions = Predictions("own", FILES[:3], {"eyes": one_hot(np.array([0, 1, 1]), count=3)}, {"eyes": eyes})
    measured = measures.measure(predictions, faces, calibration=Calibration({"eyes": {"eyes": 0.5}}))
    report = stored.write_measures(measured)
    assert report["eyes"]["accuracy"] == 0.6667
    assert report["eyes"]["grouping"] == ""
    assert report["eyes"]["intersections"] == {}
    assert report["sure"]["eyes"]["eyes"]["sure"] == 1.0
    assert stored.shorten(measured)["eyes"]["accuracy"] == 0.6667


def test_the_card_keeps_the_short_form(report, measured):
    short = stored.shorten(measured)
    assert short["images"] == 40
    assert short["race"]["by_race"]["White"] == 0.5
    assert short["gender"]["gap_by_race"]["Black"]["gap"] == 0.3
    assert short["age"]["mean_absolute_error_years"] == 1.5
    assert short["sure"]["race"]["utkface-4"] == {"threshold": 0.7, "sure": 0.75, "accuracy_of_sure": 1.0}
    assert len(json.dumps(short)) < len(json.dumps(report)) / 4


def test_the_long_table_has_a_measure_a_row(measured):
    rows = list(csv.DictReader(io.StringIO(long_table.to_csv(measured))))
    assert list(rows[0]) == ["attribute", "slice", "measure", "value", "low", "high", "n"]
    found = {(row["attribute"], row["slice"], row["measure"]): row for row in rows}
    assert len(found) == len(rows)
    assert found["gender", "", "accuracy"] == {
        "attribute": "gender",
        "slice": "",
        "measure": "accuracy",
        "value": "0.8",
        "low": "0.6524",
        "high": "0.895",
        "n": "40",
    }
    assert found["gender", "gender=Male", "precision"]["value"] == "0.7727"
    assert found["gender", "race=Black & gender=Female & age=30-39", "accuracy"]["low"] == "0.2366"
    assert found["gender", "by race", "equalised_odds_difference"]["value"] == "0.5"
    assert found["race", "taxonomy=utkface-4, threshold 0.7", "sure"]["value"] == "0.75"
    assert found["race", "surest 25%", "accuracy"]["n"] == "10"
    assert found["age", "gender=Female", "mean_absolute_error_years"]["value"] == "1.0"
    assert ("race", "race=Indian", "recall") not in found


def test_the_sure_of_three_genders_are_counted_among_all_three():
    three = face_set.own_classes("gender", ["Female", "Male", "Non-binary"])
    faces = face_set.FaceSet(
        images=np.zeros((3, 8, 8, 3), dtype=np.uint8),
        targets={"gender": np.array([0, 1, 2])},
        files=("a", "b", "c"),
        classes={"gender": three},
    )
    predictions = Predictions("own", faces.files, {"gender": np.eye(3)[[0, 1, 1]]}, {"gender": three})
    rules = Calibration({"gender": {"gender": 0.5}})
    sure = measures.measure(predictions, faces, calibration=rules).sure["gender"]["gender"]
    assert (sure.images, sure.n, sure.accuracy_of_sure) == (3, 3, 0.6667)


def test_a_share_is_rounded_once_wherever_it_is_told():
    right = np.arange(306) < 151
    assert numbers.percent(breakdowns.share_of(right).accuracy) == "49.3 %"  # by way of 0.4935 it would be 49.4
    assert f"{100 * breakdowns.share_of(right).accuracy:.1f}" == "49.3"
