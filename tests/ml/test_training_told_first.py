"""What can be known without the data is told before a run waits for it."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from ml.model import checkpoint
from tests.ml.conftest import RECIPE


@pytest.fixture
def told(run, tmp_path, capsys):
    """The last line of a run that ends before it looks for its data, which are nowhere."""

    def start(*options: str) -> str:
        with pytest.raises(SystemExit) as stop:
            run("run", *options, place=tmp_path / "nowhere")
        assert stop.value.code == 2
        return capsys.readouterr().err.splitlines()[-1]

    return start


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--arch", "no-such-net"], "no trunk called 'no-such-net'"),
        (["--layer-decay", "0.5"], "layer_decay is for timm's networks, not for tiny"),
        (
            ["--arch", "vit_tiny_patch16_224", "--size", "64", "--small-epochs", "1", "--small-size", "50"],
            "vit_tiny_patch16_224 cannot take images of 50 x 50 pixels",
        ),
        (["--margin", "1.25"], "the network wants a margin of 1.25 around the face, but the images show 0.25"),
        (["--strategy", "wishful"], "no strategy called 'wishful'"),
        (["--resume"], "no state.ckpt"),
    ],
)
def test_what_is_wrong_whatever_the_data(told, options, words):
    assert words in told(*options)


def test_a_margin_that_only_a_further_set_lacks(told, tmp_path):
    config = tmp_path / "wide.toml"
    config.write_text(f"margin = 1.25\n{RECIPE}margin = 1.25\n[[also]]\nmargin = 0.9\n")
    words = "the network wants a margin of 1.25 around the face, but the images show 0.9"
    assert words in told("--config", str(config), "--also", str(tmp_path / "nowhere"))


def test_weights_to_start_from_that_are_missing(told, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    for start, words in (("imagenet", "resnet34-"), (str(tmp_path / "mine.pth"), "mine.pth, which is not here")):
        line = told("--arch", "resnet34", "--start", start)
        assert words in line
        assert "--start" in line


@pytest.mark.parametrize("arch", ["resnet18", "face_resnet29"])
def test_weights_to_start_from_that_are_damaged_or_of_another_network(told, tmp_path, arch):
    damaged, other = tmp_path / "damaged.safetensors", tmp_path / "other.safetensors"
    damaged.write_bytes(b"no weights at all")
    save_file({"somebody.weight": torch.zeros(3)}, other)
    assert "damaged.safetensors cannot be read" in told("--arch", arch, "--start", str(damaged))
    line = told("--arch", arch, "--start", str(other))
    assert "other.safetensors does not fit: " in line
    assert " is missing; " in line


def test_a_checkpoint_to_start_from_of_another_network(told, tmp_path, tiny):
    net, card = tiny
    checkpoint.save(tmp_path / "first", net=net, card=card)
    assert "holds a tiny, the recipe wants a resnet18" in told("--arch", "resnet18", "--start", str(tmp_path / "first"))


def test_a_teacher_of_another_crop(told, tmp_path, tiny):
    net, card = tiny
    checkpoint.save(tmp_path / "teacher", net=net, card=replace(card, preset=replace(card.preset, margin=1.25)))
    line = told("--teacher", str(tmp_path / "teacher"), "--distill", "0.5")
    assert "tiny-1 wants a margin of 1.25, the recipe has 0.25" in line
