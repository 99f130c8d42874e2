import os
import pickle

import numpy as np
import pytest
import torch
from torchvision import models

from ml import import_fairface, labels
from ml.model import card as cards
from ml.model import outside_weights
from ml.model.runtime import TorchRuntime
from ml.preprocess import IMAGENET_PRESET

# As FairFace's own predict.py slices its 18 outputs.
SLICES = {"race": slice(0, 7), "gender": slice(7, 9), "age": slice(9, 18)}


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A file of the released one's shape, and the network that wrote it."""
    torch.manual_seed(5)
    net = models.resnet34(weights=None)
    net.fc = torch.nn.Linear(net.fc.in_features, 18)
    path = tmp_path_factory.mktemp("released") / "res34_fair_align_multi_7.pt"
    torch.save(net.state_dict(), path)
    return path, net.eval()


def test_the_released_network_says_the_same_as_a_checkpoint(released, tmp_path, capsys):
    path, theirs = released
    assert import_fairface.main(["--file", str(path), "--out", str(tmp_path / "model")]) == 0
    runtime = TorchRuntime.load(tmp_path / "model")
    card = runtime.card
    assert (card.arch, card.labels, card.preset) == ("resnet34", labels.ATTRIBUTES, IMAGENET_PRESET)
    assert card.sha256[:12] in capsys.readouterr().out
    chips = np.random.default_rng(1).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    x = torch.from_numpy(chips).permute(0, 3, 1, 2) / 255
    x = (x - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    with torch.inference_mode():
        expected = ((theirs(x) + theirs(x.flip(3))) / 2).numpy()
    runtime._half = False
    for name, values in runtime.logits(chips).items():
        assert values == pytest.approx(expected[:, SLICES[name]], rel=5e-3, abs=0.05), name


class Attack:
    """Writes a file when somebody unpickles it."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("wrap", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_a_pickle_with_code_in_it_is_refused_and_nothing_runs(tmp_path, capsys, wrap):
    proof = tmp_path / "executed"
    path = tmp_path / "evil.pt"
    wrap({"fc.weight": Attack(str(proof))}, path)
    with pytest.raises(cards.UnsafeCheckpoint):
        outside_weights.read_tensors(path)
    with pytest.raises(SystemExit) as end:
        import_fairface.main(["--file", str(path), "--out", str(tmp_path / "model")])
    assert end.value.code == 2
    assert "asks for code to be run; it was not loaded" in capsys.readouterr().err
    assert not proof.exists()
    assert not (tmp_path / "model").exists()


def test_missing_damaged_and_other_files_have_their_own_errors(released, tmp_path):
    path, net = released
    with pytest.raises(cards.MissingCheckpoint):
        import_fairface.read_network(tmp_path / "nowhere.pt")
    half = tmp_path / "half.pt"
    half.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(cards.DamagedCheckpoint):
        import_fairface.read_network(half)
    half.write_bytes(b"not a checkpoint")
    with pytest.raises(cards.DamagedCheckpoint):
        import_fairface.read_network(half)
    torch.save([1, 2, 3], half)
    with pytest.raises(cards.DamagedCheckpoint):
        import_fairface.read_network(half)
    state = net.state_dict()
    torch.save({**state, "fc.weight": state["fc.weight"][:16], "fc.bias": state["fc.bias"][:16]}, half)
    with pytest.raises(cards.OtherFormat, match="18 outputs"):
        import_fairface.read_network(half)
    torch.save({name: tensor for name, tensor in state.items() if not name.startswith("layer4.2")}, half)
    with pytest.raises(cards.OtherFormat, match="ResNet-34"):
        import_fairface.read_network(half)
    torch.save({**state, "conv1.weight": state["conv1.weight"] * float("nan")}, half)
    with pytest.raises(cards.DamagedCheckpoint, match="no numbers"):
        import_fairface.read_network(half)


def test_weights_saved_from_several_gpus_are_read_too(released, tmp_path):
    path, net = released
    torch.save({"state_dict": {f"module.{name}": t for name, t in net.state_dict().items()}}, tmp_path / "wrapped.pt")
    one, two = (import_fairface.read_network(file).state_dict() for file in (path, tmp_path / "wrapped.pt"))
    assert all(torch.equal(one[name], two[name]) for name in one)
