"""A site speaks the labels of the model that FACET_MODEL_DIR names."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml import attributes, labels
from ml.calibration import SetRule
from ml.model import checkpoint, network, trunks
from ml.model.card import ModelCard
from ml.preprocess import Preset
from tests import pictures

ROOT = Path(__file__).resolve().parents[2]
GENDERS, AGES = ("Female", "Male", "Non-binary"), ("Child", "Teen", "Adult", "Senior")


def test_a_site_tells_gender_and_age_in_the_labels_of_its_model(tmp_path):
    names = {"race": labels.RACE, "gender": GENDERS, "age": AGES}
    net = network.AttributeNet(trunks.create_trunk("resnet18"), attributes=names).eval()
    rule = SetRule(0.9, dict.fromkeys(GENDERS, 0.0))
    thresholds = {"gender": {"gender": {**dict.fromkeys(GENDERS, 0.0), "Male": None}}}
    card = ModelCard(
        "own", "resnet18", names, Preset(size=32), thresholds=thresholds, sets={"gender": {"gender": rule}}
    )
    checkpoint.save(tmp_path / "model", net=net, card=card)
    pictures.astronaut().save(tmp_path / "astronaut.jpg")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("FACET_", "DATABASE_", "REDIS_"))}
    env |= {"FACET_DATA": str(tmp_path / "data"), "FACET_MODEL_DIR": str(tmp_path / "model"), "OMP_NUM_THREADS": "1"}
    walk = [sys.executable, "-m", "tests.project.own_labels_walk", str(tmp_path / "astronaut.jpg")]
    done = subprocess.run(
        [*walk, str(tmp_path / "told.json")], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-5000:]
    told = json.loads((tmp_path / "told.json").read_text())
    assert list(told["api"]["gender"]["probabilities"]) == list(GENDERS)
    assert list(told["api"]["age"]["probabilities"]) == list(AGES)
    assert "years" not in told["api"]["age"]  # four stages of life are no bins of years
    assert told["api"]["gender"]["set"] == list(GENDERS)
    assert told["api"]["gender"]["unsure"] is (told["guess"] == "Male")
    assert "Female or Male or Non-binary, 90\N{NO-BREAK SPACE}%" in told["page"]
    assert "Senior" in told["page"]
    assert "Non-binary" in told["gallery"]
    assert told["csv"].endswith("age_Child,age_Teen,age_Adult,age_Senior")
    # What was said in two labels is not told in three.
    assert told["before"] == ["race"]
    assert told["label_before"] == ""
    assert "Non-binary" not in told["page_before"]
    assert "before" in told["csv_before"]


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({"mood": ("good", "bad")}, "nothing is known of mood"),
        ({"race": ("north", "south")}, "everything is compared by race"),
        ({"gender": ("Female", "Male", "Non-binary")}, "labels were told already"),
    ],
)
def test_labels_that_cannot_be_declared_are_refused_and_change_nothing(own, told):
    with pytest.raises(attributes.BadDeclaration, match=told):
        attributes.declare_labels(own)
    assert attributes.ATTRIBUTES["gender"].labels == labels.GENDER
    assert attributes.declare_labels({"gender": labels.GENDER}) == ()
