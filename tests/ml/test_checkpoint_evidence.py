"""What a checkpoint carries of how it errs: written by calibration, bound by a hash, kept by exports."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

from ml import calibrate, export, metrics, write_card
from ml.measuring import held_out_answers
from ml.measuring.asking import Asked
from ml.model import card as cards
from ml.model import checkpoint, evidence
from ml.model.runtime import TorchRuntime
from ml.reporting import card_evidence, markdown
from ml.shares.errors import NoEvidence
from ml.shares.evidence import CHIPS, PHOTOS, count_confusions
from ml.shares.schemes import single
from tests.ml.test_calibrate import HELD_OUT, few_images_are_enough, model  # noqa: F401 # fixtures


class MiddleDetector:
    """Finds the chip where it was laid, but for every third."""

    def __init__(self, **_: object) -> None:
        self.seen = 0

    def detect(self, images):
        from ml.detecting.detector import DetectedFace
        from ml.preprocess import Chip

        self.seen += 1
        if self.seen % 3 == 0:
            return [[]]
        side = images[0].size[0]
        chip = Chip(cx=side / 2, cy=side / 2, side=side / 2, angle=0.0)
        return [[DetectedFace(box=(10.0, 10.0, 10.0 + self.seen, 60.0), probability=0.99, chip=chip)]]


@pytest.fixture
def calibrated(model, tmp_path, small_fairface, monkeypatch):  # noqa: F811
    monkeypatch.setattr(calibrate, "FaceDetector", MiddleDetector)
    out = tmp_path / "out"
    assert calibrate.main(["--model", str(model), "--out", str(out), "--data", str(small_fairface)]) == 0
    return out


def test_calibrating_keeps_the_answers_for_the_held_out_faces_both_ways(calibrated, small_fairface):
    card = cards.read_card(calibrated)
    runtime = TorchRuntime.load(calibrated)
    faces = calibrate.held_out.read_held_out(card, place=small_fairface)
    chips = evidence.read_evidence(calibrated, card=card, way=CHIPS)
    photos = evidence.read_evidence(calibrated, card=card, way=PHOTOS)
    assert (len(chips), len(photos)) == (HELD_OUT, HELD_OUT * 2 // 3)
    assert card.evidence["faces"] == {CHIPS: len(chips), PHOTOS: len(photos)}
    assert card.evidence["data_sha256"] == faces.data_hash() == card.metrics["calibration"]["data_sha256"]
    assert chips.name == "FairFace"
    told = runtime.probabilities(faces.images)
    for attribute, vectors in chips.faces.posteriors.items():
        assert vectors.dtype == np.float16
        np.testing.assert_allclose(vectors, told[attribute], atol=1e-3)
        np.testing.assert_array_equal(chips.actual[attribute], faces.targets[attribute])
    assert np.isnan(chips.faces.measures["size_px"]).all()
    assert photos.faces.measures["size_px"].tolist() == [n for n in range(1, HELD_OUT + 1) if n % 3]
    assert (photos.faces.measures["brightness"] > 0).all()


def test_adding_evidence_changes_neither_answers_nor_version(calibrated, small_fairface, capsys):
    before = cards.read_card(calibrated)
    first = (calibrated / cards.EVIDENCE_FILE).read_bytes()
    plain = replace(before, evidence={})
    _, weights = cards.read_pair(calibrated, weights_file=cards.WEIGHTS_FILE)
    cards.write_pair(calibrated, card=plain, weights=weights, weights_file=cards.WEIGHTS_FILE)
    (calibrated / cards.EVIDENCE_FILE).unlink()
    with pytest.raises(NoEvidence, match=r"does not carry how it errs: python -m ml\.calibrate --evidence-only"):
        evidence.read_evidence(calibrated, card=cards.read_card(calibrated), way=CHIPS)
    assert calibrate.main(["--model", str(calibrated), "--data", str(small_fairface), "--evidence-only"]) == 0
    assert f"{before.name} {before.sha256[:12]} now carries how it errs" in capsys.readouterr().out
    after, same = cards.read_pair(calibrated, weights_file=cards.WEIGHTS_FILE)
    assert same == weights
    assert after == replace(before, evidence=after.evidence)
    assert after.evidence | {"sha256": ""} == before.evidence | {"sha256": ""}
    once = load(first)
    for key, values in load((calibrated / cards.EVIDENCE_FILE).read_bytes()).items():
        np.testing.assert_allclose(values, once[key], atol=1e-3, err_msg=key)  # float16 of the same logits


@pytest.mark.parametrize("option", ["--out=x", "--name=x", "--target=gender=0.9"])
def test_evidence_alone_takes_no_option_that_would_make_a_version(model, small_fairface, option, capsys):  # noqa: F811
    with pytest.raises(SystemExit) as end:
        calibrate.main(["--model", str(model), "--data", str(small_fairface), "--evidence-only", option])
    assert end.value.code == 2
    assert "changes no version" in capsys.readouterr().err


def test_a_damaged_or_foreign_file_is_told(calibrated):
    card = cards.read_card(calibrated)
    file = calibrated / cards.EVIDENCE_FILE
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(cards.DamagedCheckpoint, match="its hash differs"):
        evidence.read_evidence(calibrated, card=card, way=CHIPS)
    file.unlink()
    with pytest.raises(cards.DamagedCheckpoint, match="cannot be read"):
        evidence.read_evidence(calibrated, card=card, way=CHIPS)
    assert checkpoint.load(calibrated)  # the model itself still answers


def test_an_export_takes_it_along(calibrated, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "to_onnx", lambda net, card: b"a graph")
    monkeypatch.setattr(export, "OnnxRuntime", lambda weights, card: None)
    monkeypatch.setattr(export, "largest_difference", lambda *args, **more: 0.0)
    card = export.export(calibrated, out=tmp_path / "onnx", faces=None, int8=False)
    kept = evidence.read_evidence(tmp_path / "onnx", card=card, way=PHOTOS)
    assert (
        kept.fingerprint()
        == evidence.read_evidence(calibrated, card=cards.read_card(calibrated), way=PHOTOS).fingerprint()
    )
    assert card.evidence["measured_with"] == "tiny-1-calibrated"


def test_other_weights_lose_it(calibrated, tmp_path):
    net, card = checkpoint.load(calibrated)
    assert card.evidence
    assert checkpoint.save(tmp_path / "again", net=net, card=card).evidence == {}
    assert cards.read_card(tmp_path / "again").evidence == {}


def test_labels_in_other_classes_give_no_evidence(calibrated, small_fairface, tiny, tmp_path, capsys):
    lists = tmp_path / "list.txt"
    groups = ("Asian", "Black", "Indian", "White", "Latino_Hispanic")
    lists.write_text("".join(f"train/{number}.webp {groups[number % 5]}\n" for number in range(35, 65)))
    more = ["--list", str(lists), "--taxonomy", "list-5", "--out", str(tmp_path / "coarse")]
    assert calibrate.main(["--model", str(calibrated), "--data", str(small_fairface), *more]) == 0
    assert "no evidence of errors is kept" in capsys.readouterr().err
    assert cards.read_card(tmp_path / "coarse").evidence == {}
    assert not (tmp_path / "coarse" / cards.EVIDENCE_FILE).exists()


def test_the_default_model_carries_its_calibration_faces():
    card = cards.read_card()
    assert card.sha256 == "d1758255d3c7d19f33c9ee77b66c8cabd348acaf28cad311e4f19c5e95ab5b16"
    assert card.evidence["data_sha256"] == card.metrics["calibration"]["data_sha256"]
    chips = evidence.read_evidence(cards.DEFAULT_DIR, card=card, way=CHIPS)
    photos = evidence.read_evidence(cards.DEFAULT_DIR, card=card, way=PHOTOS)
    assert len(chips) == card.metrics["calibration"]["images"]
    assert 0.9 * len(chips) < len(photos) <= len(chips)
    for way in (chips, photos):
        confusions = count_confusions(way, scheme=single("race", classes=card.labels["race"]))
        assert 0.6 < np.trace(confusions) / confusions.sum() < 0.75  # as the card's measures on other faces


def test_probabilities_come_from_the_temperatures_of_the_card_that_is_written(tiny):
    _, card = tiny
    faces = calibrate.face_set.FaceSet(
        np.zeros((4, 8, 8, 3), np.uint8),
        {"gender": np.array([0, 1, -1, 0])},
        ("a", "b", "c", "d"),
        {"gender": calibrate.face_set.Classes("gender", card.labels["gender"])},
    )
    logits = {"gender": np.array([[1.0, 0.0]] * 4)}
    found = held_out_answers.pack_answers(card, asked=Asked(CHIPS, faces, logits), name="X")
    expected = metrics.softmax(logits["gender"] / card.temperatures["gender"])
    np.testing.assert_allclose(found.faces.posteriors["gender"], expected, atol=1e-3)
    assert found.actual["gender"].tolist() == [0, 1, -1, 0]


def test_a_checkpoint_from_before_there_was_evidence_is_read(tmp_path):
    shutil.copytree(cards.DEFAULT_DIR, tmp_path / "old")
    (tmp_path / "old" / cards.EVIDENCE_FILE).unlink()
    file: Path = tmp_path / "old" / cards.CARD_FILE
    values = json.loads(file.read_text())
    del values["evidence"]
    file.write_text(json.dumps(values))
    card, _ = cards.read_pair(tmp_path / "old", weights_file=cards.WEIGHTS_FILE)
    assert card.evidence == {}
    with pytest.raises(NoEvidence) as told:
        evidence.read_evidence(tmp_path / "old", card=card, way=PHOTOS)
    assert told.value.code == "no_matrix"


def test_the_model_card_shows_the_matrices_both_ways():
    card = cards.read_card()
    ways = write_card.read_ways(cards.DEFAULT_DIR, card=card)
    matrices = card_evidence.make_matrices(ways)
    whole = (cards.DEFAULT_DIR / "MODEL_CARD.md").read_text()
    text = whole.partition("## How it errs")[2].partition("\n## ")[0]
    assert text.count("<details>") == len(matrices) == 6
    for matrix in matrices:
        assert "\n\n".join((str(markdown.table(["", *matrix.labels], matrix.rows)), "Condition number ")) in text
        assert f"Condition number {matrix.condition:.1f}: " in text
    counts = count_confusions(ways[0], scheme=single("gender", classes=card.labels["gender"]))
    told = 100 * counts[0] / counts.sum(axis=0)
    assert f"| called Male | {told[0]:.1f} | {told[1]:.1f} |" in text
    assert card_evidence.make_matrices([]) == []
    assert write_card.read_ways(cards.DEFAULT_DIR, card=replace(card, evidence={})) == []
