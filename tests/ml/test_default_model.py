import numpy as np
import pytest
import torch

from ml import labels, metrics
from ml.datasets import fairface
from ml.model import card as cards
from ml.model import checkpoint
from ml.model.runtime import TorchRuntime


def test_the_default_model_has_a_complete_card_and_a_true_hash():
    _, card = checkpoint.load()
    assert card.labels == labels.ATTRIBUTES
    assert set(card.temperatures) == set(labels.ATTRIBUTES)
    assert "CC BY 4.0" in card.licence
    assert card.metrics["fairface_val"]["images"] == 2488
    assert (cards.DEFAULT_DIR / "MODEL_CARD.md").is_file()
    assert (cards.DEFAULT_DIR / cards.WEIGHTS_FILE).stat().st_size < 45_000_000


@pytest.mark.slow
def test_the_default_model_reaches_its_recorded_numbers(shared):
    net, card = checkpoint.load()
    faces = fairface.read_fairface(
        shared / "data" / "fairface", shards=["val.zip"], label_file=fairface.VAL_CSV, size=card.preset.size, limit=500
    )
    vectors = TorchRuntime(net, card).probabilities(faces.images)
    recorded = card.metrics["fairface_val"]
    for name, values in vectors.items():
        found = metrics.accuracy(values.argmax(axis=1), faces.targets[name])
        share = recorded[name]["accuracy"]
        # Three standard errors of a sample of 500.
        assert found > share - 3 * np.sqrt(share * (1 - share) / 500), name


@pytest.mark.slow
def test_the_fast_runtime_answers_as_float32_does(shared, monkeypatch):
    net, card = checkpoint.load()
    fast = TorchRuntime(net, card)
    if fast.precision == "float32":
        pytest.skip("this CPU has no bfloat16: there is only float32")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    exact = TorchRuntime(net, card)
    assert exact.precision == "float32"
    faces = fairface.read_fairface(
        shared / "data" / "fairface", shards=["val.zip"], label_file=fairface.VAL_CSV, size=card.preset.size
    )
    ours, theirs = fast.probabilities(faces.images), exact.probabilities(faces.images)
    for name, actual in faces.targets.items():
        answers, others = ours[name].argmax(axis=1), theirs[name].argmax(axis=1)
        assert metrics.accuracy(answers, others) >= 0.995, name
        for group in range(len(labels.RACE)):
            here = faces.targets["race"] == group
            lost = metrics.accuracy(others[here], actual[here]) - metrics.accuracy(answers[here], actual[here])
            assert lost <= 0.005, (name, labels.RACE[group])
