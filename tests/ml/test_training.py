import csv

import numpy as np
import pytest
import torch

from ml import augment, checkpoint, data, recipe, train
from ml.card import read_card
from ml.datasets import fairface

RECIPE = """
name = "trial"
arch = "tiny"
epochs = 2
batch_size = 16
learning_rate = 0.05

[data]
shards = ["train-0.zip"]
held_out = 16
"""


@pytest.fixture
def arguments(small_fairface, tmp_path, tiny):
    """Arguments of a run into a folder, on generated images with a tiny network."""
    config = tmp_path / "recipe.toml"
    config.write_text(RECIPE)

    def build(out: str, *more: str) -> list[str]:
        return [
            "--data",
            str(small_fairface),
            "--config",
            str(config),
            "--out",
            str(tmp_path / out),
            "--device",
            "cpu",
            *more,
        ]

    return build


def test_a_run_writes_its_log_and_a_checkpoint(arguments, tmp_path):
    assert train.main(arguments("run")) == 0
    with open(tmp_path / "run" / train.LOG_FILE, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["loss"]) < float(rows[0]["loss"])
    assert "race of Latino_Hispanic" in rows[0]
    card = read_card(tmp_path / "run")
    assert (card.name, card.arch, card.recipe["epochs_done"]) == ("trial", "tiny", 2)
    assert 0 <= card.metrics["held_out"]["gender"] <= 1
    checkpoint.load(tmp_path / "run")


def test_an_interrupted_run_goes_on_to_the_same_end(arguments, tmp_path, monkeypatch):
    train.main(arguments("straight"))
    train_epoch = train.train_epoch

    def interrupted(run: train.Run, *rest: object, **kwargs: object) -> float:
        if run.epoch == 1:
            raise KeyboardInterrupt
        return train_epoch(run, *rest, **kwargs)

    monkeypatch.setattr(train, "train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train.main(arguments("halting"))
    assert read_card(tmp_path / "halting").recipe["epochs_done"] == 1
    monkeypatch.setattr(train, "train_epoch", train_epoch)
    train.main(arguments("halting", "--resume"))
    straight, halting = (checkpoint.load(tmp_path / name)[0].state_dict() for name in ("straight", "halting"))
    for name, tensor in straight.items():
        assert torch.allclose(tensor.float(), halting[name].float(), atol=1e-3), name


def test_the_held_out_images_are_the_last_ones_and_never_trained_on(arguments, monkeypatch):
    seen: list[data.FaceSet] = []
    monkeypatch.setattr(train, "train_epoch", lambda run, faces, **_: seen.append(faces) or _one_epoch(run))
    train.main(arguments("run", "--epochs", "1"))
    assert seen[0].files[0] == "train/1.webp"
    assert seen[0].files[-1] == "train/48.webp"


def _one_epoch(run: train.Run) -> float:
    run.average.update_parameters(run.net)
    run.epoch += 1
    return 1.0


def test_the_published_recipe_is_read():
    found = recipe.read_recipe(recipe.DEFAULT, epochs=3, seed=None)
    assert (found.name, found.epochs, found.batch_size, found.data.held_out) == ("facet-1", 3, 128, 2500)
    assert found.data.shards[-1] == "train-7.zip"


def test_an_unknown_key_in_a_recipe_is_told(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text("epoch = 3\n[augmentation]\nflip = 0.1\n")
    with pytest.raises(ValueError, match="epoch"):
        recipe.read_recipe(path)


def test_augmentation_keeps_size_and_range_and_can_be_repeated():
    chips = torch.randint(0, 256, (8, 3, 40, 40), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    how = augment.Augmentation()
    one, two = (augment.augment(chips, how=how, generator=torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one, two)
    assert one.shape == chips.shape
    assert one.min() >= 0
    assert one.max() <= 255
    assert not torch.equal(one, chips.float())


def test_no_augmentation_changes_nothing():
    chips = torch.randint(0, 256, (4, 3, 40, 40), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    still = augment.Augmentation(*[0.0] * 9)
    found = augment.augment(chips, how=still, generator=torch.Generator().manual_seed(5))
    assert torch.allclose(found, chips.float(), atol=0.01)


def test_fairface_is_read_in_the_order_of_its_zips(small_fairface):
    faces = fairface.read_fairface(small_fairface, shards=["train-0.zip"], label_file=fairface.TRAIN_CSV, size=32)
    assert faces.images.shape == (64, 32, 32, 3)
    assert faces.files[:2] == ("train/1.webp", "train/2.webp")
    assert faces.targets["race"][:3].tolist() == [1, 2, 3]
    assert faces.targets["gender"][:2].tolist() == [1, 0]
    assert np.ptp(faces.images[0]) > 0
