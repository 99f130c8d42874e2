"""What waits for a better validation loss compares epochs of one size only."""

import pytest

from ml.training import module
from tests.ml.conftest import read_log

STILL = ("--small-size", "24", "--average", "0", "--lr", "1e-3")


@pytest.fixture
def told(monkeypatch):
    """Make these the validation losses, epoch by epoch, that callbacks and schedule are told; None ends the run."""

    def tell(*losses: float | None) -> None:
        def end(self) -> None:
            if losses[self.current_epoch] is None:
                raise OSError("the disk is gone")
            self.log("val_loss", losses[self.current_epoch])

        monkeypatch.setattr(module.AttributeModule, "on_validation_epoch_end", end)

    return tell


def log_of(tmp_path) -> list[dict[str, str]]:
    return read_log(tmp_path / "run" / "log.csv")


def test_a_run_is_not_ended_by_losses_at_the_small_size_that_it_cannot_reach(run, tmp_path, told):
    told(0.9, 0.8, 1.2, 1.1, 1.0, 0.95)
    run("run", *STILL, "--small-epochs", "2", "--epochs", "6", "--patience", "2", "--schedule", "constant")
    assert len(log_of(tmp_path)) == 6


def test_a_run_is_not_ended_before_it_has_seen_the_whole_size(run, tmp_path, told):
    told(0.5, 0.6, 0.7, 0.8, 1.0, 1.1, 1.2, 1.3)
    run("run", *STILL, "--small-epochs", "4", "--epochs", "8", "--patience", "2", "--schedule", "constant")
    assert len(log_of(tmp_path)) == 7  # two after the best one at the whole size


@pytest.mark.parametrize("done", [0, 2, 3])
def test_a_rate_is_not_divided_for_losses_at_the_small_size(run, tmp_path, told, done):
    """Nor where the run goes on from a state at the small size, or at the whole one."""
    small = (*STILL, "--small-epochs", "2", "--schedule", "plateau", "--plateau-patience", "1", "--epochs", "6")
    losses = (0.9, 0.8, 1.2, 1.1, 1.1, 1.1)
    if done:
        told(*losses[:done], None)
        with pytest.raises(SystemExit):
            run("run", *small)
    told(*losses)
    assert run("run", *small, *(["--resume"] if done else [])) == 0
    rates = [float(row["learning_rate"]) for row in log_of(tmp_path)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-4])
