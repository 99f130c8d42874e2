import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from ml import checkpoint, data, labels, network, train
from ml.card import OtherLabels, read_card
from ml.training import module, setup, watching

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


@pytest.fixture
def run(small_fairface, tmp_path, tiny):
    """Train a tiny network on generated images into a folder; the exit status."""
    config = tmp_path / "recipe.toml"
    config.write_text(RECIPE)

    def start(out: str, *more: str, place=small_fairface) -> int:
        fixed = ["--data", str(place), "--config", str(config), "--checkpoint-dir", str(tmp_path / out)]
        return train.main([*fixed, "--device", "cpu", *more])

    return start


def read_log(path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def weights_of(folder) -> dict[str, torch.Tensor]:
    return {k: v.float() for k, v in checkpoint.load(folder)[0].state_dict().items()}


def assert_same_weights(one, other) -> None:
    for name, tensor in weights_of(one).items():
        assert torch.allclose(tensor, weights_of(other)[name], atol=1e-3), name


def test_a_run_leaves_checkpoints_log_curves_and_confusions(run, tmp_path, capsys):
    assert run("run") == 0
    folder = tmp_path / "run"
    rows = read_log(folder / watching.LOG_FILE)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"train_loss", "val_loss", "train_gender", "val_gender", "val_race of Latino_Hispanic"} <= set(rows[0])
    for name in ("last", "."):
        card = read_card(folder / name)
        checkpoint.load(folder / name)
        assert (card.name, card.arch, card.recipe["images"]) == ("trial", "tiny", 48)
    assert read_card(folder / "last").recipe["epochs_done"] == 2
    about = json.loads((folder / "run.json").read_text())
    assert (about["seed"], about["recipe"]["data"]["held_out"], len(about["data_sha256"])) == (1, 16, 64)
    assert (folder / "val.txt").read_text().splitlines()[-1] == "train/64.webp\tBlack"
    assert len((folder / "train.txt").read_text().splitlines()) == 48
    for name in ("curves.png", "confusion_race_counts.png", "confusion_race_percent.png"):
        assert Image.open(folder / name).width > 300
    table = read_log(folder / "confusion_gender.csv")
    assert sum(int(row["Male"]) + int(row["Female"]) for row in table) == 16
    printed = capsys.readouterr().out
    assert "epoch 2/2: loss" in printed
    assert "  race: White" in printed


def test_a_network_learns_what_there_is_to_learn(run, tmp_path):
    run("run", "--epochs", "12", "--average", "0", "--augmentation.brightness", "0", "--mixup", "0")
    assert float(read_log(tmp_path / "run" / "log.csv")[-1]["val_gender"]) > 0.9


def test_an_interrupted_run_goes_on_to_the_same_end(run, tmp_path, monkeypatch):
    run("straight", "--epochs", "3")
    step = module.AttributeModule.training_step

    def interrupted(self, batch, index):
        if self.current_epoch == 1 and index == 1:
            raise KeyboardInterrupt
        return step(self, batch, index)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(module.AttributeModule, "training_step", interrupted)
    with pytest.raises(SystemExit):
        run("halting", "--epochs", "3")
    signal.signal(signal.SIGINT, before)
    assert read_card(tmp_path / "halting" / "last").recipe["epochs_done"] == 1
    monkeypatch.setattr(module.AttributeModule, "training_step", step)
    assert run("halting", "--epochs", "3", "--resume") == 0
    assert_same_weights(tmp_path / "straight" / "last", tmp_path / "halting" / "last")
    assert [row["epoch"] for row in read_log(tmp_path / "halting" / "log.csv")] == ["1", "2", "3"]


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant"])
def test_a_finished_run_can_be_made_longer(run, tmp_path, schedule):
    run("run", "--schedule", schedule)
    assert run("run", "--schedule", schedule, "--epochs", "3", "--resume") == 0
    assert read_card(tmp_path / "run" / "last").recipe["epochs_done"] == 3


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--lr", "0.1"], "learning_rate was 0.05, now 0.1"),
        (["--arch", "resnet18"], "arch was tiny, now resnet18"),
        (["--data.held-out", "24"], "data.held_out was 16, now 24"),
        (["--limit", "60"], "images was 48, now 44"),
    ],
)
def test_a_run_does_not_go_on_by_another_recipe(run, tmp_path, capsys, options, told):
    run("run", "--epochs", "1")
    with pytest.raises(SystemExit) as stop:
        run("run", *options, "--resume")
    assert stop.value.code == 2
    assert told in capsys.readouterr().err


def test_a_state_cut_in_half_is_told(run, tmp_path, capsys):
    run("run", "--epochs", "1")
    state = tmp_path / "run" / watching.STATE_FILE
    state.write_bytes(state.read_bytes()[: state.stat().st_size // 2])
    with pytest.raises(SystemExit) as stop:
        run("run", "--resume")
    assert stop.value.code == 2
    assert "is damaged" in capsys.readouterr().err


def test_nothing_to_go_on_from_is_told(run, capsys):
    with pytest.raises(SystemExit) as stop:
        run("empty", "--resume")
    assert stop.value.code == 2
    assert "no state.ckpt" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ("--optimizer", "adam", "--lr", "1e-3", "--schedule", "cosine"),
        ("--optimizer", "adamw", "--lr", "1e-3", "--schedule", "plateau", "--patience", "1"),
        ("--mixup", "0.3", "--augmentation.shrink", "0.5", "--augmentation.shrink-to", "8,16"),
        ("--augmentation.jpeg", "0.5", "--adjust", "1.0"),
        ("--small-epochs", "1", "--small-size", "24"),
        ("--average", "0", "--precision", "32"),
        ("--precision", "bf16", "--batch-size", "64"),
        ("--attributes", "gender"),
    ],
)
def test_every_option_trains(run, tmp_path, options):
    assert run("run", *options, "--seed", "3") == 0
    rows = read_log(tmp_path / "run" / "log.csv")
    assert all(np.isfinite(float(row["train_loss"])) for row in rows)


def test_the_trunk_stays_frozen_in_the_first_epochs(run, tmp_path):
    run("one", "--epochs", "1", "--frozen-epochs", "1", "--average", "0", "--schedule", "constant")
    run("two", "--epochs", "2", "--frozen-epochs", "1", "--average", "0", "--schedule", "constant")
    torch.manual_seed(1)
    fresh = network.create_trunk("tiny").conv.conv.weight.detach()
    frozen, free = (weights_of(tmp_path / name / "last")["trunk.conv.conv.weight"] for name in ("one", "two"))
    assert torch.allclose(frozen, fresh, atol=1e-3)
    assert not torch.allclose(free, fresh, atol=1e-3)


def test_a_run_that_gets_no_better_stops_early(run, tmp_path):
    run("run", "--epochs", "30", "--lr", "1e-9", "--average", "0", "--patience", "2", "--schedule", "constant")
    assert len(read_log(tmp_path / "run" / "log.csv")) < 30


def test_the_best_epoch_is_kept_beside_the_last(run, tmp_path):
    run("run", "--epochs", "4", "--average", "0")
    losses = [float(row["val_loss"]) for row in read_log(tmp_path / "run" / "log.csv")]
    assert read_card(tmp_path / "run").recipe["epochs_done"] == 1 + int(np.argmin(losses))


def test_out_of_memory_halves_the_batch_and_goes_on(run, tmp_path, monkeypatch, capsys):
    step = module.AttributeModule.training_step

    def small_only(self, batch, index):
        if len(batch[0]) > 4 and self.current_epoch == 1:
            raise torch.cuda.OutOfMemoryError
        return step(self, batch, index)

    monkeypatch.setattr(module.AttributeModule, "training_step", small_only)
    assert run("run", "--epochs", "3") == 0
    told = capsys.readouterr().err
    assert "2 batches of 8" in told
    assert "4 batches of 4" in told
    assert len(read_log(tmp_path / "run" / "log.csv")) == 3


def test_out_of_memory_at_once_begins_anew_whatever_run_was_in_the_folder(run, tmp_path, monkeypatch, capsys):
    run("run", "--epochs", "1", "--lr", "0.01")
    step = module.AttributeModule.training_step

    def small_only(self, batch, index):
        if len(batch[0]) > 16:
            raise torch.cuda.OutOfMemoryError
        return step(self, batch, index)

    monkeypatch.setattr(module.AttributeModule, "training_step", small_only)
    # 48 images: one batch of 32 an epoch, and of half that size an odd number would fit.
    assert run("run", "--epochs", "3", "--batch-size", "32") == 0
    assert "2 batches of 16" in capsys.readouterr().err
    assert [row["epoch"] for row in read_log(tmp_path / "run" / "log.csv")] == ["1", "2", "3"]


def test_out_of_memory_with_one_image_ends_the_run_with_a_word(run, monkeypatch, capsys):
    def never(self, batch, index):
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(module.AttributeModule, "training_step", never)
    assert run("run") == 1
    assert "stopped: out of memory" in capsys.readouterr().err


def test_a_loss_that_is_no_number_ends_the_run_with_a_word(run, tmp_path, capsys):
    assert run("run", "--lr", "1e30", "--epochs", "3", "--schedule", "constant", "--precision", "32") == 1
    assert "the loss became" in capsys.readouterr().err


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


def test_sets_of_different_taxonomies_are_joined(run, small_fairface, tmp_path):
    folder = tmp_path / "utk"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for n in range(20):
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(folder / f"30_1_{n % 5}_{n}.chip.png")
    config = tmp_path / "joined.toml"
    config.write_text(RECIPE + '\n[[also]]\nreader = "utkface"\n')
    assert run("run", "--config", str(config), "--also", str(folder)) == 0
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


@pytest.mark.parametrize(
    "option",
    [
        "--optimizer=lbfgs",
        "--epochs=0",
        "--dropout=2",
        "--arch=no-such-net",
        "--strategy=wishful",
        "--distill=0.5",
        "--teacher=somewhere",
        "--seed=-1",
        "--size=-8",
        "--mixup=-1",
        "--momentum=2",
        "--data.held-out=-1",
        "--data.validation-share=1",
        "--augmentation.shrink-to=90,32",
        "--limit=0",
        "--devices=0",
    ],
)
def test_values_that_mean_nothing_are_told_in_a_line(run, option, capsys):
    with pytest.raises(SystemExit) as stop:
        run("run", option)
    assert stop.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "device",
    [
        pytest.param("cuda", marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")),
        "cuda:9",
        "abacus",
    ],
)
def test_a_device_that_is_not_there_is_told_in_a_line(run, device, capsys):
    with pytest.raises(SystemExit) as stop:
        run("run", "--device", device)
    assert stop.value.code == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last.endswith(f"error: argument --device: torch has no device '{device}' here")


def test_a_teacher_is_followed(run, tmp_path, tiny):
    net, card = tiny
    checkpoint.save(tmp_path / "teacher", net=net, card=card)
    assert run("run", "--teacher", str(tmp_path / "teacher"), "--distill", "1.0", "--mixup", "0.2") == 0
    assert not any("teacher" in name for name in weights_of(tmp_path / "run"))


def test_tensorboard_is_written_on_request(run, tmp_path):
    run("run", "--tensorboard", "--epochs", "1")
    assert list((tmp_path / "run").rglob("events.out.tfevents*"))


def test_a_checkpoint_can_be_the_start_of_another_run(run, tmp_path):
    run("first", "--epochs", "1")
    assert run("second", "--start", str(tmp_path / "first"), "--epochs", "1", "--lr", "1e-9", "--average", "0") == 0
    one, two = (weights_of(tmp_path / name)["trunk.conv.conv.weight"] for name in ("first", "second"))
    assert torch.allclose(one, two, atol=2e-3)


def test_a_network_in_the_wild_keeps_its_margin(run, tmp_path):
    assert run("run", "--margin", "1.25", "--data.margin", "1.25", "--epochs", "1") == 0
    assert read_card(tmp_path / "run").preset.margin == 1.25


COMMAND = [
    sys.executable,
    "-m",
    "ml.train",
    "--arch",
    "resnet18",
    "--size",
    "32",
    "--batch-size",
    "8",
    "--device",
    "cpu",
]
COMMAND += ["--data.shards", "train-0.zip", "--data.held-out", "16", "--augmentation.jpeg", "0"]


@pytest.mark.slow
def test_two_processes_share_a_run(small_fairface, tmp_path):
    config = tmp_path / "recipe.toml"
    config.write_text('[data]\nshards = ["train-0.zip"]\nheld_out = 16\n')
    options = ["--config", config, "--data", small_fairface, "--checkpoint-dir", tmp_path / "run", "--devices", "2"]
    command = [*COMMAND, *options, "--epochs", "2", "--frozen-epochs", "1"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch 2/2") == 1
    rows = read_log(tmp_path / "run" / "log.csv")
    assert len(rows) == 2
    table = read_log(tmp_path / "run" / "confusion_gender.csv")
    assert sum(int(row["Male"]) + int(row["Female"]) for row in table) == 16


@pytest.mark.slow
def test_ctrl_c_keeps_the_last_checkpoint(small_fairface, tmp_path):
    config = tmp_path / "recipe.toml"
    config.write_text('[data]\nshards = ["train-0.zip"]\nheld_out = 16\n')
    options = ["--config", config, "--data", small_fairface, "--checkpoint-dir", tmp_path / "run", "--epochs", "500"]
    process = subprocess.Popen(list(map(str, [*COMMAND, *options])), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + 120
    while not (tmp_path / "run" / "last" / "model.json").exists() and time.monotonic() < end:
        time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert b"Traceback" not in errors
    checkpoint.load(tmp_path / "run" / "last")
    assert (tmp_path / "run" / watching.STATE_FILE).is_file()


def test_the_held_out_images_are_the_last_ones_and_never_trained_on(small_fairface):
    wanted = train.recipe.read_recipe(train.recipe.DEFAULT, overrides={"data.shards": ["train-0.zip"]})
    places = setup.Places(small_fairface)
    training, held_out = setup.read_sets(wanted, places, preset=setup.preset_of(wanted))
    assert (training.files[0], len(training), held_out.files[-1]) == ("train/1.webp", 32, "train/64.webp")
    assert not set(training.files) & set(held_out.files)


def test_classes_that_cover_the_same_labels_are_one_after_joining():
    five, seven = data.classes_in("race", taxonomy="utkface-5"), data.classes_in("race")
    sets = [
        data.FaceSet(np.zeros((2, 1, 1, 3), np.uint8), {"race": np.array([0, 2])}, ("a", "b"), {"race": classes})
        for classes in (seven, five)
    ]
    joined = data.join_faces(sets)
    assert joined.classes["race"].names == (*labels.RACE, "Asian", "Others")
    assert joined.targets["race"].tolist() == [0, 2, 0, 7]
