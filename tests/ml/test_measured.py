"""A measure holds for the version that it was measured of, whichever command writes the next one."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ml import calibrate, compare, evaluate, export, measured, write_card
from ml.datasets import face_set, fairface
from ml.measuring.asking import Asked
from ml.model import card as cards
from ml.model import checkpoint
from ml.model.runtime import load_runtime
from ml.shares.evidence import CHIPS


@pytest.fixture
def model(tiny, tmp_path):
    net, card = tiny
    checkpoint.save(tmp_path / "model", net=net, card=replace(card, metrics={"held_out": {"val_race": 0.5}}))
    return tmp_path / "model"


@pytest.fixture
def arguments(small_fairface):
    return ["--data", str(small_fairface), "--labels", fairface.TRAIN_CSV]


def is_current(card, name):
    return name in measured.choose_current(card.metrics, answers=card.answers_sha256)[0]


def test_what_is_recorded_carries_the_hash_of_what_answered(model, arguments):
    before = cards.read_pair(model, weights_file=cards.WEIGHTS_FILE)[0]
    assert evaluate.main(["--model", str(model), *arguments, "--record"]) == 0
    card = cards.read_pair(model, weights_file=cards.WEIGHTS_FILE)[0]
    assert card.sha256 != before.sha256
    assert card.metrics["fairface_train"]["of"] == card.answers_sha256 == before.answers_sha256
    assert is_current(card, "fairface_train")
    assert is_current(card, "held_out")


def test_an_export_does_not_inherit_what_was_measured_of_other_weights(model, arguments, tmp_path):
    assert evaluate.main(["--model", str(model), *arguments, "--record"]) == 0
    export.main(["--model", str(model), "--out", str(tmp_path / "onnx")])
    card = cards.read_card(tmp_path / "onnx")
    assert is_current(card, "export")
    assert not is_current(card, "fairface_train")
    assert "fairface_train" in card.metrics["of_another_version"]
    assert evaluate.main(["--model", str(tmp_path / "onnx"), *arguments, "--record"]) == 0
    card = cards.read_card(tmp_path / "onnx")
    assert is_current(card, "fairface_train")
    assert set(card.metrics["of_another_version"]) == {"held_out"}


def test_a_calibrated_version_keeps_apart_what_was_measured_before(model, arguments, small_fairface, tmp_path):
    assert evaluate.main(["--model", str(model), *arguments, "--record"]) == 0
    card, weights = cards.read_pair(model, weights_file=cards.WEIGHTS_FILE)
    faces = fairface.read_fairface(small_fairface, label_file=fairface.TRAIN_CSV, size=32)
    faces = faces.take(np.tile(np.arange(64), 4))
    asked = Asked(CHIPS, faces, load_runtime(model).logits(faces.images))
    new, _ = calibrate.calibrate(card, asked=[asked])
    new = cards.write_pair(tmp_path / "new", card=new, weights=weights, weights_file=cards.WEIGHTS_FILE)
    assert is_current(new, "calibration")
    assert not is_current(new, "fairface_train")
    assert not is_current(new, "held_out")
    # Another name or licence answers alike, so what was measured holds.
    same = cards.write_pair(
        tmp_path / "named", card=replace(card, name="other"), weights=weights, weights_file=cards.WEIGHTS_FILE
    )
    assert is_current(same, "fairface_train")


def test_a_checkpoint_that_changed_meanwhile_is_not_stamped(model, arguments, tiny, tmp_path, monkeypatch, capsys):
    ask = evaluate.evaluate

    def change_meanwhile(side, **how):
        report = ask(side, **how)
        card, weights = cards.read_pair(model, weights_file=cards.WEIGHTS_FILE)
        cards.write_pair(
            model, card=replace(card, temperatures={"race": 3.0}), weights=weights, weights_file=cards.WEIGHTS_FILE
        )
        return report

    monkeypatch.setattr(evaluate, "evaluate", change_meanwhile)
    with pytest.raises(SystemExit):
        evaluate.main(["--model", str(model), *arguments, "--record"])
    assert "holds another version now than the one that was measured" in capsys.readouterr().err
    assert "fairface_train" not in cards.read_card(model).metrics


def test_a_report_of_another_version_with_the_same_numbers_is_refused(model, arguments, tmp_path):
    report = tmp_path / "report.json"
    assert evaluate.main(["--model", str(model), *arguments, "--record", "--json", str(report)]) == 0
    card = cards.read_pair(model, weights_file=cards.WEIGHTS_FILE)[0]
    assert write_card.read_report(report, card=card).data.images == 64  # of the version before it was recorded
    found = json.loads(report.read_text())
    report.write_text(json.dumps(found | {"sha256": "0" * 64, "answers_sha256": "0" * 64}))
    with pytest.raises(face_set.BadData, match="measures tiny-1 000000000000, not tiny-1"):
        write_card.read_report(report, card=card)


def test_a_comparison_of_another_version_of_that_name_is_refused(model, arguments, tmp_path):
    report = tmp_path / "compared.json"
    both = ["--production", str(model), "--candidate", str(model), *arguments, "--json", str(report)]
    assert compare.main(both) == 0
    card, weights = cards.read_pair(model, weights_file=cards.WEIGHTS_FILE)
    assert write_card.read_comparison(report, card=card).data.images == 64
    other = replace(card, temperatures={"race": 3.0})
    other = cards.write_pair(tmp_path / "other", card=other, weights=weights, weights_file=cards.WEIGHTS_FILE)
    with pytest.raises(face_set.BadData, match=r"compares tiny-1 .* with tiny-1 .*, not tiny-1"):
        write_card.read_comparison(report, card=other)


def test_a_card_from_before_there_were_hashes_tells_what_it_told():
    metrics = {"fairface_val": {"images": 5}, "race": 0.5}
    assert measured.choose_current(metrics, answers="a") == (metrics, [])
    later = metrics | {"utkface": {"of": "a"}}
    assert measured.choose_current(later, answers="a") == ({"race": 0.5, "utkface": {"of": "a"}}, ["fairface_val"])
    assert not measured.is_same(version="", answers="", of_version="", of_answers="")
