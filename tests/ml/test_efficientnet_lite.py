import pytest
import torch
from torch import Tensor

from ml.model import card as cards
from ml.model import efficientnet_lite, network, pretrained, trunks
from ml.preprocess import to_input
from ml.training import recipe, setup

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
ARCH = "tf_efficientnet_lite0"


def port_names(blocks: int) -> list[str]:
    """What the port calls the tensors of a network with so many blocks, in the order of its layers."""
    names = ["_conv_stem.weight", *(f"_bn0.{one}" for one in NORM)]
    for number in range(blocks):
        layers = [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        for conv, norm in layers[number == 0 :]:
            names += [f"_blocks.{number}.{conv}.weight", *(f"_blocks.{number}.{norm}.{one}" for one in NORM)]
    return [*names, "_conv_head.weight", *(f"_bn1.{one}" for one in NORM)]


def scrambled_trunk(arch: str, *, seed: int) -> trunks.LiteTrunk:
    """A trunk of which no two tensors that can tell are alike."""
    torch.manual_seed(seed)
    trunk = trunks.create_trunk(arch).eval()
    assert isinstance(trunk, trunks.LiteTrunk)
    for module in trunk.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.8, 1.6)
            module.bias.data.normal_(std=0.2)
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    return trunk


def as_port(trunk: trunks.LiteTrunk, *, blocks: int) -> dict[str, Tensor]:
    """The trunk's tensors as the port would save them: both have their layers in the order in which they run."""
    return dict(zip(port_names(blocks), trunk.net.state_dict().values(), strict=True))


@pytest.mark.parametrize(("arch", "blocks"), [(ARCH, 16), ("tf_efficientnet_lite1", 21)])
def test_a_trunk_starts_from_the_ports_weights(tmp_path, arch, blocks):
    theirs, ours = scrambled_trunk(arch, seed=1), scrambled_trunk(arch, seed=2)
    head = {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}
    torch.save({**as_port(theirs, blocks=blocks), **head}, tmp_path / "lite.pth")
    pretrained.load_pretrained(ours, path=tmp_path / "lite.pth")
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        found, expected = ours(x), theirs(x)
    assert expected.std() > 1e-3
    assert torch.equal(found, expected)


@pytest.mark.parametrize(("arch", "side"), [(ARCH, 160), (ARCH, 75), ("tf_efficientnet_lite2", 64)])
def test_it_is_timms_network(arch, side):
    ours, theirs = scrambled_trunk(arch, seed=1), trunks.TimmTrunk(arch, size=None).eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(1, 3, side, side)
    with torch.inference_mode():
        found, expected = ours(x), theirs(x)
        folded = network.fold_norms(ours)(x)
    assert expected.std() > 1e-3
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert torch.allclose(folded, expected, rtol=1e-3, atol=1e-4)
    assert not [module for module in network.fold_norms(ours).modules() if isinstance(module, torch.nn.BatchNorm2d)]


def test_a_classifier_is_named_too():
    found = efficientnet_lite.rename_tensors({"_fc.weight": torch.zeros(1)}, like=[])
    assert list(found) == ["classifier.weight"]


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.pop("_blocks.7._bn1.bias"),
        lambda tensors: tensors.update({"_blocks.16._bn1.bias": torch.zeros(1)}),
        lambda tensors: tensors.update({"_blocks.3._se_reduce.weight": torch.zeros(1)}),
        lambda tensors: tensors.update({"_blocks": torch.zeros(1)}),
    ],
    ids=["one lacks", "a block too many", "a layer that Lite does not have", "no layer"],
)
def test_other_networks_of_the_port_are_refused(tmp_path, change):
    trunk = scrambled_trunk(ARCH, seed=1)
    tensors = as_port(trunk, blocks=16)
    change(tensors)
    torch.save(tensors, tmp_path / "other.pth")
    with pytest.raises(cards.DamagedCheckpoint, match="does not fit"):
        pretrained.load_pretrained(trunk, path=tmp_path / "other.pth")


def test_the_recipe_sees_faces_as_the_start_saw_imagenet():
    wanted = recipe.read_recipe(recipe.CONFIGS / "fairface-lite0.toml")
    preset = setup.preset_of(wanted)
    assert (wanted.arch, preset.size) == (ARCH, 160)
    chips = torch.tensor([0, 127, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    assert to_input(chips, preset=preset).flatten().tolist() == [-127 / 128, 0.0, 1.0]
