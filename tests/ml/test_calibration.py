"""What a checkpoint's calibration says of a face beyond its probabilities."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from ml import labels, metrics
from ml.attributes import ATTRIBUTES
from ml.calibration import Calibration, SetRule, least_probabilities, parse_calibration
from ml.measuring import conformal, number_fit
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


def test_a_set_holds_what_is_probable_enough_for_its_own_label():
    rule = SetRule(0.9, {"White": 0.2, "Black": 0.2, "Indian": 0.05})
    names = ("White", "Black", "Indian")
    assert rule.choose((0.75, 0.15, 0.1), names=names) == ("White", "Indian")
    assert rule.choose((0.19, 0.77, 0.04), names=names) == ("Black",)
    even = SetRule(0.9, dict.fromkeys(names, 0.9))
    assert even.choose((0.3, 0.4, 0.3), names=names) == ("Black",)  # never empty
    ages = SetRule(0.9, dict.fromkeys(labels.AGE, 0.2))
    gap = (0, 0.4, 0.1, 0.5, 0, 0, 0, 0, 0)
    assert ages.choose(gap, names=labels.AGE, is_ordered=True) == ("3-9", "10-19", "20-29")
    rules = Calibration(sets={"age": {"age": ages}})
    assert rules.choose_set("age", gap, taxonomy="age", names=labels.AGE) == ("3-9", "10-19", "20-29")
    assert rules.choose_set("gender", (0.5, 0.5), taxonomy="gender", names=labels.GENDER) == ()  # no rule


def test_sets_hold_the_right_label_of_each_label_as_often_as_they_say():
    rng = np.random.default_rng(5)
    names = ("common", "rare", "hard")

    def draw(count):
        actual = rng.choice(3, size=count, p=(0.8, 0.12, 0.08))
        logits = rng.normal(size=(count, 3)) + np.eye(3)[actual] * np.array([1.2, 1.0, 0.5])
        return metrics.softmax(logits), actual

    rule = conformal.fit_rule([draw(4000), draw(4000)], names=names)
    vectors, actual = draw(40_000)
    sets = [rule.choose(shares, names=names) for shares in vectors.tolist()]
    held = np.array([names[place] in chosen for place, chosen in zip(actual, sets, strict=True)])
    for place in range(3):
        assert 0.89 <= held[actual == place].mean() <= 0.95, names[place]
    few = conformal.fit_rule([(vectors[:8], np.zeros(8, int))], names=names)
    assert few.least == dict.fromkeys(names, 0.0)  # nine faces are needed before any can be left out


def test_a_number_is_not_pulled_to_the_middle_and_its_ends_hold_what_they_say(tiny, tmp_path):
    rng = np.random.default_rng(3)
    scale = ATTRIBUTES["age"].scale

    def draw(count):
        actual = rng.choice(9, size=count, p=(0.02, 0.1, 0.1, 0.3, 0.25, 0.12, 0.06, 0.03, 0.02))
        seen = actual + rng.normal(size=count)
        likely = np.exp(-0.5 * (seen[:, None] - np.arange(9)) ** 2) * np.bincount(actual, minlength=9)
        return likely / likely.sum(axis=1, keepdims=True), actual

    rule = number_fit.fit_rule(*draw(6000), scale=scale)
    vectors, actual = draw(6000)
    read = rule.read(vectors, edges=scale.edges)
    assert (read[:, 1] <= read[:, 0]).all()
    assert (read[:, 0] <= read[:, 2]).all()
    mean = vectors @ np.array(scale.centres)
    for place in (0, 7, 8):  # the ends
        middle = number_fit.whole_numbers(scale, place).mean()
        mine = actual == place
        assert abs(read[mine, 0].mean() - middle) < abs(mean[mine].mean() - middle) / 2, place
    covered = number_fit.cover(read, actual, scale=scale)
    assert 0.77 <= covered.mean() <= 0.83
    assert 0.77 <= np.mean([covered[actual == place].mean() for place in range(9)]) <= 0.83
    net, card = tiny
    saved = checkpoint.save(tmp_path, net=net, card=replace(card, numbers={"age": rule}))
    told = [cards.read_card(tmp_path).calibration.read_number("age", vector) for vector in vectors[:200].tolist()]
    np.testing.assert_allclose(told, read[:200])
    assert saved.calibration.read_number("age", vectors[0].tolist()) == told[0]


def test_without_a_rule_a_number_is_read_as_it_always_was():
    even = (0, 0, 0, 0.5, 0.5, 0, 0, 0, 0)
    assert Calibration().read_number("age", even) == pytest.approx((29.5, 22.0, 38.0))
