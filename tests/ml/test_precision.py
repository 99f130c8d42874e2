import copy

import numpy as np
import pytest
import torch

from ml.model import heat_map, network, runtime
from ml.model.precision import has_fast_bfloat16
from tests import pictures


@pytest.mark.parametrize("instructions", [True, False])
def test_bfloat16_is_fast_on_gpus_and_on_cpus_with_instructions_for_it(monkeypatch, instructions):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    assert has_fast_bfloat16(torch.device("cpu")) == instructions
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7 + device.index, 5))
    assert not has_fast_bfloat16(torch.device("cuda:0"))  # a Turing, which emulates it
    assert has_fast_bfloat16(torch.device("cuda:1"))
    assert not has_fast_bfloat16(torch.device("mps"))


def test_close_calls_in_bfloat16_are_settled_in_float32(tiny, monkeypatch):
    chips = np.random.default_rng(1).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    exact = runtime.TorchRuntime(*tiny, precision="float32").logits(chips)
    fast = runtime.TorchRuntime(*tiny, precision="bfloat16")
    monkeypatch.setattr(runtime, "CLOSE_CALL", 0.0)
    rough = fast.logits(chips)
    margins = []
    for name, values in rough.items():
        second, first = np.sort(values, axis=1)[:, -2:].T
        margins.append((first - second) / fast.card.temperatures[name])
    narrowest = np.min(margins, axis=0)
    half = float(np.median(narrowest))
    monkeypatch.setattr(runtime, "CLOSE_CALL", half)
    settled, close = fast.logits(chips), narrowest < half
    assert 10 < close.sum() < 30
    for name in rough:
        assert np.allclose(settled[name][close], exact[name][close], atol=1e-6)
        assert np.array_equal(settled[name][~close], rough[name][~close])
        assert not np.array_equal(rough[name], exact[name])


@pytest.mark.parametrize("method", heat_map.METHODS)
def test_weights_kept_narrow_for_answers_do_not_narrow_explanations(method):
    """A GPU's runtime, without a GPU: its weights are narrowed as if the device were one."""
    plain, fast = runtime.TorchRuntime.load(precision="float32"), runtime.TorchRuntime.load(precision="bfloat16")
    fast._fast_net = copy.deepcopy(fast._net)
    network.narrow_weights(fast._fast_net.get_submodule("trunk"), dtype=torch.bfloat16)
    chip = np.array(pictures.astronaut().crop((150, 0, 374, 224)).resize((150, 150)))
    fast._half = False  # as SHAP values in float32, which is what the comparison asks
    narrow, exact = (one.explain(chip, attribute="gender", method=method) for one in (fast, plain))
    assert narrow.label == exact.label
    assert np.allclose(narrow.values, exact.values, atol=1e-5)
    fast._half = True
    assert fast.logits(chip[None])["race"].shape == (1, 7)
