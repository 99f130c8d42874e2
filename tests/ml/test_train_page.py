"""docs/train.md, its commands run one after the other on FairFace's released layout, small and with a tiny network."""

import csv
import importlib
import io
import json
import re
import shlex
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml import labels, train
from ml.model.card import read_card
from ml.reporting import figures
from ml.training import recipe
from tests import pictures

PAGE = Path(__file__).resolve().parents[2] / "docs" / "train.md"
RELEASED = "fairface-img-margin025-trainval.zip"
SMALLER = ["--arch", "tiny", "--size", "32", "--epochs", "1", "--start", "random", "--data.held-out", "60"]


@pytest.fixture
def released(tmp_path) -> Path:
    """120 generated training images and 20 for validation, as FairFace is released: one zip, two label files."""
    folder = tmp_path / "FAIRFACE"
    folder.mkdir()
    rng = np.random.default_rng(3)
    with zipfile.ZipFile(folder / RELEASED, "w") as archive:
        for part, count in (("train", 120), ("val", 20)):
            rows = [["file", "age", "gender", "race", "service_test"]]
            for number in range(1, count + 1):
                content = io.BytesIO()
                Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(content, "JPEG")
                rows.append(
                    [
                        f"{part}/{number}.jpg",
                        labels.AGE[number % 9],
                        labels.GENDER[number % 2],
                        labels.RACE[number % 7],
                        "True",
                    ]
                )
                archive.writestr(rows[-1][0], content.getvalue())
            with open(folder / f"fairface_label_{part}.csv", "w", newline="") as file:
                csv.writer(file).writerows(rows)
    return folder


@pytest.mark.parametrize(("version", "epochs", "frozen"), [(1, 10, 0), (2, 13, 3), (3, 12, 0)])
@pytest.mark.filterwarnings("ignore::ml.errors.DataWarning")
def test_published_recipes_train_on_fairface_as_released(
    released, tiny, tmp_path, monkeypatch, version, epochs, frozen
):
    config = recipe.CONFIGS / f"fairface_v{version}.toml"
    wanted = recipe.read_recipe(config)
    assert (wanted.arch, wanted.start) == ("resnet50" if version == 3 else "resnet34", recipe.IMAGENET)
    assert (wanted.epochs, wanted.frozen_epochs, wanted.learning_rate) == (epochs, frozen, 1e-3)
    monkeypatch.setattr(figures, "as_png", lambda figure: b"")
    fixed = ["--config", str(config), "--data", str(released), "--checkpoint-dir", str(tmp_path / "run")]
    assert train.main([*fixed, "--arch", "tiny", "--size", "32", "--start", "random", "--epochs", str(frozen + 1)]) == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["validation_images"] == 20
    assert read_card(tmp_path / "run").recipe["images"] == 120


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ml.errors.DataWarning")
def test_the_commands_lead_from_fairface_to_a_model_for_the_site(released, tiny, tmp_path, monkeypatch):
    root = PAGE.parents[1]
    page = PAGE.read_text().partition("\n## ")[0]  # further chapters are for those who have the time
    commands = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    assert (len(commands), commands[0], commands[-1]) == (10, "make setup", "FACET_MODEL_DIR=mine make run")
    pictures.astronaut().save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    for command in commands[1:-1]:
        python, flag, name, *arguments = shlex.split(command)
        assert (python, flag) == (".venv/bin/python", "-m")  # what `make setup` made, whatever else is on the PATH
        arguments = [str(root / word) if word.startswith("ml/") else word for word in arguments]
        more = SMALLER if name == "ml.train" else []
        assert importlib.import_module(name).main([*arguments, *more]) == 0, command
    card = read_card(tmp_path / "mine")
    assert (card.name, card.recipe["images"], card.recipe["data"]["held_out"]) == ("mine", 60, 60)
    assert card.temperatures.keys() == card.labels.keys() == labels.ATTRIBUTES.keys()
    for made in ("report.html", "differences.html", "mine/MODEL_CARD.md", "mine-onnx/model.onnx"):
        assert (tmp_path / made).stat().st_size > 0, made
