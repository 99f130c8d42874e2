"""A search over a recipe's values, and runs that are told elsewhere too."""

import json
import sys

import pytest

from ml import sweep
from ml.errors import BadRecipe
from ml.model.card import read_card
from ml.reporting import figures
from ml.training import watching
from tests.ml.conftest import RECIPE, read_log


@pytest.mark.parametrize(
    "text", ["dropout", "hair=1..2", "seed=1..9", "dropout=0.5..0.1", "epochs=1.5..4", "optimizer=1..2", "dropout=a..b"]
)
def test_what_is_no_range_of_a_value_is_told(text):
    with pytest.raises(BadRecipe, match=r"no value of a recipe|is no range"):
        sweep.parse_dimension(text)


def test_ranges_are_searched_as_they_are_meant():
    class Trial:
        def __getattr__(self, name):
            return lambda *told, **more: (name, *told[1:], more)

    rate, layers, kinds, names = map(
        sweep.parse_dimension, ("learning_rate=1e-4..1e-1", "epochs=2..5", "dropout=0..0.5", "optimizer=sgd,adamw")
    )
    assert rate.suggest(Trial()) == ("suggest_float", 1e-4, 1e-1, {"log": True})
    assert layers.suggest(Trial()) == ("suggest_int", 2, 5, {"log": False})
    assert kinds.suggest(Trial()) == ("suggest_float", 0.0, 0.5, {"log": False})
    assert names.suggest(Trial()) == ("suggest_categorical", ("sgd", "adamw"), {})


def test_without_optuna_a_sweep_says_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(SystemExit) as stop:
        sweep.main(["--try", "dropout=0..0.5", "--out", str(tmp_path), "--data", "x"])
    assert stop.value.code == 2
    assert "pip install optuna" in capsys.readouterr().err.splitlines()[-1]


def test_a_sweep_finds_the_trial_of_the_lowest_loss_and_goes_on(small_fairface, tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(figures, "as_png", lambda figure: b"")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    given = [
        "--config",
        str(tmp_path / "recipe.toml"),
        "--data",
        str(small_fairface),
        "--device",
        "cpu",
        "--epochs",
        "1",
    ]
    asked = ["--try", "learning_rate=1e-4..1e-1", "--try", "optimizer=sgd,adamw", "--out", str(tmp_path / "sweep")]
    assert sweep.main([*asked, "--trials", "2", *given]) == 0
    assert sweep.main([*asked, "--trials", "3", *given]) == 0
    rows = read_log(tmp_path / "sweep" / sweep.TRIALS_FILE)
    assert [row["state"] for row in rows] == ["complete"] * 3
    best = min(rows, key=lambda row: float(row["val_loss"]))
    place = tmp_path / "sweep" / f"trial-{best['trial']}"
    assert f"in {place}: --learning-rate {best['learning_rate']} --optimizer" in capsys.readouterr().out
    told = read_card(place).recipe
    assert (str(told["learning_rate"]), told["optimizer"]) == (best["learning_rate"], best["optimizer"])
    assert float(read_log(place / watching.LOG_FILE)[0]["val_loss"]) == float(best["val_loss"])


@pytest.fixture
def pretend(monkeypatch):
    """Make runs of nothing: each ends with what `status` says of its options, or raises it."""

    def stand_in(status):
        def end(options):
            found = status(options)
            if isinstance(found, BaseException):
                raise found
            return found

        monkeypatch.setattr(sweep.train, "main", end)
        monkeypatch.setattr(sweep, "lowest_loss", lambda place: 1.0)

    return stand_in


def tried(folder):
    return [(row["state"], row["dropout"]) for row in read_log(folder / sweep.TRIALS_FILE)]


def test_a_sweep_that_goes_on_tries_what_one_without_a_break_would_have_tried(pretend, tmp_path):
    pretend(lambda options: 0)
    for name, trials in (("broken", "3"), ("broken", "6"), ("whole", "6")):
        assert sweep.main(["--try", "dropout=0..0.5", "--trials", trials, "--out", str(tmp_path / name)]) == 0
    assert len(set(tried(tmp_path / "broken"))) == 6
    assert tried(tmp_path / "broken") == tried(tmp_path / "whole")


def test_a_trial_of_values_that_a_recipe_cannot_have_is_pruned(small_fairface, tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(figures, "as_png", lambda figure: b"")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    given = ["--config", str(tmp_path / "recipe.toml"), "--data", str(small_fairface), "--device", "cpu"]
    asked = ["--try", "dropout=0.5..2", "--out", str(tmp_path / "sweep"), "--trials", "3", "--epochs", "1"]
    assert sweep.main([*asked, *given]) == 0
    found = tried(tmp_path / "sweep")
    assert {state for state, _ in found} == {"complete", "pruned"}
    assert all((state == "complete") == (float(value) < 1) for state, value in found)
    assert "dropout" in capsys.readouterr().err


def test_what_all_trials_have_wrong_ends_a_sweep_early(pretend, tmp_path, capsys):
    out = ["--try", "dropout=0..0.5", "--out", str(tmp_path)]
    pretend(lambda options: SystemExit(2))
    with pytest.raises(SystemExit) as stop:
        sweep.main([*out, "--data", "nowhere"])
    assert stop.value.code == 2
    assert "the first 3 trials ended with the errors above" in capsys.readouterr().err.splitlines()[-1]
    pretend(lambda options: 0)
    assert sweep.main([*out, "--trials", "5"]) == 0
    assert [state for state, _ in tried(tmp_path)] == ["pruned"] * 3 + ["complete"] * 2


def test_a_sweep_that_somebody_stopped_does_not_count_the_trial_that_was_running(pretend, tmp_path):
    out = ["--try", "dropout=0..0.5", "--out", str(tmp_path), "--trials", "2"]
    pretend(lambda options: SystemExit(1))  # as Lightning ends after Control-C
    with pytest.raises(SystemExit) as stop:
        sweep.main(out)
    assert stop.value.code == 1
    pretend(lambda options: 0)
    assert sweep.main(out) == 0
    assert [state for state, _ in tried(tmp_path)] == ["fail", "complete", "complete"]


def test_the_loss_of_a_run_is_that_of_the_epoch_that_it_kept(run, tmp_path):
    assert run("run", "--small-epochs", "1", "--small-size", "16") == 0
    path = tmp_path / "run" / watching.LOG_FILE
    small, whole = read_log(path)
    small["val_loss"] = "0.0001"  # chips of another size: no measure of what is published
    path.write_text(watching.as_csv([small, whole]))
    assert sweep.lowest_loss(tmp_path / "run") == float(whole["val_loss"])


class Heard:
    """A logger as Lightning's, of which only what it was told is kept."""

    name = version = save_dir = log_dir = root_dir = None

    def __init__(self):
        self.recipe, self.rows = {}, []

    def log_hyperparams(self, told):
        self.recipe = told

    def log_metrics(self, metrics, step=None):
        self.rows.append((step, metrics))

    def __getattr__(self, name):
        return lambda *words, **more: None


def test_loggers_hear_the_recipe_and_every_epochs_numbers(run, tmp_path, monkeypatch):
    heard = Heard()
    monkeypatch.setattr("ml.training.loggers.loggers.WandbLogger", lambda **told: heard)
    assert run("run", "--logger", "wandb") == 0
    assert json.loads(json.dumps(heard.recipe))["epochs"] == 2
    whole = {step: metrics for step, metrics in heard.rows if "val_race/Latino_Hispanic" in metrics}
    rows = read_log(tmp_path / "run" / watching.LOG_FILE)
    assert [whole[epoch]["val_gender_loss"] for epoch in (1, 2)] == [float(row["val_gender_loss"]) for row in rows]


def test_a_logger_that_is_not_installed_is_told_in_a_line(run, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(SystemExit) as stop:
        run("run", "--logger", "mlflow")
    assert stop.value.code == 2
    assert "mlflow is not installed: pip install mlflow" in capsys.readouterr().err.splitlines()[-1]
