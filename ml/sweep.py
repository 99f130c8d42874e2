"""Search a recipe's values: python -m ml.sweep --try learning_rate=1e-4..1e-1 --trials 20 --out FOLDER [ml.train's own]

Everything that is not named here is handed on to ml.train: --config, --data, further values. Each trial is a run in
FOLDER/trial-N; trials.csv tells what was tried and the lowest validation loss of each. Named again, FOLDER goes on
where it ended. A range LOW..HIGH whose ends are a hundredfold apart is searched by its logarithm; A,B,C are choices.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ml import train
from ml.commands import CommandParser, not_negative, positive, told_errors
from ml.errors import BadRecipe
from ml.files import replace_file
from ml.model.card import read_card
from ml.training import recipe, watching

TRIALS_FILE, STUDY_FILE = "trials.csv", "study.log"
WIDE = 100.0  # ends so many times apart are searched by their logarithm
TOLD_ERROR = 2  # the status of a command that told what is wrong with its input (`ml.commands.told_errors`)
MOST_ERRORS = 3  # with so many at the beginning, and nothing else, the next hundred would be no different


@dataclass(frozen=True)
class Dimension:
    """One value of the recipe: between `low` and `high`, or one of `choices`; of the type that the recipe has."""

    name: str
    kind: type
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()

    def suggest(self, trial: Any) -> Any:
        """What an Optuna trial is to try."""
        if self.choices:
            return trial.suggest_categorical(self.name, self.choices)
        by_logarithm = self.low > 0 and self.high / self.low >= WIDE
        if self.kind is int:
            return trial.suggest_int(self.name, int(self.low), int(self.high), log=by_logarithm)
        return trial.suggest_float(self.name, self.low, self.high, log=by_logarithm)


def parse_dimension(text: str) -> Dimension:
    """`dropout=0..0.5`, `optimizer=sgd,adamw`. Raises BadRecipe for no value of a recipe, or no range of it."""
    name, mark, told = text.partition("=")
    known = recipe.flat_fields()
    if not mark or name not in known or name == "seed":
        raise BadRecipe(f"{text!r} names no value of a recipe to try: NAME=LOW..HIGH or NAME=A,B,C")
    kind, _ = known[name]
    low, dots, high = told.partition("..")
    if not dots:
        return Dimension(name, kind, choices=tuple(told.split(",")))
    try:
        ends = float(low), float(high)
    except ValueError:
        ends = math.nan, math.nan
    if kind not in (int, float) or not ends[0] < ends[1] or (kind is int and not all(map(float.is_integer, ends))):
        raise BadRecipe(f"{text!r} is no range of {name}: LOW..HIGH, numbers as the recipe has them")
    return Dimension(name, kind, *ends)


def sweep(dimensions: Sequence[Dimension], *, folder: Path, trials: int, seed: int, rest: Sequence[str]) -> list[Any]:
    """Run trials until so many have come to an end, and return all of the folder's, as Optuna has them.

    One whose values the recipe cannot have, or whose loss explodes, is pruned. Raises BadRecipe, also where the first
    ones all end with an error.
    """
    try:
        import optuna  # optional: nobody else needs it
        from optuna.storages import journal
    except ImportError as error:
        raise BadRecipe("a sweep needs Optuna, which is not installed: pip install optuna") from error

    errors = 0  # one after the other

    def run(trial: Any) -> float:
        nonlocal errors
        values = {of.name: of.suggest(trial) for of in dimensions}
        options = [word for name, value in values.items() for word in (_option(name), str(value))]
        place = folder / f"trial-{trial.number}"
        try:
            status = train.main([*rest, *options, "--checkpoint-dir", str(place), "--overwrite"])
        except SystemExit as stop:
            if stop.code != TOLD_ERROR:  # somebody stopped it
                raise
            errors += 1
            raise optuna.TrialPruned from stop
        errors = 0
        if status:
            raise optuna.TrialPruned
        return lowest_loss(place)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.JournalStorage(journal.JournalFileBackend(str(folder / STUDY_FILE)))
    study = optuna.create_study(storage=storage, study_name="sweep", load_if_exists=True)
    states = optuna.trial.TrialState
    for trial in study.get_trials(states=(states.RUNNING,)):  # of a sweep that was killed
        study.tell(trial.number, state=states.FAIL)
    while sum(trial.state in (states.COMPLETE, states.PRUNED) for trial in study.trials) < trials:
        study.sampler = optuna.samplers.TPESampler(seed=_seed_of(len(study.trials), seed=seed))
        study.optimize(run, n_trials=1)
        rows = [_row(trial, names=[of.name for of in dimensions]) for trial in study.trials]
        replace_file(folder / TRIALS_FILE, watching.as_csv(rows))
        if errors == MOST_ERRORS and not any(trial.state == states.COMPLETE for trial in study.trials):
            raise BadRecipe(f"the first {errors} trials ended with the errors above: is it what all have in common?")
    return list(study.trials)


def lowest_loss(folder: Path) -> float:
    """The validation loss of the epoch that a run kept: of its lowest one at the size of what it publishes."""
    return float(read_card(folder, own_labels=True).metrics["held_out"]["val_loss"])


def _seed_of(number: int, *, seed: int) -> int:
    """The seed of a trial's own draws: a sweep that goes on draws what one without a break would have drawn."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])


def _row(trial: Any, *, names: Sequence[str]) -> Mapping[str, Any]:
    values = {name: trial.params.get(name, "") for name in names}
    return {"trial": trial.number, "state": trial.state.name.lower(), "val_loss": trial.value, **values}


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def main(argv: list[str] | None = None) -> int:
    parser = CommandParser(
        prog="python -m ml.sweep",
        description=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--try", dest="dimensions", action="append", required=True, metavar="NAME=RANGE")
    parser.add_argument("--trials", type=positive, default=20, metavar="N", help="in all, with those of before")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the sweep's folder")
    parser.add_argument("--sweep-seed", type=not_negative, default=1, metavar="N", help="of what is tried next")
    args, rest = parser.parse_known_args(argv)
    with told_errors(parser):
        dimensions = [parse_dimension(text) for text in args.dimensions]
        found = sweep(dimensions, folder=args.out, trials=args.trials, seed=args.sweep_seed, rest=rest)
    done = [trial for trial in found if trial.value is not None]
    if not done:
        parser.error("not one trial came to its end")
    best = min(done, key=lambda trial: float(trial.value))
    options = " ".join(f"{_option(name)} {value}" for name, value in best.params.items())
    print(f"lowest validation loss {best.value:.4f} in {args.out / f'trial-{best.number}'}: {options}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
