"""The recipe of a training run, read from TOML; what a checkpoint was trained with is one committed file."""

import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ml.augment import Augmentation

DEFAULT = Path(__file__).parent / "configs" / "default.toml"


@dataclass(frozen=True)
class DataRecipe:
    """The shards to train on, and how many of the last images to hold out of training."""

    shards: tuple[str, ...] = ()
    held_out: int = 0


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome of a run, apart from the machine, and what its checkpoint is called."""

    name: str = "unnamed"
    licence: str = ""
    trained_on: str = ""
    arch: str = "face_resnet29"
    epochs: int = 8
    batch_size: int = 128
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 2e-4
    dropout: float = 0.3
    label_smoothing: float = 0.1
    average: float = 0.998
    seed: int = 1
    data: DataRecipe = field(default_factory=DataRecipe)
    augmentation: Augmentation = field(default_factory=Augmentation)


def read_recipe(path: Path, **overrides: object) -> Recipe:
    """Read a recipe; overrides that are not None win. Raises ValueError for a key that is not part of one."""
    with open(path, "rb") as file:
        table = tomllib.load(file)
    data, augmentation = table.pop("data", {}), table.pop("augmentation", {})
    for given, kind in ((table, Recipe), (data, DataRecipe), (augmentation, Augmentation)):
        unknown = set(given) - {f.name for f in fields(kind)}
        if unknown:
            raise ValueError(f"{path}: not part of a recipe: {', '.join(sorted(unknown))}")
    data["shards"] = tuple(data.get("shards", ()))
    recipe = Recipe(**table, data=DataRecipe(**data), augmentation=Augmentation(**augmentation))
    given_here: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
    return replace(recipe, **given_here)
