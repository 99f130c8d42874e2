from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from ml import labels
from ml.model import network, pretrained, trunks
from ml.preprocess import Preset, to_input

DOWN = (3, 7, 10, 13)


def reference_features(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    """The original network as its description tells it, with scale layers."""

    def layer(x: Tensor, name: str, *, stride: int, padding: int) -> Tensor:
        y = functional.conv2d(x, weights[f"{name}.conv.weight"], stride=stride, padding=padding)
        return y * weights[f"{name}.scale.weight"].view(-1, 1, 1) + weights[f"{name}.scale.bias"].view(-1, 1, 1)

    x = functional.max_pool2d(functional.relu(layer(x, "stem", stride=2, padding=0)), 3, 2)
    for block in range(14):
        down = block in DOWN
        y = functional.relu(layer(x, f"blocks.{block}.conv1", stride=2 if down else 1, padding=0 if down else 1))
        y = layer(y, f"blocks.{block}.conv2", stride=1, padding=1)
        if down:
            x = functional.avg_pool2d(x, 2)
            x = torch.cat([x, x.new_zeros(len(x), y.shape[1] - x.shape[1], *x.shape[2:])], dim=1)
            y = functional.pad(y, (0, x.shape[3] - y.shape[3], 0, x.shape[2] - y.shape[2]))
        x = functional.relu(x + y)
    return x.mean(dim=(2, 3))


@pytest.fixture(params=["drawn", "dlib's"])
def face_weights(request, tmp_path) -> Path:
    """A file of weights with scale layers: dlib's, or by chance, of the same shapes."""
    if request.param == "dlib's":
        return request.getfixturevalue("shared") / "pretrained" / "face_resnet29.safetensors"
    torch.manual_seed(3)
    state = {}
    for name, like in trunks.FaceResNet29().state_dict().items():
        if name.endswith("conv.weight"):
            state[name] = (torch.randn_like(like) * (2 / like[0].numel()) ** 0.5).half()
        elif "running" not in name and not name.endswith("tracked"):
            drawn = torch.rand_like(like) + 0.5 if name.endswith("weight") else torch.randn_like(like) / 10
            state[name.replace(".norm.", ".scale.")] = drawn.half()
    save_file(state, tmp_path / "drawn.safetensors")
    return tmp_path / "drawn.safetensors"


def test_the_trunk_computes_the_original_features_before_and_after_it_is_made_trainable(face_weights):
    path = face_weights
    weights = {name: tensor.float() for name, tensor in load_file(path).items()}
    chips = torch.randint(0, 256, (8, 3, 150, 150), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    x = to_input(chips, preset=Preset())
    with torch.inference_mode():
        expected = reference_features(weights, x)
    trunk = pretrained.load_face_trunk(path)
    with torch.inference_mode():
        loaded = trunk(x)
    pretrained.calibrate_norms(trunk, x)
    with torch.inference_mode():
        calibrated = trunk(x)
    assert expected.abs().max() > 0.5
    assert torch.allclose(loaded, expected, atol=1e-4)
    assert torch.allclose(calibrated, expected, atol=1e-3)


def test_a_wide_face_resnet_begins_as_the_narrow_one_side_by_side(tmp_path):
    torch.manual_seed(0)
    narrow = trunks.FaceResNet29().eval()
    state = {name: tensor.half() for name, tensor in narrow.state_dict().items() if not name.endswith("tracked")}
    state = {name.replace(".norm.", ".scale."): t for name, t in state.items() if "running" not in name}
    save_file(state, tmp_path / "start.safetensors")
    wide = pretrained.load_face_trunk(tmp_path / "start.safetensors", width=2)
    x = torch.randn(2, 3, 150, 150)
    with torch.inference_mode():
        one, two = pretrained.load_face_trunk(tmp_path / "start.safetensors")(x), wide(x)
    assert wide.features == trunks.create_trunk("face_resnet29w2").features == 512
    assert torch.allclose(two, one.repeat(1, 2), atol=1e-4)


def test_calibrated_normalisations_meet_what_they_expect():
    torch.manual_seed(0)
    trunk = trunks.FaceResNet29()
    x = torch.randn(16, 3, 150, 150)
    pretrained.calibrate_norms(trunk, x)
    with torch.inference_mode():
        y = trunk.stem.conv(x)
    assert torch.allclose(y.var(dim=(0, 2, 3)), torch.ones(32), atol=1e-2)
    assert torch.allclose(y.mean(dim=(0, 2, 3)), trunk.stem.norm.running_mean, atol=1e-3)


def test_folding_the_normalisations_changes_nothing(tiny):
    net, _ = tiny
    norm = net.trunk.conv.norm
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    x = torch.randn(4, 3, 32, 32)
    with torch.inference_mode():
        expected, folded = net(x), network.fold_norms(net)(x)
    for name in labels.ATTRIBUTES:
        assert torch.allclose(expected[name], folded[name], atol=1e-5)


def test_a_head_that_is_not_asked_for_does_not_run(tiny):
    net, _ = tiny

    def refuse(*_: object) -> None:
        raise AssertionError("the race head ran")

    net.heads["race"].register_forward_pre_hook(refuse)
    found = net(torch.zeros(2, 3, 32, 32), attributes=frozenset({"gender", "age"}))
    assert set(found) == {"gender", "age"}
    assert np.isfinite(found["age"].detach().numpy()).all()


@torch.inference_mode()
def test_weights_kept_narrow_answer_as_those_that_autocast_narrows(tiny):
    net, _ = tiny
    folded = network.fold_norms(net)
    x = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = folded(x)
        network.narrow_weights(folded.get_submodule("trunk"), dtype=torch.bfloat16)
        for name, values in folded(x).items():
            assert torch.equal(values, expected[name])
    assert {head.weight.dtype for head in folded.get_submodule("heads").children()} == {torch.float}


@torch.inference_mode()
def test_layers_that_compute_with_their_weights_keep_them_wide():
    class Standardised(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            w = (self.weight - self.weight.mean()) / self.weight.std()
            return functional.conv2d(x, w, self.bias)

    torch.manual_seed(0)
    trunk = nn.Sequential(Standardised(3, 8, 3), nn.Conv2d(8, 4, 3))
    x = torch.randn(2, 3, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = trunk(x)
        network.narrow_weights(trunk, dtype=torch.bfloat16)
        assert torch.equal(trunk(x), expected)
    assert [layer.weight.dtype for layer in trunk] == [torch.float, torch.bfloat16]
