"""Runs for which the accelerator's memory is too small."""

import torch

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


def test_out_of_memory_with_one_image_ends_the_run_with_a_word(run, monkeypatch, capsys):
    def never(self, batch, index):
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(module.AttributeModule, "training_step", never)
    assert run("run") == 1
    assert "stopped: out of memory" in capsys.readouterr().err
