"""Runs in processes of their own: several that share one, and one that is interrupted."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

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


STILL = [f"--augmentation.{name}=0" for name in ("flip", "rotation", "scale", "shift", "brightness", "contrast")]
STILL += [f"--augmentation.{name}=0" for name in ("saturation", "grey", "erase")]
STILL += ["--dropout=0", "--average=0", "--momentum=0", "--schedule=constant", "--precision=32"]


@pytest.mark.slow
def test_two_processes_of_torchrun_learn_what_one_does_and_one_of_them_writes(small_fairface, tmp_path):
    """The same weights after four steps as one process that takes each batch in two pieces, up to rounding."""
    config = tmp_path / "recipe.toml"
    config.write_text('arch = "test_vit"\nsize = 64\nepochs = 2\n[data]\nshards = ["train-0.zip"]\nheld_out = 16\n')
    fixed = ["--config", str(config), "--data", str(small_fairface), "--device", "cpu", *STILL]

    def arguments(name: str, *more: str) -> list[str]:
        return [*fixed, "--checkpoint-dir", str(tmp_path / name), *more]

    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "ml.train",
    ]
    done = subprocess.run(
        [*torchrun, *arguments("two", "--batch-size", "12")], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout.count("epoch 2/2"), done.stdout.count("best and last checkpoint")) == (1, 1)
    # In a process of its own, too: numbers depend on how many threads a process computes with.
    alone = [sys.executable, "-m", "ml.train", *arguments("pieces", "--batch-size", "24", "--accumulate", "2")]
    subprocess.run(alone, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, timeout=300)
    files = [sorted(path.name for path in (tmp_path / name).rglob("*")) for name in ("two", "pieces")]
    assert files[0] == files[1]
    two, pieces = (torch.load(tmp_path / name / watching.STATE_FILE) for name in ("two", "pieces"))
    learned = [name for name in two["state_dict"] if "running" not in name and "num_batches" not in name]
    assert len(learned) > 20
    for name in learned:
        assert torch.allclose(two["state_dict"][name], pieces["state_dict"][name], atol=1e-5), name
    assert two["global_step"] == pieces["global_step"] == 4


@pytest.mark.slow
def test_ctrl_c_keeps_the_last_checkpoint(small_fairface, tmp_path):
    config = tmp_path / "recipe.toml"
    config.write_text('[data]\nshards = ["train-0.zip"]\nheld_out = 16\n')
    options = ["--config", config, "--data", small_fairface, "--checkpoint-dir", tmp_path / "run", "--epochs", "500"]
    process = subprocess.Popen(list(map(str, [*COMMAND, *options])), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + 120
    while not (tmp_path / "run" / watching.STATE_FILE).exists() and time.monotonic() < end:  # written last
        time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert b"Traceback" not in errors
    checkpoint.load(tmp_path / "run" / "last")
    assert (tmp_path / "run" / watching.STATE_FILE).is_file()
