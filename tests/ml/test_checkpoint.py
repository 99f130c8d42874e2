import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from ml.model import card as cards
from ml.model import checkpoint
from ml.model.precision import PRECISIONS
from ml.model.runtime import TorchRuntime, load_runtime


def test_a_checkpoint_comes_back_as_it_was(tiny, tmp_path):
    net, card = tiny
    saved = checkpoint.save(tmp_path / "a" / "model", net=net, card=card)
    loaded, found = checkpoint.load(tmp_path / "a" / "model")
    assert found == saved
    assert found.temperatures == card.temperatures
    assert len(found.sha256) == 64
    rules = found.calibration
    assert rules.threshold("race", taxonomy=found.taxonomy("race"), label="White") == 0.6
    assert rules.threshold("race", taxonomy="utkface-4", label="White") == 0.5
    assert rules.threshold("gender", taxonomy=found.taxonomy("gender"), label="Male") == 0.7
    own = replace(found, labels={"race": ("Here", "Elsewhere")}, thresholds={"race": {"race": 0.8}})
    assert own.calibration.threshold("race", taxonomy=own.taxonomy("race"), label="Here") == 0.8
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            assert torch.equal(loaded.state_dict()[name], tensor.half().float())
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("value", [1e5, float("nan")])
def test_weights_that_float16_cannot_hold_are_not_saved(tiny, tmp_path, value):
    net, card = tiny
    with torch.no_grad():
        next(net.trunk.parameters())[0] = value
    with pytest.raises(checkpoint.TooLargeWeights, match="trunk"):
        checkpoint.save(tmp_path / "model", net=net, card=card)
    assert not (tmp_path / "model").exists()


def test_the_hash_covers_the_card_too(tiny, tmp_path):
    net, card = tiny
    saved = checkpoint.save(tmp_path, net=net, card=card)
    path = tmp_path / cards.CARD_FILE
    values = json.loads(path.read_text())
    values["temperatures"]["race"] = 2.0
    path.write_text(json.dumps(values))
    with pytest.raises(cards.DamagedCheckpoint, match="hash"):
        checkpoint.load(tmp_path)
    other = checkpoint.save(tmp_path, net=net, card=cards.parse_card(values, source="test"))
    assert other.sha256 != saved.sha256


def test_missing_files_have_their_own_error(tiny, tmp_path):
    net, card = tiny
    with pytest.raises(cards.MissingCheckpoint):
        checkpoint.load(tmp_path / "nowhere")
    checkpoint.save(tmp_path, net=net, card=card)
    (tmp_path / cards.WEIGHTS_FILE).unlink()
    with pytest.raises(cards.MissingCheckpoint):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize("keep", [0, 7, 1000])
def test_truncated_weights_have_their_own_error(tiny, tmp_path, keep):
    net, card = tiny
    checkpoint.save(tmp_path, net=net, card=card)
    path = tmp_path / cards.WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(cards.DamagedCheckpoint):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', "\x00\xff"])
def test_a_damaged_card_has_its_own_error(tmp_path, text):
    (tmp_path / cards.CARD_FILE).write_text(text, encoding="latin-1")
    with pytest.raises(cards.DamagedCheckpoint if text != "[]" else cards.CheckpointError):
        cards.read_card(tmp_path)


def test_another_format_and_other_labels_have_their_own_errors(tiny):
    _, card = tiny
    values = {**cards.card_values(card), "sha256": ""}
    with pytest.raises(cards.OtherFormat):
        cards.parse_card({**values, "format": 99}, source="test")
    with pytest.raises(cards.OtherLabels):
        cards.parse_card({**values, "labels": {"gender": ["Female", "Male"]}}, source="test")


def test_weights_of_another_network_are_refused(tiny, tmp_path):
    net, card = tiny
    del net.heads["age"]
    checkpoint.save(tmp_path, net=net, card=card)
    with pytest.raises(cards.DamagedCheckpoint, match="missing"):
        checkpoint.load(tmp_path)


def test_reading_a_card_does_not_load_torch(tiny, tmp_path):
    net, card = tiny
    checkpoint.save(tmp_path, net=net, card=card)
    code = (
        "import sys; from pathlib import Path; from ml.model.card import read_card;"
        f"print(read_card(Path({str(tmp_path)!r})).name, 'torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["tiny-1", "False"]


def test_probabilities_are_softmax_over_the_temperature_of_the_mean_of_both_flips(tiny):
    net, card = tiny
    runtime = TorchRuntime(net, card, precision="float32")
    chips = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    x = (torch.from_numpy(chips).permute(0, 3, 1, 2).float() - torch.tensor(card.preset.mean).view(1, 3, 1, 1)) / 255
    with torch.inference_mode():
        logits = (net(x)["race"] + net(x.flip(3))["race"]) / 2
    expected = torch.softmax(logits / 1.5, dim=1).numpy()
    found = runtime.probabilities(chips)
    assert found["race"] == pytest.approx(expected, abs=1e-4)
    assert found["age"].sum(axis=1) == pytest.approx(np.ones(3))


def test_a_precision_that_is_asked_for_is_the_one_that_is_used(tiny, tmp_path):
    net, card = tiny
    checkpoint.save(tmp_path, net=net, card=card)
    chips = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    exact, half = (load_runtime(tmp_path, precision=precision) for precision in PRECISIONS)
    assert (exact.precision, half.precision) == ("float32", "bfloat16")
    with pytest.raises(ValueError, match="no precision called 'half'"):
        load_runtime(tmp_path, precision="half")
    assert exact.logits(chips)["race"] == pytest.approx(half.logits(chips)["race"], abs=0.05)
    assert not np.array_equal(exact.logits(chips)["race"], half.logits(chips)["race"])
    assert TorchRuntime(net, card).precision in PRECISIONS


def test_a_batch_is_halved_when_memory_runs_out(tiny, monkeypatch):
    net, card = tiny
    runtime = TorchRuntime(net, card)
    runtime._batch = 64
    chips = np.random.default_rng(0).integers(0, 255, (70, 32, 32, 3), dtype=np.uint8)
    expected = runtime.logits(chips)
    run, sizes = runtime._run, []

    def run_with_little_memory(part: np.ndarray, **kwargs: object) -> dict[str, torch.Tensor]:
        sizes.append(len(part))
        if len(part) > 20:
            raise torch.cuda.OutOfMemoryError
        return run(part, **kwargs)

    monkeypatch.setattr(runtime, "_run", run_with_little_memory)
    found = runtime.logits(chips)
    assert sizes == [64, 32, 16, 16, 16, 16, 6]
    assert found["race"] == pytest.approx(expected["race"], abs=0.02)
