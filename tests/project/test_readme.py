"""What the README promises is there, and its figures are those of the model that comes with Facet."""

import json
import re
from pathlib import Path

import pytest
from django.conf import settings

from ml import labels

ROOT = Path(settings.BASE_DIR)
TEXT = (ROOT / "README.md").read_text()


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


@pytest.fixture(scope="module")
def measured() -> dict:
    return json.loads((ROOT / "ml" / "weights" / "model.json").read_text())["metrics"]["fairface_val"]


def test_every_link_leads_to_a_file():
    local = [target for target in re.findall(r"\]\(([^)#]+)\)", TEXT) if not target.startswith("https://")]
    assert "docs/images/gallery.png" in local
    assert [target for target in local if not (ROOT / target).exists()] == []


def test_every_command_of_make_that_is_named_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"run", "test"} <= set(re.findall(r"(?:^|`)make ([a-z]+)", TEXT, re.MULTILINE)) <= targets


def test_the_accuracies_are_the_measured_ones(measured):
    race, gender, age = (percent(measured[name]["accuracy"]) for name in ("race", "gender", "age"))
    assert f"| race, 7 groups | {race} |" in TEXT
    assert f"| gender | {gender} |" in TEXT
    assert f"| age, 9 bins | {age}, within one bin {percent(measured['age']['within_one_bin'])} |" in TEXT


@pytest.mark.parametrize("group", labels.RACE)
def test_each_group_is_told_with_its_own_figures(measured, group):
    race, gender = (percent(measured[name]["by_race"][group]) for name in ("race", "gender"))
    assert f"| {group} | {race} | {gender} |" in TEXT
