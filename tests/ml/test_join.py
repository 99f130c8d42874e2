"""Joining checkpoints: what the joint one says, what it knows of itself, and what does not fit together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ml import explain, join, labels
from ml.model import checkpoint, network, trunks
from ml.model.card import ModelCard, read_card
from ml.model.runtime import TorchRuntime
from ml.preprocess import Preset

DATA = {"shards": ["train-0.zip"], "held_out": 10}


def member(folder: Path, *, seed: int, **changes: object) -> Path:
    """A face ResNet-29 of random weights with normalisations that do something."""
    torch.manual_seed(seed)
    net = network.AttributeNet(trunks.create_trunk("face_resnet29"), attributes=labels.ATTRIBUTES)
    net.train()(torch.randn(4, 3, 150, 150))
    card = ModelCard(
        name=f"member-{seed}",
        arch="face_resnet29",
        labels=labels.ATTRIBUTES,
        preset=Preset(size=150),
        temperatures={"race": 0.5 + seed, "gender": 1.0, "age": 2.0},
        thresholds={"gender": {"gender": 0.7}},
        metrics={"race": 0.5},
        recipe={"seed": seed, "data": DATA, "data_sha256": "0"},
        licence="none",
    )
    checkpoint.save(folder, net=net, card=replace(card, **changes))
    return folder


@pytest.fixture
def two(tmp_path) -> list[Path]:
    return [member(tmp_path / f"member-{seed}", seed=seed) for seed in (1, 2)]


def joined(folders: list[Path], *, out: Path) -> Path:
    arguments = [part for folder in folders for part in ("--model", str(folder))]
    assert join.main([*arguments, "--out", str(out), "--name", "joint"]) == 0
    return out


def test_the_joint_network_says_the_mean_of_the_calibrated_logits(two, tmp_path):
    chips = np.random.default_rng(1).integers(0, 256, (5, 150, 150, 3), dtype=np.uint8)
    nets = [checkpoint.load(folder) for folder in two]
    joint, _ = checkpoint.load(joined(two, out=tmp_path / "joint"))
    x = torch.from_numpy(chips).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        found, folded = joint(x), network.fold_norms(joint)(x)
        each = [(net(x), of.temperatures) for net, of in nets]
    for name in labels.ATTRIBUTES:
        expected = torch.stack([said[name] / temperatures[name] for said, temperatures in each]).mean(dim=0)
        assert expected.std() > 0.01
        assert torch.allclose(found[name], expected, atol=1e-2)  # the weights were rounded to float16 again
        assert torch.allclose(found[name], folded[name], atol=1e-4)
    assert TorchRuntime.load(tmp_path / "joint").probabilities(chips)["race"].shape == (5, 7)


def test_its_card_tells_of_its_members_and_of_no_measure_of_theirs(two, tmp_path):
    card = read_card(joined(two, out=tmp_path / "joint"))
    assert (card.name, card.arch, card.preset) == ("joint", "face_resnet29x2", Preset(size=150))
    assert [recipe["seed"] for recipe in card.recipe["joined"]] == [1, 2]
    assert (card.recipe["data"], card.recipe["data_sha256"]) == (DATA, "0")
    assert (card.temperatures, card.thresholds, card.metrics) == ({}, {}, {})


def test_a_joint_network_can_be_joined_again_and_explained(two, tmp_path):
    joined([*two, two[0]], out=tmp_path / "three")
    joined([tmp_path / "three", two[1]], out=tmp_path / "four")
    assert read_card(tmp_path / "four").arch == "face_resnet29x4"
    x = torch.randn(2, 3, 150, 150)
    with torch.inference_mode():
        of_three, of_two, of_four = (
            checkpoint.load(folder)[0](x)["race"] for folder in (tmp_path / "three", two[1], tmp_path / "four")
        )
    # The members' temperatures are 0.5 and their seed; a joint network has none.
    assert torch.allclose(of_four, (of_three + of_two / 2.5) / 2, atol=1e-2)
    chip = tmp_path / "chip.png"
    Image.effect_noise((150, 150), 90).convert("RGB").save(chip)
    picture = tmp_path / "why.png"
    arguments = ["--aligned", "--model", str(tmp_path / "four"), "--attribute", "age", "--out", str(picture)]
    assert explain.main([str(chip), *arguments]) == 0
    assert Image.open(picture).width > 150


def test_runs_with_other_seeds_held_out_other_images_where_these_are_drawn(tmp_path):
    drawn = {"data": {"validation_share": 0.25}}
    members = [
        checkpoint.load(member(tmp_path / f"{seed}", seed=seed, recipe={**drawn, "seed": seed})) for seed in (1, 2)
    ]
    with pytest.raises(join.BadRecipe, match="trained on different images"):
        join.join_networks(members, name="joint")
    same = [(net, replace(card, recipe={**drawn, "seed": 1})) for net, card in members]
    assert join.join_networks(same, name="joint")[1].recipe["seed"] == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"labels": {**labels.ATTRIBUTES, "gender": ("Female", "Male")}}, "differ in labels of gender"),
        ({"labels": {"race": labels.RACE}}, "differ in attributes: only one of them knows age, gender"),
        ({"recipe": {"data": {**DATA, "held_out": 5}}}, "trained on different images"),
        ({"recipe": {"data": DATA, "data_sha256": "1"}}, "trained on different images"),
        ({"recipe": {"data": DATA, "also": [{"reader": "utkface"}]}}, "trained on different images"),
    ],
)
def test_what_does_not_fit_together_is_told(changes, told, tmp_path):
    members = [
        checkpoint.load(member(tmp_path / "one", seed=1)),
        checkpoint.load(member(tmp_path / "two", seed=2)),
    ]
    cards = [members[0][1], replace(members[1][1], **changes)]
    with pytest.raises(join.BadRecipe, match=told):
        join.join_networks([(net, card) for (net, _), card in zip(members, cards, strict=True)], name="joint")


def test_one_alone_too_many_and_a_folder_in_use_are_told(two, tmp_path, capsys):
    with pytest.raises(SystemExit) as told:
        join.main(["--model", str(two[0]), "--out", str(tmp_path / "out"), "--name", "joint"])
    assert told.value.code == 2
    assert "at least two" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        join.main([*["--model", str(two[0])] * 10, "--out", str(tmp_path / "out"), "--name", "joint"])
    assert "10 networks are more than the 9" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        join.main([*["--model", str(two[0])] * 2, "--out", str(two[1]), "--name", "joint"])
    assert "holds a checkpoint" in capsys.readouterr().err
