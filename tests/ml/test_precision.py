import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from ml import labels, metrics
from ml.model import close_calls, heat_map, network, runtime
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
    net, card = tiny[0], replace(tiny[1], thresholds={})
    exact = runtime.TorchRuntime(net, card, precision="float32").logits(chips)
    fast = runtime.TorchRuntime(net, card, precision="bfloat16")
    monkeypatch.setattr(runtime, "CLOSE_CALL", 0.0)
    rough = fast.logits(chips)
    margins = []
    for name, values in rough.items():
        told = metrics.softmax(values.astype(np.float64) / card.temperatures[name])
        for taxonomy in labels.taxonomies_of(name):
            groups = labels.group_indices(taxonomy)
            shares = np.stack([told[:, list(members)].sum(axis=1) for members in groups], axis=1)
            second, first = np.sort(shares, axis=1)[:, -2:].T
            margins.append(np.log(first / second))
    narrowest = np.min(margins, axis=0)
    half = float(np.median(narrowest))
    monkeypatch.setattr(runtime, "CLOSE_CALL", half)
    settled, close = fast.logits(chips), narrowest < half
    assert 10 < close.sum() < 30
    for name in rough:
        assert np.allclose(settled[name][close], exact[name][close], atol=1e-6)
        assert np.array_equal(settled[name][~close], rough[name][~close])
        assert not np.array_equal(rough[name], exact[name])


def test_a_tie_in_a_coarser_taxonomy_and_a_threshold_are_close_calls_too(tiny):
    card = replace(
        tiny[1], thresholds={"gender": {"gender": {"Male": 0.8, "Female": None}}}, temperatures={"gender": 2.0}
    )
    groupings = close_calls.list_groupings(card)

    def is_close(attribute, shares):
        logits = {attribute: card.temperatures.get(attribute, 1.0) * torch.tensor(shares).log()[None]}
        return bool(close_calls.find_close(logits, card=card, groupings=groupings, tied=0.05, turning=0.05))

    assert not is_close("race", [0.55, 0.02, 0.02, 0.2, 0.15, 0.02, 0.04])
    # White is far likelier than East Asian alone, and as likely as both Asian groups together.
    assert labels.RACE[3:5] == ("East Asian", "Southeast Asian")
    assert is_close("race", [0.45, 0.02, 0.02, 0.3, 0.145, 0.02, 0.045])
    assert is_close("gender", [0.803, 0.197])
    assert is_close("gender", [0.795, 0.205])
    assert not is_close("gender", [0.83, 0.17])
    assert not is_close("gender", [0.197, 0.803])  # never sure, whatever it is
    assert is_close("gender", [0.505, 0.495])


def test_float32_is_no_tf32_while_the_network_computes(tiny, monkeypatch):
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    monkeypatch.setattr(cudnn, "allow_tf32", True)
    before = matmul.allow_tf32
    found = []
    net, card = tiny
    net.trunk.register_forward_hook(lambda *_: found.append((cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark)))
    monkeypatch.setattr(network, "fold_norms", lambda net: net)
    chips = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    try:
        matmul.allow_tf32 = True
        exact = runtime.TorchRuntime(net, card, precision="float32")
        exact.logits(chips)
        exact.features(chips)
        assert {(cudnn_, products) for cudnn_, products, _ in found} == {(False, False)}
        found.clear()
        monkeypatch.setattr(runtime, "CLOSE_CALL", 1e9)
        runtime.TorchRuntime(net, card, precision="bfloat16").logits(chips)
        assert {products for _, products, _ in found[len(found) // 2 :]} == {False}  # re-asked
        assert (cudnn.allow_tf32, matmul.allow_tf32) == (True, True)
    finally:
        matmul.allow_tf32 = before


@pytest.mark.parametrize("method", heat_map.METHODS)
def test_weights_kept_narrow_for_answers_do_not_narrow_explanations(method):
    """A GPU's runtime, without a GPU: its weights are narrowed as if the device were one."""
    plain, fast = runtime.TorchRuntime.load(precision="float32"), runtime.TorchRuntime.load(precision="bfloat16")
    fast._fast_net = copy.deepcopy(fast._net)
    for part in fast._fast_net.parts():
        network.narrow_weights(part.trunk, dtype=torch.bfloat16)
    chip = np.array(pictures.astronaut().crop((150, 0, 374, 224)).resize((150, 150)))
    fast._half = False  # as SHAP values in float32, which is what the comparison asks
    narrow, exact = (one.explain(chip, attribute="gender", method=method) for one in (fast, plain))
    assert narrow.label == exact.label
    assert np.allclose(narrow.values, exact.values, atol=1e-5)
    fast._half = True
    assert fast.logits(chip[None])["race"].shape == (1, 7)
