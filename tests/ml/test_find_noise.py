"""Labels that are probably wrong are found, listed and shown."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from ml import find_noise, metrics
from ml.datasets import fairface
from ml.measuring import noise
from ml.model import checkpoint


def flipped(*, count=3000, share=0.08, seed=2):
    """Probabilities of a good network, and labels of which a share is wrong, all of one pair of labels."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 3, size=count)
    vectors = metrics.softmax(rng.normal(size=(count, 3)) + 3.5 * np.eye(3)[true])
    given = true.copy()
    wrong = rng.random(count) < share * 3
    given[wrong & (true == 0)] = 1
    return vectors, given, true


def test_flipped_labels_are_found_and_their_share_is_told():
    vectors, given, true = flipped()
    found = noise.find_noise(vectors, given)
    wrong = given != true
    assert found.joint.sum() == pytest.approx(1)
    assert found.wrong == pytest.approx(wrong.mean(), abs=0.02)
    assert found.joint[1, 0] == pytest.approx(wrong.mean(), abs=0.02)  # given the second label, truly of the first
    assert wrong[found.suspects].mean() > 0.85
    assert wrong[found.suspects].sum() > 0.75 * wrong.sum()
    assert wrong[found.suspects[:100]].all()  # the worst come first
    assert (found.better[found.suspects] != given[found.suspects]).all()


def test_right_labels_are_hardly_suspected_and_none_of_none():
    vectors, _, true = flipped()
    assert len(noise.find_noise(vectors, true).suspects) < 0.02 * len(true)
    assert len(noise.find_noise(np.zeros((0, 3)), np.zeros(0, dtype=int)).suspects) == 0


def test_heads_fitted_anew_judge_only_what_they_did_not_learn():
    rng = np.random.default_rng(4)
    true = rng.integers(0, 2, size=400)
    features = rng.normal(size=(400, 20)) + 2.5 * true[:, None] * (np.arange(20) < 3)
    given = np.where(np.arange(400) < 40, 1 - true, true)
    told = noise.refit_out_of_fold(features, given, count=2, folds=5)
    np.testing.assert_allclose(told.sum(axis=1), 1)
    assert (told.argmax(axis=1) == true).mean() > 0.85
    found = noise.find_noise(told, given)
    assert (found.suspects < 40).mean() > 0.6


def test_the_command_lists_and_shows_them_and_refuses_what_was_trained_on(
    tiny, tmp_path, small_fairface, capsys, monkeypatch
):
    monkeypatch.setattr(find_noise, "LEAST_FACES", 10)
    net, card = tiny
    card = checkpoint.save(tmp_path / "model", net=net, card=card)
    told = tmp_path / "noise.csv"
    data = ["--data", str(small_fairface), "--shard", "train-0.zip", "--labels", fairface.TRAIN_CSV]
    outputs = ["--model", str(tmp_path / "model"), "--csv", str(told), "--html", str(tmp_path / "noise.html")]
    assert find_noise.main([*data, *outputs, "--folds", "4"]) == 0
    out = capsys.readouterr().out
    assert "of 64 labels are suspect" in out
    rows = list(csv.DictReader(io.StringIO(told.read_text())))
    assert rows
    assert {tuple(row) for row in rows} == {find_noise.COLUMNS}
    assert all(row["label"] != row["better"] and row["file"].startswith("train/") for row in rows)
    page = (tmp_path / "noise.html").read_text()
    assert "heads fitted anew in 4 parts" in page
    assert page.count("data:image/jpeg") == min(len(rows), 3 * find_noise.PICTURES)
    trained = {"data": {"shards": ["train-0.zip"], "held_out": 16}}
    net, card = tiny
    checkpoint.save(tmp_path / "model", net=net, card=replace(card, recipe=trained))
    with pytest.raises(SystemExit):
        find_noise.main([*data, *outputs])
    assert "tiny-1 was trained on 48 of the 64 images" in capsys.readouterr().err
    assert find_noise.main(["--data", str(small_fairface), *outputs]) == 0  # what its recipe held out
