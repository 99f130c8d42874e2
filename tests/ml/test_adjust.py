"""Adjusting a head by the labels' shares: by how much, on which images, and what the new version knows of itself."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml import adjust, labels
from ml.model import checkpoint
from ml.model.card import ModelCard, read_card
from ml.model.runtime import TorchRuntime

HELD_OUT = 30
CHIPS = np.random.default_rng(1).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def model(tiny, tmp_path) -> Path:
    """A checkpoint whose recipe held out the last 30 of the small FairFace's 64 images."""
    net, card = tiny
    recipe = {"data": {"shards": ["train-0.zip"], "held_out": HELD_OUT}}
    checkpoint.save(tmp_path / "model", net=net, card=replace(card, recipe=recipe))
    return tmp_path / "model"


@pytest.fixture
def run(model, small_fairface, tmp_path) -> Callable[..., ModelCard]:
    def adjusted(*more: str) -> ModelCard:
        out = tmp_path / "out"
        assert adjust.main(["--model", str(model), "--data", str(small_fairface), "--out", str(out), *more]) == 0
        return read_card(out)

    return adjusted


def calibrated_logits(folder: Path, attribute: str) -> np.ndarray:
    runtime = TorchRuntime.load(folder)
    return runtime.logits(CHIPS)[attribute] / runtime.card.temperatures[attribute]


def races_of(numbers: range) -> np.ndarray:
    """How often each race occurs among these of the small FairFace's images."""
    return np.bincount([number % 7 for number in numbers], minlength=7) / len(numbers)


def test_the_calibrated_logits_move_by_the_logarithm_of_the_held_out_shares(run, model, tmp_path):
    run("--strength", "0.75")
    moved = calibrated_logits(tmp_path / "out", "race") - calibrated_logits(model, "race")
    expected = -0.75 * np.log(races_of(range(35, 65)))
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(moved, np.broadcast_to(expected, moved.shape), atol=0.02)  # float16 logits
    for other in ("gender", "age"):
        np.testing.assert_array_equal(calibrated_logits(tmp_path / "out", other), calibrated_logits(model, other))


def test_a_set_that_is_named_gives_the_shares(run, model, tmp_path):
    run("--head", "gender", "--labels", "fairface_label_train.csv", "--shard", "train-0.zip", "--limit", "13")
    moved = calibrated_logits(tmp_path / "out", "gender") - calibrated_logits(model, "gender")
    odd = 7 / 13  # of the numbers 1 to 13, which are labels.GENDER[1]
    np.testing.assert_allclose(moved[0], -np.log([1 - odd, odd]), atol=0.02)


def test_the_new_version_has_a_name_and_no_measures_of_the_old_one(run, model):
    card = run("--head", "age")
    old = read_card(model)
    assert (card.name, card.recipe["adjusted"]) == ("tiny-1-adjusted", {"age": 1.0})
    assert (card.thresholds, card.metrics, card.temperatures) == ({}, {}, old.temperatures)
    assert card.recipe["data"] == old.recipe["data"]
    assert card.labels == labels.ATTRIBUTES


def test_what_was_adjusted_before_is_told_in_all(run, small_fairface, tmp_path):
    run("--strength", "0.5")
    arguments = ["--model", str(tmp_path / "out"), "--data", str(small_fairface), "--out", str(tmp_path / "again")]
    assert adjust.main([*arguments, "--strength", "0.25"]) == 0
    assert read_card(tmp_path / "again").recipe["adjusted"] == {"race": 0.75}


def test_what_cannot_be_adjusted_is_told(run, model, small_fairface, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        run("--head", "height")
    assert end.value.code == 2
    assert "no attribute 'height'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run("--strength", "nan")
    assert "a strength is a number, not nan" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        adjust.main(["--model", str(model), "--data", str(small_fairface), "--out", str(model)])
    assert "holds a checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_that_is_not_calibrated_is_not_adjusted(run, model, tiny, capsys):
    checkpoint.save(model, net=tiny[0], card=replace(read_card(model), temperatures={"gender": 1.2}))
    with pytest.raises(SystemExit):
        run("--head", "race")
    assert "no temperature of race: calibrate it first" in capsys.readouterr().err
