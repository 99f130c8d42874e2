"""What runs are trained on: lists, classes of one's own, sets joined, and what is kept out."""

import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ml import labels, train
from ml.datasets import face_set, seen, sources
from ml.measuring import slices
from ml.model import checkpoint, trained
from ml.model.card import REVIEWED_FACES, OtherLabels, read_card
from ml.training import reading, setup
from tests.ml.conftest import RECIPE, read_log


def test_lists_of_five_groups_train_the_fine_head(run, small_fairface, tmp_path):
    for name, numbers in (("train", range(1, 49)), ("val", range(49, 65))):
        lines = [f"train/{n}.webp {('Asian', 'Black', 'Indian', 'White', 'Latino_Hispanic')[n % 5]}" for n in numbers]
        (tmp_path / f"{name}.txt").write_text("\n".join(lines))
    lists = ["--train-txt", str(tmp_path / "train.txt"), "--val-txt", str(tmp_path / "val.txt")]
    assert run("run", *lists, "--data.taxonomy", "list-5", "--log-file", str(tmp_path / "five.csv")) == 0
    assert "val_race of Asian" in read_log(tmp_path / "five.csv")[0]
    card = read_card(tmp_path / "run")
    assert card.labels == {"race": labels.RACE}
    assert (card.recipe["data"]["list"], card.recipe["data"]["shards"]) == ("train.txt", [])


def test_classes_of_ones_own_become_the_labels_of_the_checkpoint(run, small_fairface, tmp_path):
    lines = [f"train/{n}.webp {('Female', 'Male', 'Non-binary')[n % 3]}" for n in range(1, 65)]
    (tmp_path / "train.txt").write_text("\n".join(lines[:48]))
    (tmp_path / "val.txt").write_text("\n".join(lines[48:]))
    lists = ["--train-txt", str(tmp_path / "train.txt"), "--val-txt", str(tmp_path / "val.txt")]
    own = ["--data.attribute", "gender", "--data.classes", "Female,Male,Non-binary"]
    assert run("run", *lists, *own) == 0
    with pytest.raises(OtherLabels):
        read_card(tmp_path / "run")
    assert read_card(tmp_path / "run", own_labels=True).labels == {"gender": ("Female", "Male", "Non-binary")}


@pytest.fixture
def utkface_folder(tmp_path):
    """Twenty generated women of 30 in UTKFace's manner."""
    folder = tmp_path / "utk"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for n in range(20):
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(folder / f"30_1_{n % 5}_{n}.chip.png")
    return folder


def test_exact_ages_train_the_head_of_age_where_a_set_has_them(run, utkface_folder, tmp_path, capsys):
    """Of 60 generated people, 12 and 48 years old by brightness, whose bins alone would say little of their years."""
    own = ["--data.reader", "utkface", "--data.shards", "", "--data.held-out", "0", "--data.validation-share", "0.2"]
    for path in utkface_folder.iterdir():
        path.unlink()
    rng = np.random.default_rng(2)
    for n in range(60):
        pixels = rng.integers(0, 60, (40, 40, 3), dtype=np.uint8) + np.uint8(180 * (n % 2))
        Image.fromarray(pixels).save(utkface_folder / f"{(12, 48)[n % 2]}_1_{n % 5}_{n}.chip.png")
    more = ["--epochs", "12", "--average", "0", "--augmentation.brightness", "0", "--years", "3", "--attributes", "age"]
    assert run("run", *own, *more, place=utkface_folder) == 0
    last = read_log(tmp_path / "run" / "log.csv")[-1]
    assert float(last["val_years_off"]) < 6
    assert float(last["val_years_off of 10-19"]) < 6
    assert last["val_years_off of 0-2"] == "nan"
    assert "years off: " in capsys.readouterr().out
    for options, told in ((["--attributes", "race"], "age among their attributes"), ([], "the training set has none")):
        with pytest.raises(SystemExit):
            run("other", "--years", "1", *options)
        assert told in capsys.readouterr().err.splitlines()[-1]


def test_sets_of_different_taxonomies_are_joined(run, small_fairface, utkface_folder, tmp_path):
    config = tmp_path / "joined.toml"
    config.write_text(RECIPE + '\n[[also]]\nreader = "utkface"\n')
    assert run("run", "--config", str(config), "--also", str(utkface_folder)) == 0
    rows = read_log(tmp_path / "run" / "log.csv")
    assert "train_race of Asian" in rows[0]
    assert "val_race of Asian" not in rows[0]
    assert read_card(tmp_path / "run").labels["race"] == labels.RACE


def test_shared_images_and_empty_classes_are_told(run, small_fairface, tmp_path, capsys):
    (tmp_path / "a.txt").write_text("train/1.webp Black\ntrain/2.webp White\n")
    (tmp_path / "b.txt").write_text("train/2.webp White\n")
    with pytest.raises(SystemExit):
        run("run", "--train-txt", str(tmp_path / "a.txt"), "--val-txt", str(tmp_path / "b.txt"))
    told = capsys.readouterr().err
    assert "1 images are in the training and the validation set" in told
    assert "no example of 5 race classes" in told
    assert "is one image" in told


def test_the_held_out_images_are_the_last_ones_and_never_trained_on(small_fairface):
    wanted = train.recipe.read_recipe(train.recipe.DEFAULT, overrides={"data.shards": ["train-0.zip"]})
    places = reading.Places(small_fairface)
    training, held_out = reading.read_sets(wanted, places, preset=setup.preset_of(wanted))
    assert (training.files[0], len(training), held_out.files[-1]) == ("train/1.webp", 32, "train/64.webp")
    assert not set(training.files) & set(held_out.files)


def test_what_a_card_tells_as_held_out_was_not_trained_on(small_fairface, tmp_path):
    """Also where another set is measured on, and of further sets."""
    (tmp_path / "val.txt").write_text("train/63.webp White\ntrain/64.webp Black\n")
    overrides = {"data.shards": ["train-0.zip"], "data.held_out": 20}
    wanted = train.recipe.read_recipe(train.recipe.DEFAULT, overrides=overrides)
    preset = setup.preset_of(wanted)
    listed = reading.Places(small_fairface, val_list=tmp_path / "val.txt")
    training, validation = reading.read_sets(wanted, listed, preset=preset)
    assert (len(training), training.files[-1], len(validation)) == (44, "train/44.webp", 2)
    apart = replace(wanted, validation=wanted.data.__class__(shards=("train-0.zip",)))
    with pytest.raises(face_set.SharedImages):  # 44 of them are trained on
        reading.read_sets(apart, reading.Places(small_fairface), preset=preset)
    also = replace(wanted, also=(replace(wanted.data, held_out=30),))
    training, _ = reading.read_sets(also, reading.Places(small_fairface, also=(small_fairface,)), preset=preset)
    assert (len(training), training.files[-1]) == (44 + 34, "train/34.webp")


def test_lists_in_place_of_the_recipes_sets_hold_out_what_the_card_tells(run, tmp_path):
    for name, numbers in (("train", range(1, 49)), ("val", range(49, 65))):
        (tmp_path / f"{name}.txt").write_text("".join(f"train/{n}.webp {('Asian', 'Black')[n % 2]}\n" for n in numbers))
    lists = ["--train-txt", str(tmp_path / "train.txt"), "--val-txt", str(tmp_path / "val.txt")]
    share = ["--data.held-out", "0", "--data.validation-share", "0.5", "--data.taxonomy", "list-5"]
    assert run("run", *lists, *share, "--epochs", "1") == 0
    told = read_card(tmp_path / "run").recipe
    assert (told["images"], told["data"]["held_out"], told["data"]["validation_share"]) == (48, 0, 0.0)


@pytest.mark.parametrize("way", ["teacher", "start"])
def test_who_saw_the_validation_images_neither_teaches_nor_begins(run, tmp_path, tiny, capsys, way):
    net, card = tiny
    saw_all = replace(card, recipe={"data": {"shards": ["train-0.zip"], "held_out": 4}})
    checkpoint.save(tmp_path / "other", net=net, card=saw_all)
    options = ["--teacher", str(tmp_path / "other"), "--distill", "0.5"] if way == "teacher" else []
    with pytest.raises(SystemExit):
        run("run", *(options or ["--start", str(tmp_path / "other")]))
    assert "was trained on 12 of the 16 images" in capsys.readouterr().err


@pytest.mark.parametrize("way", ["teacher", "start"])
def test_who_saw_the_held_out_images_neither_teaches_nor_begins_where_others_validate(
    run, small_fairface, utkface_folder, tmp_path, tiny, capsys, way
):
    net, card = tiny
    saw_some = replace(card, recipe={"data": {"shards": ["train-0.zip"], "held_out": 4}})
    checkpoint.save(tmp_path / "other", net=net, card=saw_some)
    learning = ["--teacher", str(tmp_path / "other"), "--distill", "0.5"]
    learning = learning if way == "teacher" else ["--start", str(tmp_path / "other")]
    apart = tmp_path / "apart.toml"
    apart.write_text(RECIPE + '\n[validation]\nreader = "utkface"\n')
    also = tmp_path / "also.toml"
    main = RECIPE.replace('shards = ["train-0.zip"]\nheld_out = 16', 'reader = "utkface"\nvalidation_share = 0.2')
    also.write_text(main + '\n[[also]]\nshards = ["train-0.zip"]\nheld_out = 16\n')
    for config, places in (
        (apart, ["--validation", str(utkface_folder)]),
        (also, ["--data", str(utkface_folder), "--also", str(small_fairface)]),
    ):
        with pytest.raises(SystemExit):
            run("run", "--config", str(config), *places, *learning)
        assert "of what the recipe holds out: tiny-1 was trained on 12 of the 16 images" in capsys.readouterr().err


@pytest.mark.parametrize("way", ["teacher", "start"])
def test_what_is_nearly_the_same_as_a_sources_image_chooses_no_epoch(run, small_fairface, tmp_path, tiny, capsys, way):
    net, card = tiny
    (tmp_path / "saved").mkdir()
    with zipfile.ZipFile(small_fairface / "train-0.zip") as archive:
        Image.open(archive.open("train/60.webp")).save(tmp_path / "saved" / "again.jpg", quality=95)
    (tmp_path / "list.txt").write_text("again.jpg Female\n")
    source = sources.Source(
        tmp_path / "saved", list_file=tmp_path / "list.txt", reader="list", attribute="gender", classes=labels.GENDER
    )
    known = seen.describe(sources.read_source(source, preset=card.preset))
    card, content = trained.attach(replace(card, recipe={REVIEWED_FACES: ["one"]}), images=known)
    checkpoint.save(tmp_path / "other", net=net, card=card, trained=content)
    learning = ["--teacher", str(tmp_path / "other"), "--distill", "0.5"]
    assert run("run", *(learning if way == "teacher" else ["--start", str(tmp_path / "other")]), "--epochs", "1") == 0
    validated = (tmp_path / "run" / "val.txt").read_text()
    assert "train/59.webp" in validated
    assert "train/60.webp" not in validated
    assert "1 (nearly the same as one trained on)" in capsys.readouterr().err
    # Nor is what it learned of reviewed faces measured later.
    assert read_card(tmp_path / "run").learned_from == {"one"}


def test_classes_that_cover_the_same_labels_are_one_after_joining():
    five, seven = face_set.classes_in("race", taxonomy="utkface-5"), face_set.classes_in("race")
    sets = [
        face_set.FaceSet(np.zeros((2, 1, 1, 3), np.uint8), {"race": np.array([0, 2])}, ("a", "b"), {"race": classes})
        for classes in (seven, five)
    ]
    joined = face_set.join_faces(sets)
    assert joined.classes["race"].names == (*labels.RACE, "Asian", "Others")
    assert joined.targets["race"].tolist() == [0, 2, 0, 7]


def test_joining_keeps_the_years_and_sizes_that_a_set_tells():
    told, silent = (
        face_set.FaceSet(np.zeros((2, 4, 4, 3), np.uint8), {"gender": np.array([0, 1])}, files, classes, **more)
        for classes in [{"gender": face_set.classes_in("gender")}]
        for files, more in (
            (("a", "b"), {"years": np.array([31.0, np.nan]), "sides": np.array([60.0, 200.0])}),
            (("c", "d"), {}),
        )
    )
    joined = face_set.join_faces([told, silent])
    assert np.array_equal(joined.years, [31.0, np.nan, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(joined.sides, [60.0, 200.0, np.nan, np.nan], equal_nan=True)
    assert (face_set.join_faces([silent, silent]).years, face_set.join_faces([silent, silent]).sides) == (None, None)
    # A face whose size nobody told lies in no slice of sizes.
    size = slices.slice_by_quality(joined, rows=np.arange(4))[0]
    assert (size.name, size.places.tolist()) == ("size", [1, 3, face_set.UNKNOWN, face_set.UNKNOWN])
