"""Convolutions fused for a CPU: the same network, and what machines without them do."""

import platform

import numpy as np
import pytest
import torch

from ml.model import fusing, network, runtime, trunks
from tests import pictures

HERE = torch.device("cpu")
FUSED = pytest.mark.skipif(not fusing.can_fuse(HERE), reason="torch has no fused convolutions on this machine")


def scrambled_trunk(arch: str) -> trunks.Trunk:
    """One whose normalisations do something, folded."""
    torch.manual_seed(5)
    trunk = trunks.create_trunk(arch).eval()
    for module in trunk.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.8, 1.2)
            module.bias.data.normal_(std=0.2)
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.8, 1.5)
    return network.fold_norms(trunk).requires_grad_(False).to(memory_format=torch.channels_last)


@FUSED
@pytest.mark.parametrize(
    ("arch", "sides"),
    [("face_resnet29", (150, 157)), ("face_resnet29w2", (150, 157)), ("tf_efficientnet_lite0", (64, 75))],
)
def test_a_fused_trunk_computes_the_same(arch, sides):
    plain = scrambled_trunk(arch)
    exact, rough = (fusing.fuse_convolutions(plain, dtype=dtype) for dtype in (torch.float, torch.bfloat16))
    # Even and odd sides lie otherwise in EfficientNet-Lite; of nine chips it takes the last alone.
    for count, side in zip((9, 1), sides, strict=True):
        x = torch.randn(count, 3, side, side).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            expected, found, near = plain(x), exact(x), rough(x).float()
        assert expected.std() > 1e-3
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.abs().max())
        assert 1e-6 < (near - expected).abs().mean() / expected.abs().mean() < 0.03
    assert not any(isinstance(module, torch.nn.Conv2d | trunks.ConvNorm) for module in exact.modules())


@FUSED
@pytest.mark.parametrize("arch", ["resnet18", "face_resnet29x2"])
def test_trunks_of_other_kinds_answer_as_they_did(arch):
    plain = scrambled_trunk(arch)
    fused, x = fusing.fuse_convolutions(plain, dtype=torch.bfloat16), torch.randn(2, 3, 150, 150)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.allclose(fused(x), plain(x), atol=0.05 * float(plain(x).abs().max()))


def test_machines_without_fused_convolutions_say_the_same(monkeypatch):
    chips = np.stack([np.array(pictures.astronaut().crop((150, 0, 374, 224)).resize((150, 150)))] * 2)
    usual = runtime.TorchRuntime.load(precision="float32").logits(chips)
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert not fusing.can_fuse(HERE)
    plain = runtime.TorchRuntime.load(precision="float32").logits(chips)
    assert all(np.allclose(usual[name], plain[name], atol=1e-4) for name in plain)


def test_a_gpu_keeps_its_own_convolutions():
    assert not fusing.can_fuse(torch.device("cuda"))
