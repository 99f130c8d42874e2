"""Tiny data, a tiny network and the default model, for the tests of `ml`."""

import csv
import io
import zipfile
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ml import attributes, labels
from ml.model import checkpoint, network, trunks
from ml.model.card import ModelCard
from ml.pipeline import FacePipeline
from ml.preprocess import Preset
from ml.reporting import figures
from tests import pictures

torch.set_num_threads(1)

RECIPE = """
name = "trial"
arch = "tiny"
size = 32
epochs = 2
batch_size = 16
learning_rate = 0.05

[data]
shards = ["train-0.zip"]
held_out = 16
"""


class TinyTrunk(trunks.Trunk):
    """Twelve features of a chip of any size, in no time."""

    features = 12

    def __init__(self) -> None:
        super().__init__()
        self.conv = trunks.ConvNorm(3, self.features, kernel=3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x)).mean(dim=(2, 3))


@pytest.fixture(scope="session")
def tiny_card() -> ModelCard:
    return ModelCard(
        name="tiny-1",
        arch="tiny",
        labels=labels.ATTRIBUTES,
        preset=Preset(size=32),
        temperatures={"race": 1.5, "gender": 0.8, "age": 1.0},
        thresholds={"race": {"fairface-7": 0.6, "utkface-4": 0.5}, "gender": {"gender": 0.7}, "age": {"age": 0.3}},
        metrics={"race": 0.5},
        licence="none",
        trained_on="nothing",
    )


@pytest.fixture
def tiny(monkeypatch, tiny_card) -> tuple[network.AttributeNet, ModelCard]:
    """A network of a few hundred weights whose arch `create_trunk` knows during this test, and its card."""
    create = trunks.create_trunk
    monkeypatch.setattr(
        trunks, "create_trunk", lambda arch, **more: TinyTrunk() if arch == "tiny" else create(arch, **more)
    )
    torch.manual_seed(7)
    net = network.AttributeNet(TinyTrunk(), attributes=labels.ATTRIBUTES).eval()
    return net, tiny_card


@pytest.fixture
def declared_mask(monkeypatch) -> attributes.Attribute:
    """An attribute more, during this test; what was made of the declarations before does not know it."""
    mask = attributes.Attribute("mask", ("no mask", "mask"), "Mask worn", "mask", sure_targets={"mask": 0.9})
    monkeypatch.setitem(attributes.ATTRIBUTES, "mask", mask)
    monkeypatch.setitem(labels.ATTRIBUTES, "mask", mask.labels)
    return mask


@pytest.fixture(scope="session")
def pipeline() -> FacePipeline:
    """The default model, on the CPU."""
    return FacePipeline.load(device="cpu", threads=1)


@pytest.fixture(scope="session")
def astronaut() -> Image.Image:
    return pictures.astronaut()


@pytest.fixture(scope="session")
def small_fairface(tmp_path_factory) -> Path:
    """64 generated images in FairFace's layout: brightness tells the gender, so that there is something to learn."""
    folder = tmp_path_factory.mktemp("fairface")
    rng = np.random.default_rng(3)
    rows = []
    with zipfile.ZipFile(folder / "train-0.zip", "w") as archive:
        for number in range(1, 65):
            gender = number % 2
            pixels = rng.integers(0, 100, (60, 60, 3), dtype=np.uint8) + np.uint8(120 * gender)
            content = io.BytesIO()
            Image.fromarray(pixels).save(content, "WEBP")
            name = f"train/{number}.webp"
            archive.writestr(name, content.getvalue())
            race, age = labels.RACE[number % 7], labels.AGE[number % 9]
            rows.append([name, age, labels.GENDER[gender], race, "True"])
    with open(folder / "fairface_label_train.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "age", "gender", "race", "service_test"])
        writer.writerows(rows)
    return folder


@pytest.fixture
def run(small_fairface, tmp_path, tiny):
    """Train a tiny network on generated images into a folder; the exit status.

    Its seven figures take ten times as long as the training: they are left blank unless somebody `draws`.
    """
    from ml import train  # Lightning takes its time to load

    config = tmp_path / "recipe.toml"
    config.write_text(RECIPE)

    def start(out: str, *more: str, place=small_fairface, draws: bool = False) -> int:
        fixed = ["--data", str(place), "--config", str(config), "--checkpoint-dir", str(tmp_path / out)]
        with nullcontext() if draws else mock.patch.object(figures, "as_png", return_value=b""):
            return train.main([*fixed, "--device", "cpu", *more])

    return start


def read_log(path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def weights_of(folder) -> dict[str, torch.Tensor]:
    return {k: v.float() for k, v in checkpoint.load(folder)[0].state_dict().items()}
