"""FairFace as it is released, zipped or unpacked, by recipes that name parts of it and what cards say of the data."""

import csv
import io
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml import errors, labels
from ml.datasets import face_set, held_out
from ml.model import checkpoint
from ml.model.card import read_card
from ml.training import reading, recipe, setup

RELEASED = "fairface-img-margin025-trainval.zip"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "train.md"
# What the default model is made of, in the order of the page.
MADE_OF = re.findall(r"--config (ml/configs/\S+\.toml)", PAGE.read_text().partition("\n## ")[2])


@pytest.fixture(params=["zip", "zips", "unpacked"])
def released(request, tmp_path) -> Path:
    """40 generated training images and 4 for validation: zipped, also beside a zip of the wide margin, or unpacked."""
    folder = tmp_path / "FAIRFACE"
    folder.mkdir()
    rng = np.random.default_rng(3)
    contents = {}
    for part, count in (("train", 40), ("val", 4)):
        rows = [["file", "age", "gender", "race", "service_test"]]
        for number in range(1, count + 1):
            content = io.BytesIO()
            Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(content, "JPEG")
            contents[f"{part}/{number}.jpg"] = content.getvalue()
            told = [labels.AGE[number % 9], labels.GENDER[number % 2], labels.RACE[number % 7], "True"]
            rows.append([f"{part}/{number}.jpg", *told])
        with open(folder / f"fairface_label_{part}.csv", "w", newline="") as file:
            csv.writer(file).writerows(rows)
    margins = {"zip": ["025"], "zips": ["025", "125"], "unpacked": []}[request.param]
    for margin in margins:
        with zipfile.ZipFile(folder / f"fairface-img-margin{margin}-trainval.zip", "w") as archive:
            for name, content in contents.items():
                archive.writestr(name, content)
    if not margins:
        for name, content in contents.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
    return folder


def read(config: Path, *, folder: Path):
    """The training and validation set of a recipe, at a size that costs nothing, and the recipe as it was read."""
    places = reading.Places(folder)
    wanted = reading.find_released(recipe.read_recipe(config), places)
    return *reading.read_sets(wanted, places, preset=replace(setup.preset_of(wanted), size=16)), wanted


@pytest.mark.filterwarnings("ignore::ml.errors.DataWarning")
def test_the_recipes_of_the_default_model_read_fairface_as_it_is_released(released):
    assert [Path(config).stem for config in MADE_OF][-1] == "fairface-lite0-150"
    assert "ml/configs/facet-3.1.toml" in MADE_OF
    shards = () if (released / "train").is_dir() else (RELEASED,)
    for config in MADE_OF:
        with pytest.warns(errors.DataWarning, match=r"none of train-0\.zip.* is in .*: reading "):
            training, validation, wanted = read(PAGE.parents[1] / config, folder=released)
        assert wanted.data.shards == shards
        assert (len(training), len(validation)) == (20, 20)
        assert {name.partition("/")[0] for name in (*training.files, *validation.files)} == {"train"}
    assert read(recipe.CONFIGS / "fairface-released.toml", folder=released)[2].data.shards == shards


@pytest.mark.filterwarnings("ignore::ml.errors.DataWarning")
def test_a_card_names_the_zips_that_were_read_so_that_what_was_held_out_is_found_again(released, run, tmp_path):
    assert run("run", "--epochs", "1", "--trained-on", "FairFace", place=released) == 0
    card = read_card(tmp_path / "run")
    assert card.recipe["data"]["shards"] == ([] if (released / "train").is_dir() else [RELEASED])
    assert card.trained_on == "FairFace, margin 0.25: 24 images, the last ones held out"
    assert len(held_out.read_held_out(card, place=released)) == 16


def test_zips_that_are_missing_are_not_made_up_for_by_others(released, small_fairface, tmp_path):
    some = recipe.Recipe(data=recipe.DataRecipe(shards=("train-0.zip", "train-1.zip")))
    assert (
        reading.find_released(some, reading.Places(small_fairface)) == some
    )  # the first is there, so the others must be
    assert reading.find_released(some, reading.Places(tmp_path / "nowhere")) == some
    wide = recipe.Recipe(data=recipe.DataRecipe(margin=1.25))
    if (released / RELEASED).is_file():
        (released / "fairface-img-margin125-trainval.zip").unlink(missing_ok=True)
        with pytest.raises(face_set.BadData, match=f"margin of 1.25; in .* are: {RELEASED}"):
            reading.find_released(wide, reading.Places(released))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "48 images, the last ones held out"),
        (
            ["--trained-on", "FairFace", "--limit", "40"],
            "FairFace, margin 0.25: 24 images, the last ones held out, read",
        ),
        (["--data.held-out", "0", "--data.validation-share", "0.25"], "48 images, others drawn at random held out"),
    ],
)
def test_a_card_says_what_was_really_trained_on(run, tmp_path, options, told):
    assert run("run", "--epochs", "1", *options) == 0
    card = read_card(tmp_path / "run")
    assert card.trained_on == told + (" with a limit of 40" if "--limit" in options else "")
    assert card.recipe["images"] == int(re.search(r"(\d+) images", told)[1])


def test_a_card_names_the_list_and_what_its_start_and_its_teachers_learned_from(run, tiny, tmp_path):
    for name, numbers in (("train", range(1, 33)), ("val", range(33, 49))):
        (tmp_path / f"{name}.txt").write_text("".join(f"train/{n}.webp {labels.RACE[n % 7]}\n" for n in numbers))
    net, card = tiny
    for name, told in (("start", "UTKFace: 9 images; FairFace: 7 images"), ("teacher", "FairFace: 7 images")):
        checkpoint.save(tmp_path / name, net=net, card=replace(card, name=name, trained_on=told))
    options = ["--train-txt", str(tmp_path / "train.txt"), "--val-txt", str(tmp_path / "val.txt"), "--distill", "0.5"]
    sources = ["--start", str(tmp_path / "start"), "--teacher", str(tmp_path / "teacher"), "--epochs", "1"]
    assert run("run", *options, *sources, "--trained-on", "faces") == 0
    told = read_card(tmp_path / "run").trained_on
    assert told.split("; ") == ["faces: 32 images of the list train.txt", "FairFace: 7 images", "UTKFace: 9 images"]
