"""What the README and the papers say of the default model is what was measured of it."""

import json
import re
from pathlib import Path

import pytest

from ml.metrics import wilson_interval

ROOT = Path(__file__).resolve().parents[2]
CARD = json.loads((ROOT / "ml/weights/model.json").read_text())
VALIDATION = CARD["metrics"]["fairface_val"]
GROUPINGS = {"race": "fairface-7", "gender": "gender", "age": "age"}


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def rows_of(path: str) -> list[list[str]]:
    """The cells of every row of every table in a paper."""
    lines = (ROOT / path).read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]


def row_that_begins(path: str, start: str) -> list[str]:
    (row,) = [cells for cells in rows_of(path) if cells[0].startswith(start) and re.match(r"[\d.]+", cells[-1])]
    return row


@pytest.mark.parametrize("attribute", ["race", "gender", "age"])
def test_the_readme_tells_how_often_the_model_is_right(attribute):
    _, right, sure = row_that_begins("README.md", attribute)
    measured = VALIDATION["sure"][attribute][GROUPINGS[attribute]]
    assert right.split(",")[0] == percent(VALIDATION[attribute]["accuracy"])
    assert sure == f"{percent(measured['accuracy_of_sure'])} ({percent(measured['sure'])} % of the faces)"


def test_the_readme_tells_how_often_age_is_within_one_bin():
    assert f"within one bin {percent(VALIDATION['age']['within_one_bin'])}" in row_that_begins("README.md", "age")[1]


@pytest.mark.parametrize("group", VALIDATION["race"]["by_race"])
def test_the_readme_tells_each_group(group):
    race, gender = VALIDATION["race"]["by_race"][group], VALIDATION["gender"]["by_race"][group]
    assert row_that_begins("README.md", group)[1:] == [percent(race), percent(gender)]


def test_the_readme_tells_what_the_detector_costs():
    before, after = CARD["metrics"]["whole_way"]["same_chips"], CARD["metrics"]["whole_way"]["found_again"]
    images = before["images"]  # the card's accuracies have four digits, the images are whole
    right = {name: [round(way[name]["accuracy"] * images) for way in (before, after)] for name in GROUPINGS}
    lost = {name: (chips - found) / images for name, (chips, found) in right.items()}
    text = " ".join((ROOT / "README.md").read_text().split())
    assert f"(race {percent(lost['race'])}, gender {percent(lost['gender'])})" in text


def test_the_paper_on_models_tells_how_often_sets_and_ranges_hold():
    text = " ".join((ROOT / "docs/models.md").read_text().split())
    judged = [VALIDATION["sure"][name][of] for name, of in GROUPINGS.items()]
    in_photos = [CARD["metrics"]["whole_way"]["found_again"]["sure"][name][of] for name, of in GROUPINGS.items()]
    held = [percent(of["set_coverage"]) for of in judged]
    least = [percent(min(label["set_coverage"] for label in of["by_label"].values())) for of in judged]
    sizes = [f"{of['set_size']:.1f}" for of in judged]
    found = [percent(of["set_coverage"]) for of in in_photos]
    ages = percent(VALIDATION["age"]["range"]["coverage"])
    assert (
        f"hold the label of {held[0]} % (race, {least[0]} of the label held least), {held[1]} % (gender, {least[1]}) "
        f"and {held[2]} % (age, {least[2]}), with {sizes[0]}, {sizes[1]} and {sizes[2]} labels on average; through the "
        f"detector of {found[0]}, {found[1]} and {found[2]} %. {ages} % of the ages"
    ) in text
    assert f"not fitted to, {percent(CARD['metrics']['utkface']['age']['inside_years'])} %" in text


def test_the_results_end_with_the_default_model():
    (told,) = [cells[-1] for cells in rows_of("docs/results.md") if f"({CARD['name']})" in cells[0]]
    assert told == ", ".join(f"{name} {percent(VALIDATION[name]['accuracy'])} %" for name in GROUPINGS)


def test_the_model_card_is_of_the_default_model():
    card = (ROOT / "ml/weights/MODEL_CARD.md").read_text()
    assert CARD["name"] in card.splitlines()[0]
    assert CARD["sha256"] in card


def test_a_label_of_the_default_model_is_sure_only_where_its_calibration_faces_allow_it():
    for attribute in GROUPINGS:
        fitted, rule = CARD["metrics"]["calibration"][attribute], {"least_faces": 50, "slack": 0.05, "bound": 0.9}
        assert fitted["rule"] == rule
        for taxonomy, target in fitted["targets"].items():
            stored = CARD["thresholds"][attribute][taxonomy]
            measured = VALIDATION["sure"][attribute][taxonomy]["by_label"]
            assert stored == {label: of["threshold"] for label, of in fitted["sure"][taxonomy].items()}
            for label, of in fitted["sure"][taxonomy].items():
                reached = of["faces"] >= 50 and of["precision"] >= target and of["bound"] >= target - 0.05
                assert reached == (of["threshold"] is not None), (taxonomy, label)
                if reached:  # and nothing speaks against it on images that nothing was fitted to
                    of = measured[label]
                    _, high = wilson_interval(round(of["accuracy"] * of["n"]), of["n"])
                    assert high >= target, (taxonomy, label)
                    assert of["accuracy"] >= target - 0.1, (taxonomy, label)


def test_sets_and_age_ranges_of_the_default_model_cover_what_they_promise():
    for attribute, grouping in GROUPINGS.items():
        found = CARD["metrics"]["calibration"][attribute]["cross_fitted"]
        for way in ("chips", "photos"):
            judged = found[way]["groupings"][grouping]
            assert judged["set_coverage"] >= 0.9
            assert min(of["set_coverage"] for of in judged["labels"].values()) >= 0.88
        measured = VALIDATION["sure"][attribute][grouping]
        assert measured["set_coverage"] >= 0.9
        assert min(of["set_coverage"] for of in measured["by_label"].values()) >= 0.87
    for share in (
        VALIDATION["age"]["range"]["coverage"],
        CARD["metrics"]["whole_way"]["found_again"]["age"]["range"]["coverage"],
        CARD["metrics"]["utkface"]["age"]["inside_years"],
    ):
        assert 0.77 <= share <= 0.83
