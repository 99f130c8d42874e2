"""Runs in processes of their own: several that share one, and one that is interrupted."""

import os
import signal
import subprocess
import sys
import time

import pytest

from ml.model import checkpoint
from ml.training import watching
from tests.ml.conftest import read_log

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
