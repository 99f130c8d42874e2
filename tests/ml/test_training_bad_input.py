"""What goes wrong with lists, images, disks and processes ends a run in a line, and a run that was killed goes on."""

import errno
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from ml import files
from ml.model import checkpoint
from ml.model.card import read_card
from ml.training import module
from tests.ml.conftest import RECIPE, read_log, weights_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def lists(tmp_path):
    def write(training, validation):
        (tmp_path / "train.txt").write_text("".join(f"{line}\n" for line in training))
        (tmp_path / "val.txt").write_text("".join(f"{line}\n" for line in validation))
        names = ["--train-txt", str(tmp_path / "train.txt"), "--val-txt", str(tmp_path / "val.txt")]
        return [*names, "--attributes", "race", "--data.taxonomy", "list-5", "--epochs", "1"]

    return write


def lines(numbers, *labels):
    return [f"train/{n}.webp {labels[n % len(labels)]}" for n in numbers]


TWO = lines(range(1, 40), "Black", "Asian")


@pytest.mark.parametrize(
    ("training", "validation", "told"),
    [
        ([], TWO, "train.txt is empty"),
        (TWO, [], "val.txt is empty"),
        (lines(range(1, 40), "Black"), lines(range(50, 60), "Black"), "one label each of what is to be told apart"),
        ([f"Black train/{n}.webp" for n in range(1, 40)], TWO, "train.txt has its labels in front"),
    ],
)
def test_lists_that_teach_nothing_are_told_in_a_line(run, lists, training, validation, told, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run("run", *lists(training, validation))
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "run" / "model.json").exists()


def test_a_class_that_is_measured_and_never_learned_is_told(run, lists, capsys):
    assert run("run", *lists(TWO, lines(range(50, 60), "Black", "Indian"))) == 0
    assert "race classes that no training image has: Indian" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("taught", "unlearned"), [(("Black", "Asian"), None), (("Black", "Indian"), "Asian"), (("Asian", "White"), "Black")]
)
def test_a_class_is_learned_by_whatever_it_is_called_in_training(run, lists, tmp_path, capsys, taught, unlearned):
    for group in ("black", "asian"):
        (tmp_path / "others" / group).mkdir(parents=True)
        Image.effect_noise((40, 40), 90).save(tmp_path / "others" / group / "1.png")
    coarse = '[validation]\nreader = "folders"\ntaxonomy = "utkface-4"\n'
    (tmp_path / "recipe.toml").write_text(f"{RECIPE}\n{coarse}")
    fine = {"Asian": "Southeast Asian"}  # one of the two that the validation set's "Asian" may mean
    given = lists(lines(range(1, 40), *(fine.get(name, name) for name in taught)), [])
    options = [*given[:2], *given[4:6], "--data.taxonomy", "", "--validation", str(tmp_path / "others")]
    assert run("run", *options, "--epochs", "1") == 0
    told = capsys.readouterr().err
    assert ("race classes that no training image has" in told) == bool(unlearned)
    assert f"no training image has: {unlearned}\n" in told or not unlearned


def test_images_of_one_pixel_are_trained_on(run, lists, tmp_path):
    for number in range(40):
        Image.new("RGB", (1, 1), (number, 2 * number, 99)).save(tmp_path / f"{number}.png")
    told = [f"{n}.png {('Black', 'Asian')[n % 2]}" for n in range(40)]
    assert run("run", *lists(told[:30], told[30:]), place=tmp_path) == 0
    assert read_card(tmp_path / "run").recipe["images"] == 30


def test_a_loss_that_explodes_ends_the_run_and_publishes_nothing(run, tmp_path, capsys):
    options = ("--lr", "3000", "--momentum", "0.99", "--average", "0", "--schedule", "constant", "--precision", "32")
    assert run("run", *options, "--epochs", "6") == 1
    assert "stopped: the loss became" in (told := capsys.readouterr().err)
    assert "in epoch 1 " in told
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["run.json", "train.txt", "val.txt"]


@pytest.mark.parametrize("epoch", [0, 1])
def test_what_was_published_before_a_loss_explodes_stays_as_it_was(run, tmp_path, monkeypatch, capsys, epoch):
    if epoch:
        run("whole", "--epochs", str(epoch), "--schedule", "constant", "--average", "0")
    compute = module.AttributeModule._loss

    def explode(self, logits, targets):
        return compute(self, logits, targets) * (1e4 if self.current_epoch == epoch else 1.0)

    monkeypatch.setattr(module.AttributeModule, "_loss", explode)
    assert run("run", "--epochs", "3", "--schedule", "constant", "--average", "0") == 1
    assert f"in epoch {epoch + 1} by step 1" in capsys.readouterr().err
    kept = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert ("model.json" in kept, "last" in kept, "state.ckpt" in kept) == (bool(epoch),) * 3
    if epoch:
        assert [row["epoch"] for row in read_log(tmp_path / "run" / "log.csv")] == ["1"]
        for folder in (".", "last"):
            one, other = ((tmp_path / name / folder / "model.safetensors").read_bytes() for name in ("whole", "run"))
            assert one == other
            assert read_card(tmp_path / "run" / folder).recipe["epochs_done"] == 1


def test_a_validation_loss_that_is_no_number_is_never_the_best(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module.losses, "mean_loss", spoil(module.losses.mean_loss))
    assert run("run", "--epochs", "1") == 1
    assert "the loss became nan in epoch 1 on the validation set" in capsys.readouterr().err
    assert not (tmp_path / "run" / "model.json").exists()


def spoil(compute):
    """Losses that are no number where no gradient is asked for: those of validation."""
    return lambda *args, **how: compute(*args, **how) * (1.0 if args[0]["race"].requires_grad else float("nan"))


@pytest.fixture
def fill(monkeypatch, tmp_path):
    """Fill the disk, until it is left, when a file of this name is written for the third time."""

    @contextmanager
    def full(name):
        calls = []

        def cut(content, path):
            if path.name == name and (calls.append(path) or len(calls)) > 2:
                write(path, content[:100])
                raise OSError(errno.ENOSPC, "No space left on device", str(path))

        def writing(path, content):
            cut(content, path)
            return write(path, content)

        def moving(source, target):
            cut(Path(source).read_bytes(), Path(target))
            return move(source, target)

        write, move = files.Path.write_bytes, shutil.move
        # Lightning writes a state to where temporary files are, and moves it: to another disk, that is a write.
        (tmp_path / "temporary").mkdir()
        with monkeypatch.context() as patch:
            patch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
            patch.setattr(files.Path, "write_bytes", writing)
            patch.setattr(shutil, "move", moving)
            yield
        assert len(calls) == 3

    return full


@pytest.mark.parametrize("name", ["model.safetensors.part", "state.ckpt.part"])
def test_a_disk_that_fills_while_a_run_is_kept_loses_nothing(run, fill, tmp_path, capsys, name):
    run("straight", "--epochs", "3")
    with fill(name), pytest.raises(SystemExit):
        run("full", "--epochs", "3")
    assert "No space left on device" in capsys.readouterr().err.splitlines()[-1]
    assert not list((tmp_path / "full").rglob("*.part"))
    checkpoint.load(tmp_path / "full")
    assert run("full", "--epochs", "3", "--resume") == 0
    assert_same(tmp_path / "straight", tmp_path / "full")


# Trains in a process of its own, which kills itself at a moment: argv is the moment, then what `ml.train` takes.
DYING = """
import os, signal, sys
from unittest import mock
from ml import train
from ml.model import trunks
from ml.reporting import figures
from ml.training import module, watching
from tests.ml.conftest import TinyTrunk

moment, *arguments = sys.argv[1:]
trunks.create_trunk = lambda arch, **more: TinyTrunk()
step, rename, again = module.AttributeModule.training_step, os.replace, []

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def stepping(self, batch, index):
    return die() if moment == "in an epoch" and self.current_epoch == 1 and index == 1 else step(self, batch, index)

def renaming(source, target):
    again.append("/".join(target.parts[-2:]))
    if moment == "between weights and card" and again.count("last/model.json") == 3:  # of the last epoch
        die()
    if moment == "between checkpoint and state" and again.count(f"killed/{watching.STATE_FILE}") == 2:
        die()
    return rename(source, target)

module.AttributeModule.training_step, os.replace = stepping, renaming
with mock.patch.object(figures, "as_png", return_value=b""):
    train.main(arguments)
"""


@pytest.mark.parametrize("moment", ["in an epoch", "between weights and card", "between checkpoint and state"])
def test_a_run_that_was_killed_goes_on_to_the_same_end(run, small_fairface, tmp_path, moment):
    run("straight", "--epochs", "3")
    fixed = ["--data", small_fairface, "--config", tmp_path / "recipe.toml", "--checkpoint-dir", tmp_path / "killed"]
    killed = [sys.executable, "-c", DYING, moment, *fixed, "--device", "cpu", "--epochs", "3"]
    assert subprocess.run(list(map(str, killed)), cwd=ROOT, timeout=120).returncode == -signal.SIGKILL
    assert run("killed", "--epochs", "3", "--resume") == 0
    assert_same(tmp_path / "straight", tmp_path / "killed")


def assert_same(one, other):
    for folder in (".", "last"):
        expected, found = weights_of(one / folder), weights_of(other / folder)
        assert all((abs(expected[name] - found[name]) < 1e-3).all() for name in expected)
    losses = [[row["val_loss"] for row in read_log(folder / "log.csv")] for folder in (one, other)]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 3
