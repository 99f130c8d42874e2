import sys

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from ml import labels
from ml.model import card as cards
from ml.model import checkpoint, network, pretrained, trunks
from ml.preprocess import IMAGENET_PRESET, Preset, to_input


def scramble_norms(net: torch.nn.Module) -> None:
    """Statistics that a wrong folding would show."""
    torch.manual_seed(2)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)


@pytest.mark.parametrize(
    ("arch", "features"), [("resnet18", 512), ("resnet34", 512), ("resnet50", 2048), ("test_resnet", 96)]
)
def test_a_trunk_of_any_kind_gives_features_and_folds_to_the_same_function(arch, features):
    torch.manual_seed(1)
    net = network.AttributeNet(trunks.create_trunk(arch, size=64), attributes=labels.ATTRIBUTES).eval()
    scramble_norms(net)
    assert net.trunk.features == features
    x = torch.randn(2, 3, 64, 64)
    folded = network.fold_norms(net)
    with torch.inference_mode():
        assert net.trunk(x).shape == (2, features)
        expected, found = net(x), folded(x)
    for name in labels.ATTRIBUTES:
        assert torch.allclose(expected[name], found[name], atol=1e-3), name
    if arch.startswith("resnet"):
        assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())


@pytest.mark.parametrize("arch", ["resnet18", "test_resnet", "test_vit"])
def test_a_checkpoint_of_any_trunk_comes_back(arch, tmp_path):
    torch.manual_seed(1)
    preset = Preset(size=64, mean=IMAGENET_PRESET.mean, scale=IMAGENET_PRESET.scale)
    net = network.AttributeNet(trunks.create_trunk(arch, size=64), attributes=labels.ATTRIBUTES).eval()
    saved = checkpoint.save(
        tmp_path, net=net, card=cards.ModelCard(name="other", arch=arch, labels=labels.ATTRIBUTES, preset=preset)
    )
    loaded, card = checkpoint.load(tmp_path)
    assert card == saved
    assert card.preset == preset
    x = to_input(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8), preset=card.preset)
    with torch.inference_mode():
        assert torch.allclose(loaded(x)["race"], net(x)["race"], atol=0.02)


def test_a_vit_is_built_for_the_size_of_its_chips():
    assert trunks.create_trunk("test_vit", size=96)(torch.zeros(1, 3, 96, 96)).shape == (1, 64)


def test_features_behind_a_layer_of_the_head_are_counted_right():
    trunk = trunks.create_trunk("mobilenetv3_small_050", size=64).eval()
    assert trunk(torch.zeros(1, 3, 64, 64)).shape == (1, trunk.features)


@pytest.mark.parametrize("arch", ["", "nonsense", "hf-hub:somebody/something"])
def test_a_name_that_nobody_knows_is_told(arch):
    with pytest.raises(ValueError, match="no trunk called"):
        trunks.create_trunk(arch)


def test_a_name_of_timm_without_timm_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match="pip install timm"):
        trunks.create_trunk("test_vit")
    assert trunks.create_trunk("resnet18").features == 512


def test_channels_may_have_a_scale_each():
    chips = torch.full((1, 3, 2, 2), 255.0)
    x = to_input(chips, preset=IMAGENET_PRESET)
    expected = [(1 - mean) / std for mean, std in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))]
    assert x[0, :, 0, 0].tolist() == pytest.approx(expected, abs=1e-5)


def test_imagenet_weights_come_from_a_file_or_the_cache_and_never_from_the_network(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(cards.MissingCheckpoint, match="resnet18-"):
        pretrained.cached_imagenet_weights("resnet18")
    with pytest.raises(ValueError, match="test_vit"):
        pretrained.cached_imagenet_weights("test_vit")
    (tmp_path / "checkpoints").mkdir()
    older = tmp_path / "checkpoints" / models.ResNet50_Weights.IMAGENET1K_V1.url.rpartition("/")[2]
    older.touch()
    assert pretrained.cached_imagenet_weights("resnet50") == older
    name = models.ResNet18_Weights.DEFAULT.url.rpartition("/")[2]
    torch.manual_seed(4)
    theirs = models.resnet18(weights=None).eval()
    torch.save(theirs.state_dict(), tmp_path / "checkpoints" / name)
    trunk = trunks.create_trunk("resnet18").eval()
    pretrained.load_pretrained(trunk, path=pretrained.cached_imagenet_weights("resnet18"))
    theirs.fc = torch.nn.Identity()
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(trunk(x), theirs(x))


def test_a_masked_autoencoders_encoder_starts_a_vit(tmp_path):
    trunk, other = (trunks.create_trunk("test_vit", size=64).eval() for _ in range(2))
    decoder = {"mask_token": torch.zeros(1, 1, 8), "decoder_embed.weight": torch.zeros(8, 64)}
    torch.save({"model": {**other.net.state_dict(), **decoder}}, tmp_path / "mae.pth")
    pretrained.load_pretrained(trunk, path=tmp_path / "mae.pth")
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(trunk(x), other(x))


def test_a_vit_takes_other_sizes_and_starts_from_weights_of_another(tmp_path):
    small, large = (trunks.create_trunk("test_vit", size=size).eval() for size in (64, 96))
    save_file(small.net.state_dict(), tmp_path / "small.safetensors")
    pretrained.load_pretrained(large, path=tmp_path / "small.safetensors")
    places = small.net.pos_embed[:, 1:].unflatten(1, (4, 4)).permute(0, 3, 1, 2)
    stretched = torch.nn.functional.interpolate(places, size=(6, 6), mode="bicubic", antialias=True)
    assert torch.allclose(large.net.pos_embed[:, 1:], stretched.flatten(2).transpose(1, 2), atol=1e-6)
    assert torch.equal(large.net.pos_embed[:, :1], small.net.pos_embed[:, :1])
    x = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        assert torch.allclose(small(x), large(x), atol=1e-5)  # the same embeddings, interpolated as it is asked


def test_weights_that_do_not_fit_are_told(tmp_path):
    save_file({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "part.safetensors")
    with pytest.raises(cards.DamagedCheckpoint, match="does not fit"):
        pretrained.load_pretrained(trunks.create_trunk("resnet18"), path=tmp_path / "part.safetensors")
