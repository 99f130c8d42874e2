"""Images that a checkpoint was trained on are known again by what is in them, whatever they are called and saved as."""

import csv
import io
import json
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ml import calibrate, compare, evaluate, export, join, labels, list_trained, publish
from ml.datasets import fairface, held_out, seen, sources, splits
from ml.model import card as cards
from ml.model import checkpoint, trained
from ml.preprocess import Preset

TRAINED, HELD_OUT = range(1, 49), range(49, 65)  # of `small_fairface`, by the recipe of `run`


@pytest.fixture
def trained_model(run, tmp_path):
    """A checkpoint that `ml.train` wrote; its images lie elsewhere."""
    assert run("run", "--epochs", "1") == 0
    return tmp_path / "run"


@pytest.fixture
def disguise(small_fairface, tmp_path):
    """Images of the training set as somebody else's: under other names, as JPEGs where asked, with their labels."""

    def make(numbers, *, as_jpeg=frozenset(), name="mine"):
        folder = tmp_path / name
        folder.mkdir()
        with zipfile.ZipFile(small_fairface / "train-0.zip") as archive:
            for number in numbers:
                content = archive.read(f"train/{number}.webp")
                if number in as_jpeg:
                    again = io.BytesIO()
                    Image.open(io.BytesIO(content)).save(again, "JPEG", quality=95)
                    content = again.getvalue()
                (folder / f"photo{number:03}.{'jpg' if number in as_jpeg else 'webp'}").write_bytes(content)
        with (small_fairface / "fairface_label_train.csv").open() as file:
            labelled = {
                int(row["file"].split("/")[1].removesuffix(".webp")): row["gender"] for row in csv.DictReader(file)
            }
        (folder / "list.txt").write_text(
            "".join(f"{path.name} {labelled[int(path.stem[5:])]}\n" for path in sorted(folder.glob("photo*")))
        )
        return ["--data", str(folder), "--list", str(folder / "list.txt"), "--attribute", "gender"]

    return make


def test_a_run_leaves_what_it_takes_to_know_its_images_again(trained_model, small_fairface):
    for folder in (trained_model, trained_model / "last"):
        known = trained.read(cards.read_card(folder))
        assert len(known) == len(TRAINED)
        assert (folder / cards.TRAINED_FILE).stat().st_size < 1000 + 38 * len(TRAINED)
    faces = fairface.read_fairface(small_fairface, label_file=fairface.TRAIN_CSV, size=32)
    found = seen.look_up(faces, trained=known)
    assert found.trained.tolist() == [True] * len(TRAINED) + [False] * len(HELD_OUT)
    assert not found.near.any()


def test_the_same_files_under_other_names_stop_every_measure(trained_model, disguise, tmp_path, capsys):
    data = disguise([*HELD_OUT, 3, 4])
    model = ["--model", str(trained_model)]
    other = ["--production", str(tmp_path / "copy"), "--candidate", str(trained_model)]
    net, card = checkpoint.load(trained_model)
    checkpoint.save(tmp_path / "copy", net=net, card=replace(card, name="copy", trained={}, recipe={}))
    for command, options in (
        (evaluate, model),
        (compare, other),
        (compare, [other[0], other[3], other[2], other[1]]),
        (calibrate, [*model, "--out", str(tmp_path / "out")]),
    ):
        with pytest.raises(SystemExit) as stopped:
            command.main([*options, *data])
        assert stopped.value.code == 2
        assert "trial was trained on 2 of the 18 images, which would falsify the result" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_they_can_be_left_out_and_are_counted(trained_model, disguise, tmp_path, capsys):
    report = tmp_path / "report.json"
    data = disguise([*HELD_OUT, 3, 4, 5], as_jpeg={5})
    assert evaluate.main(["--model", str(trained_model), *data, "--seen", "leave-out", "--json", str(report)]) == 0
    told = json.loads(report.read_text())
    assert (told["data"]["images"], told["data"]["seen"]) == (16, False)
    assert told["measures"]["left_out"] == {"trained on": 2, "nearly the same as one trained on": 1}
    assert "1 images left out: nearly the same as one trained on" in capsys.readouterr().out
    assert evaluate.main(["--model", str(trained_model), *data, "--seen", "measure", "--json", str(report)]) == 0
    told = json.loads(report.read_text())
    assert (told["data"]["images"], told["data"]["seen"]) == (19, True)


def test_the_same_picture_saved_again_is_in_no_measure(trained_model, disguise, tmp_path, capsys):
    data = disguise([*HELD_OUT, 7, 8], as_jpeg={7, 8, 49})
    report = tmp_path / "report.json"
    assert evaluate.main(["--model", str(trained_model), *data, "--json", str(report)]) == 0
    assert json.loads(report.read_text())["measures"]["left_out"] == {"nearly the same as one trained on": 2}
    both = ["--production", str(trained_model), "--candidate", str(trained_model)]
    assert compare.main([*both, *data, "--json", str(report)]) == 0
    told = json.loads(report.read_text())["data"]
    assert (told["images"], told["left_out"]) == (16, {"nearly the same as one trained on": 2})
    assert "2 images left out: nearly the same as one trained on" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        evaluate.main(["--model", str(trained_model), *disguise([7, 8], as_jpeg={7, 8}, name="two")])
    assert "none is left" in capsys.readouterr().err


def test_a_held_out_image_nearly_the_same_as_one_trained_on_is_not_calibrated_on(small_fairface, run, tmp_path):
    place = tmp_path / "place"
    shutil.copytree(small_fairface, place)
    with zipfile.ZipFile(small_fairface / "train-0.zip") as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    again = io.BytesIO()
    Image.open(io.BytesIO(contents["train/2.webp"])).save(again, "JPEG", quality=95)
    contents["train/60.webp"] = again.getvalue()
    with zipfile.ZipFile(place / "train-0.zip", "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    assert run("run", "--epochs", "1", "--data", str(place)) == 0
    faces = held_out.read_held_out(cards.read_card(tmp_path / "run"), place=place)
    assert len(faces) == len(HELD_OUT) - 1
    assert "train/60.webp" not in faces.files
    validated = (tmp_path / "run" / "val.txt").read_text()
    assert "train/59.webp" in validated
    assert "train/60.webp" not in validated


def test_whatever_is_made_of_a_checkpoint_knows_the_images_too(trained_model, tmp_path):
    net, card = checkpoint.load(trained_model)
    checkpoint.save(tmp_path / "renamed", net=net, card=replace(card, name="renamed"))
    assert export.main(["--model", str(tmp_path / "renamed"), "--out", str(tmp_path / "onnx")]) == 0
    models = [word for name in ("run", "run/last") for word in ("--model", str(tmp_path / name))]
    assert join.main([*models, "--out", str(tmp_path / "joint"), "--name", "joint"]) == 0
    about = f"## About this file\n\nSHA-256 of the checkpoint: `{card.sha256}`.\n"
    (trained_model / "MODEL_CARD.md").write_text(f"# Model card: trial\n\n{about}")
    (tmp_path / "LICENCE").write_text("Anybody may use it.")
    licence = ["--licence-file", str(tmp_path / "LICENCE")]
    assert publish.main([str(trained_model), "--out", str(tmp_path / "hub"), *licence]) == 0
    known = (trained_model / cards.TRAINED_FILE).read_bytes()
    for name in ("renamed", "onnx", "joint", "hub"):
        assert (tmp_path / name / cards.TRAINED_FILE).read_bytes() == known
        assert len(trained.read(cards.read_card(tmp_path / name))) == len(TRAINED)


def test_what_a_start_and_a_teacher_saw_a_run_knows_as_well(trained_model, run, small_fairface, tmp_path):
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "train.txt").write_text("".join(f"train/{n}.webp {('Black', 'Asian')[n % 2]}\n" for n in range(49, 57)))
    (lists / "val.txt").write_text("".join(f"train/{n}.webp {('Black', 'Asian')[n % 2]}\n" for n in range(57, 65)))
    options = ["--train-txt", str(lists / "train.txt"), "--val-txt", str(lists / "val.txt"), "--attributes", "race"]
    options += ["--data.taxonomy", "list-5", "--epochs", "1", "--start", str(trained_model)]
    assert run("next", *options) == 0
    assert len(trained.read(cards.read_card(tmp_path / "next"))) == 48 + 8


def test_a_list_can_be_made_for_a_checkpoint_from_before(trained_model, small_fairface, disguise, tmp_path, capsys):
    before = cards.read_card(trained_model)
    content = (trained_model / cards.TRAINED_FILE).read_bytes()
    net, _ = checkpoint.load(trained_model)
    old = checkpoint.save(tmp_path / "old", net=net, card=replace(before, trained={}))
    assert trained.read(old) is None
    made = ["--model", str(tmp_path / "old"), "--data"]
    assert list_trained.main([*made, str(small_fairface)]) == 0
    assert f"trial {old.sha256[:12]} now knows the 48 images" in capsys.readouterr().out
    assert (tmp_path / "old" / cards.TRAINED_FILE).read_bytes() == content
    assert checkpoint.load(tmp_path / "old")[1].sha256 == before.sha256
    other = tmp_path / "other"
    shutil.copytree(small_fairface, other)
    text = (other / "fairface_label_train.csv").read_text()
    (other / "fairface_label_train.csv").write_text(text.replace("Female", "Male", 1))
    with pytest.raises(SystemExit):
        list_trained.main([*made, str(other)])
    assert "not the ones that trial was trained on" in capsys.readouterr().err


@pytest.fixture
def taught(trained_model, run, tmp_path):
    """A function that trains a network on eight other images with `trained_model` as its teacher; its folder."""

    def train(name, *, teacher=trained_model):
        for part, numbers in (("train", range(49, 57)), ("val", range(57, 65))):
            lines = [f"train/{n}.webp {labels.GENDER[n % 2]}\n" for n in numbers]
            (tmp_path / f"{part}.txt").write_text("".join(lines))
        lists = ["--train-txt", str(tmp_path / "train.txt"), "--val-txt", str(tmp_path / "val.txt")]
        options = ["--teacher", str(teacher), "--distill", "0.5", "--data.attribute", "gender", "--epochs", "1"]
        assert run(name, *lists, *options) == 0
        return tmp_path / name, lists

    return train


def test_a_list_that_is_made_again_keeps_what_the_teachers_saw(taught, small_fairface, disguise, capsys):
    folder, lists = taught("pupil")
    assert len(trained.read(cards.read_card(folder))) == len(TRAINED) + 8
    assert list_trained.main(["--model", str(folder), "--data", str(small_fairface), *lists]) == 0
    assert len(trained.read(cards.read_card(folder))) == len(TRAINED) + 8
    with pytest.raises(SystemExit):
        evaluate.main(["--model", str(folder), *disguise([3, 4, 60])])
    assert "was trained on 2 of the 3 images" in capsys.readouterr().err


def test_a_list_can_be_made_where_the_split_depends_on_nearly_the_same_pictures(run, tmp_path):
    """Pairs that differ by about as much as two pictures may: the chips' size would decide which count as one."""
    place = tmp_path / "pairs"
    place.mkdir()
    rng = np.random.default_rng(5)
    for pair in range(24):
        one, other = rng.integers(0, 255, (2, 20, 20, 3)).astype(float)
        for name, pixels in (("a", one), ("b", one + (other - one) * (0.1 + 0.01 * pair))):
            image = Image.fromarray(pixels.astype(np.uint8)).resize((100, 100), Image.Resampling.BICUBIC)
            image.save(place / f"30_{pair % 2}_{pair % 5}_{pair}{name}.chip.png")
    source = sources.Source(place, reader="utkface")
    small, large = (sources.read_source(source, preset=Preset(size=size)) for size in (list_trained.SMALL_SIDE, 32))
    told = [splits.similar_faces(replace(faces, prints=None)) for faces in (small, large)]
    assert told[0] != told[1]
    assert splits.similar_faces(small) == splits.similar_faces(large)
    options = ["--data.reader", "utkface", "--data.shards", "", "--data.held-out", "0", "--epochs", "1"]
    assert run("run", *options, "--data.validation-share", "0.25", place=place) == 0
    content = (tmp_path / "run" / cards.TRAINED_FILE).read_bytes()
    assert list_trained.main(["--model", str(tmp_path / "run"), "--data", str(place)]) == 0
    assert (tmp_path / "run" / cards.TRAINED_FILE).read_bytes() == content


def test_a_list_without_what_a_teacher_saw_says_so(trained_model, taught, small_fairface, disguise, tmp_path, capsys):
    net, card = checkpoint.load(trained_model)
    silent = checkpoint.save(tmp_path / "silent", net=net, card=replace(card, name="silent", trained={}))
    folder, lists = taught("pupil", teacher=tmp_path / "silent")
    assert trained.read(cards.read_card(folder)).lacks == ("silent",)
    # The same of one whose list was left out; and whoever learns from it is told as well.
    net, card = checkpoint.load(folder)
    checkpoint.save(folder, net=net, card=replace(card, trained={}))
    capsys.readouterr()
    assert list_trained.main(["--model", str(folder), "--data", str(small_fairface), *lists]) == 0
    name = f"silent {silent.sha256[:12]}"
    assert f"not those that it knows of by what it learned from: {name}" in capsys.readouterr().out
    assert evaluate.main(["--model", str(folder), *disguise([3, 4, 60])]) == 0
    assert f"trial learned from {name}, and nobody can say" in capsys.readouterr().err
    assert trained.sources_of({"joined": [card.recipe, {"start": "older"}]}) == ("older", name)
    assert trained.sources_of({"start": "face_resnet29.safetensors"}) == ()


def test_a_damaged_list_is_told(trained_model):
    card = cards.read_card(trained_model)
    (trained_model / cards.TRAINED_FILE).write_bytes(b"other")
    with pytest.raises(cards.DamagedCheckpoint, match="its hash differs"):
        trained.read(card)
    (trained_model / cards.TRAINED_FILE).unlink()
    with pytest.raises(cards.DamagedCheckpoint, match="cannot be read"):
        trained.read(card)


def test_fingerprints_do_not_depend_on_what_a_network_wants(small_fairface):
    source = sources.Source(small_fairface, limit=8)
    found = [
        sources.read_source(source, preset=Preset(size=size, margin=m)).prints for size, m in ((32, 0.25), (60, 0))
    ]
    assert (found[0] == found[1]).all()


def test_flat_pictures_are_like_none():
    flat, told = np.zeros((1, 4), np.uint64), np.full((1, 4), 2**64 - 1, np.uint64)
    assert not seen.near_any(flat, among=flat).any()
    assert seen.near_any(told, among=np.concatenate([flat, told])).all()


def test_nothing_of_reviewed_faces_is_kept(small_fairface):
    faces = fairface.read_fairface(small_fairface, label_file=fairface.TRAIN_CSV, size=32)
    reviewed = replace(faces, face_uids=("",) * 60 + ("one", "two", "three", "four"))
    assert len(seen.describe(reviewed)) == 60
    assert len(seen.describe(replace(faces, face_uids=("one",) * 64))) == 0
