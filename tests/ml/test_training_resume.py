"""Runs that go on where they stopped, and those that may not."""

import signal

import pytest
import torch

from ml.model.card import read_card
from ml.training import module, watching
from tests.ml.conftest import read_log, weights_of


def assert_same_weights(one, other) -> None:
    for name, tensor in weights_of(one).items():
        assert torch.allclose(tensor, weights_of(other)[name], atol=1e-3), name


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


@pytest.mark.parametrize(("patience", "epochs"), [("3", "2"), ("5", "4")])
def test_a_run_that_goes_on_waits_as_long_as_it_is_told_now(run, tmp_path, patience, epochs):
    run("run", "--epochs", "1", "--patience", "9", "--schedule", "constant")
    path = tmp_path / "run" / watching.STATE_FILE
    state = torch.load(path, weights_only=True)
    (key,) = (key for key in state["callbacks"] if key.startswith("EarlyStopping"))
    assert state["callbacks"][key]["patience"] == 9
    state["callbacks"][key] |= {"wait_count": 2, "best_score": torch.tensor(-1.0)}  # nothing will be better
    torch.save(state, path)
    run("run", "--epochs", "8", "--patience", patience, "--schedule", "constant", "--resume")
    assert read_log(tmp_path / "run" / "log.csv")[-1]["epoch"] == epochs


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


def test_a_run_goes_on_by_a_recipe_that_can_say_more_than_when_it_began(run, tmp_path, capsys):
    run("run", "--epochs", "1")
    path = tmp_path / "run" / watching.STATE_FILE
    state = torch.load(path, weights_only=True)
    del state["callbacks"][watching.KeepState.__qualname__]["recipe"]["plateau_patience"]
    torch.save(state, path)
    with pytest.raises(SystemExit):
        run("run", "--plateau-patience", "2", "--resume")
    assert "plateau_patience was 0, now 2" in capsys.readouterr().err
    assert run("run", "--resume") == 0


def test_a_run_does_not_go_on_against_another_validation_set(run, tmp_path, capsys):
    for name, numbers in (("train", range(1, 49)), ("val", range(49, 65)), ("other", range(57, 65))):
        (tmp_path / f"{name}.txt").write_text("".join(f"train/{n}.webp {('Asian', 'Black')[n % 2]}\n" for n in numbers))

    def on(validation: str) -> list[str]:
        lists = ["--train-txt", str(tmp_path / "train.txt"), "--val-txt", str(tmp_path / f"{validation}.txt")]
        return [*lists, "--data.taxonomy", "list-5"]

    run("run", *on("val"), "--epochs", "1")
    with pytest.raises(SystemExit):
        run("run", *on("other"), "--resume")
    assert "validation_sha256 was" in capsys.readouterr().err
    # Of a state from before it was told nobody can say.
    state = torch.load(path := tmp_path / "run" / watching.STATE_FILE, weights_only=True)
    del state["callbacks"][watching.KeepState.__qualname__]["recipe"]["validation_sha256"]
    torch.save(state, path)
    assert run("run", *on("other"), "--resume") == 0


def test_a_run_is_not_replaced_unless_that_is_said(run, tmp_path, capsys):
    run("run", "--epochs", "1")
    before = (tmp_path / "run" / watching.STATE_FILE).read_bytes()
    with pytest.raises(SystemExit):
        run("run", "--epochs", "1", "--seed", "2")
    assert "holds a run (state.ckpt, model.json, run.json)" in capsys.readouterr().err
    assert (tmp_path / "run" / watching.STATE_FILE).read_bytes() == before
    assert run("run", "--epochs", "1", "--seed", "2", "--overwrite") == 0


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
