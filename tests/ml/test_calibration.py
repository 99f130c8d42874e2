"""What a checkpoint's calibration says of a face beyond its probabilities."""

import json
import math
from dataclasses import replace

import pytest

from ml import labels
from ml.calibration import Calibration, least_probabilities, parse_calibration
from ml.model import card as cards
from ml.model import checkpoint

BY_LABEL = {"gender": {"gender": {"Male": 0.6, "Female": None}}}


def test_each_label_has_its_own_threshold_and_one_without_is_never_sure():
    rules = Calibration(BY_LABEL)
    told = [("Male", 0.6), ("Male", 0.59), ("Female", 1.0), ("Non-binary", 1.0)]
    unsure = [rules.is_unsure("gender", taxonomy="gender", label=label, probability=p) for label, p in told]
    assert unsure == [False, True, True, True]
    assert rules.threshold("race", taxonomy="fairface-7", label="White") == 0.0  # never set
    found = least_probabilities(BY_LABEL, "gender", taxonomy="gender", names=labels.GENDER)
    assert found.tolist() == [0.6, math.inf]


def test_a_checkpoint_keeps_thresholds_by_label_and_one_from_before_reads_as_it_did(tiny, tmp_path):
    net, card = tiny
    old = checkpoint.save(tmp_path / "old", net=net, card=card)
    values = json.loads((tmp_path / "old" / cards.CARD_FILE).read_text())
    assert values["thresholds"]["gender"] == {"gender": 0.7}
    assert values.keys().isdisjoint({"sets", "numbers"})  # so that hashes from before there were any stay true
    new = checkpoint.save(tmp_path / "new", net=net, card=replace(card, thresholds=BY_LABEL))
    assert new.sha256 != old.sha256
    assert cards.read_card(tmp_path / "new") == new
    assert json.loads((tmp_path / "new" / cards.CARD_FILE).read_text())["thresholds"] == BY_LABEL
    assert new.is_unsure("gender", label="Female", probability=1.0)
    assert not old.is_unsure("gender", label="Female", probability=0.7)


@pytest.mark.parametrize("damaged", [{"gender": 0.5}, {"gender": {"gender": "much"}}, {"gender": {"gender": ["Male"]}}])
def test_thresholds_that_are_none_are_told(tiny, damaged):
    _, card = tiny
    values = {**cards.card_values(card), "sha256": "", "thresholds": damaged}
    with pytest.raises(cards.DamagedCheckpoint):
        cards.parse_card(values, source="test")
    with pytest.raises((ValueError, TypeError, AttributeError)):
        parse_calibration({"thresholds": damaged})
