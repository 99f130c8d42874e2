"""Runs for which the accelerator's memory is too small."""

import pytest
import torch

from ml import train
from ml.training import module
from tests.ml.conftest import read_log


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
    assert run("run", "--epochs", "3", "--batch-size", "32", "--overwrite") == 0
    assert "2 batches of 16" in capsys.readouterr().err
    assert [row["epoch"] for row in read_log(tmp_path / "run" / "log.csv")] == ["1", "2", "3"]


@pytest.mark.parametrize(("batch", "tried"), [("16", [16, 8, 4, 2]), ("12", [12, 6, 3, 2]), ("3", [3])])
def test_out_of_memory_ends_the_run_before_a_normalisation_would_see_a_single_image(
    run, monkeypatch, capsys, batch, tried
):
    sizes = []

    def never(self, batch, index):
        sizes.append(len(batch[0]))
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(module.AttributeModule, "training_step", never)
    assert run("run", "--batch-size", batch) == 1
    assert sizes == tried
    assert f"stopped: out of memory even with {tried[-1]} images at a time" in capsys.readouterr().err


def test_a_network_learns_two_images_at_a_time(run):
    """Also where few images make a batch smaller than the recipe's, and its pieces with it."""
    assert run("run", "--epochs", "1", "--batch-size", "32", "--accumulate", "12", "--limit", "10") == 0


def test_too_few_images_for_a_step_are_told(run, capsys):
    with pytest.raises(SystemExit) as stopped:
        run("run", "--devices", "2", "--limit", "6")
    assert stopped.value.code == 2
    told = "3 training images are too few: a step takes at least 2 for each of 2 processes"
    assert told in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(("epochs", "how"), [(0, "--overwrite"), (1, "--resume")])
def test_several_processes_are_told_by_what_command_a_run_goes_on(run, monkeypatch, capsys, epochs, how):
    def never(*args, **of):
        raise torch.cuda.OutOfMemoryError

    if epochs:
        assert run("run", "--epochs", str(epochs)) == 0
    with monkeypatch.context() as patch:
        patch.setattr(train, "fit", never)
        assert run("run", "--devices", "2", *(["--resume"] if epochs else [])) == 1
    assert f"stopped: out of memory; try --accumulate 2 {how}" in capsys.readouterr().err
    assert run("run", "--accumulate", "2", how) == 0
