"""The recipe of a training run, read from TOML; what a checkpoint was trained with is one committed file."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from ml import labels
from ml.datasets.sources import Reading
from ml.errors import BadRecipe
from ml.preprocess import FAIRFACE_MARGIN
from ml.training.augment import LIMITS, Augmentation

CONFIGS = Path(__file__).parent.parent / "configs"
DEFAULT = CONFIGS / "facet-1.toml"
RANDOM, IMAGENET = "random", "imagenet"
LEAST_BATCH = 2  # images at a time: the heads' normalisation learns from how they differ
MAX_WHOLE = 2**31 - 1  # a thousand times as much, with which random numbers are seeded, fits into torch's 64 bits
BEST_JPEG_QUALITY = 100
CHOICES = {
    "optimizer": ("sgd", "adam", "adamw"),
    "schedule": ("one_cycle", "cosine", "plateau", "constant"),
    "precision": ("auto", "32", "bf16", "16"),
    "loss": ("cross_entropy", "focal", "ldam"),
}

NOT_NEGATIVE = (
    "size",
    "margin",
    "seed",
    "frozen_epochs",
    "small_epochs",
    "plateau_patience",
    "patience",
    "weight_decay",
    "mixup",
    "cutmix",
    "ordinal",
    "years",
    "focus",
    "widest_margin",
    "robust",
)


@dataclass(frozen=True, kw_only=True)
class DataRecipe(Reading):
    """How a data set is read, and what of it is not trained on.

    `held_out` is a number of images at its end, kept to choose and to calibrate; `validation_share` (0..1) is split
    off at random instead, alike in all classes, for [data] only. Without either, lists of the validation set are named
    when training.
    """

    held_out: int = 0
    validation_share: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome of a run, apart from the machine, and what its checkpoint is called.

    `trained_on` is what the data are called; how many images of them were learned from, the run adds to its card.
    `start` is RANDOM, IMAGENET (torchvision's weights, from its cache), a file of weights, or the folder of a
    checkpoint of the same arch; the recipe names it, and who trains says where it lies. `size` 0 is 150 pixels for the
    face ResNet-29 and 224 for others. In the first `frozen_epochs` only the heads learn; the first `small_epochs` see
    chips of `small_size` pixels, which is faster. `layer_decay` is the rate of each layer of timm's networks as a share
    of the rate of the one above it (1: all alike), which lets a pretrained transformer keep what it knows. `warmup` is
    the share of the steps in which the rate rises. `patience` is how many epochs without a better validation loss end
    the run (0: none), and `plateau_patience` how many of them divide the rate by 10 under the schedule "plateau"; both
    begin anew after the small epochs.
    `average` is the decay of the weight average a step (0: none). `mixup` and `cutmix` are the parameters of their Beta
    distributions (`ml.training.mixing`). `ordinal` is the weight of a loss that knows the order of the age bins, and
    `years` that of one by exact ages, of the sets that tell them. `adjust` is how far the loss is shifted by the
    logarithm of the classes' shares (Menon et al. 2021), so that rare ones are not neglected. `distill` is the weight
    of the teachers' word, 0..1.
    """

    name: str = "unnamed"
    licence: str = ""
    trained_on: str = ""
    arch: str = "face_resnet29"
    start: str = RANDOM
    size: int = 0
    margin: float = FAIRFACE_MARGIN
    attributes: tuple[str, ...] = tuple(labels.ATTRIBUTES)
    epochs: int = 8
    frozen_epochs: int = 0
    small_epochs: int = 0
    small_size: int = 112
    batch_size: int = 128
    optimizer: str = "sgd"
    learning_rate: float = 0.05
    layer_decay: float = 1.0
    momentum: float = 0.9
    weight_decay: float = 2e-4
    schedule: str = "one_cycle"
    warmup: float = 0.3
    plateau_patience: int = 0
    patience: int = 0
    precision: str = "auto"
    dropout: float = 0.3
    label_smoothing: float = 0.1
    mixup: float = 0.0
    cutmix: float = 0.0
    ordinal: float = 0.0
    years: float = 0.0
    adjust: float = 0.0
    loss: str = "cross_entropy"
    focus: float = 2.0
    widest_margin: float = 0.5
    balance: str = ""
    robust: float = 0.0
    distill: float = 0.0
    accumulate: int = 1
    average: float = 0.998
    seed: int = 1
    data: DataRecipe = field(default_factory=DataRecipe)
    validation: DataRecipe | None = None
    also: tuple[DataRecipe, ...] = ()
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        _check_numbers(asdict(self))
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise BadRecipe(f"{name} is {getattr(self, name)!r}; known: {', '.join(known)}")
        for name, least in (("epochs", 1), ("batch_size", LEAST_BATCH), ("accumulate", 1)):
            if getattr(self, name) < least:
                raise BadRecipe(f"{name} must be at least {least}")
        for name in ("dropout", "label_smoothing", "distill", "warmup", "average", "momentum"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadRecipe(f"{name} lies between 0 and 1")
        for name in NOT_NEGATIVE:
            if not getattr(self, name) >= 0:
                raise BadRecipe(f"{name} must be at least 0")
        for of in (self.data, *self.also, *([self.validation] if self.validation else [])):
            if of.margin < 0:
                raise BadRecipe(f"the margin of a data set is at least 0, not {of.margin:g}")
        for of in (self.data, *self.also):
            if of.held_out < 0 or not 0 <= of.validation_share < 1:
                raise BadRecipe("held_out is at least 0, and validation_share from 0 to less than 1")
        if any(of.validation_share for of in self.also):
            raise BadRecipe("validation_share is for [data]; of an [[also]] set images are kept by held_out")
        if self.validation is not None and (self.validation.held_out or self.validation.validation_share):
            raise BadRecipe("[validation] is not trained on: held_out and validation_share mean nothing there")
        if 0 < self.epochs <= self.small_epochs:
            raise BadRecipe(f"all {self.epochs} epochs would be small ones: the last must see the whole size")
        for name in ("shrink_to", "jpeg_quality"):
            low, high = getattr(self.augmentation, name)
            if not 1 <= low <= high:
                raise BadRecipe(f"augmentation.{name} is {low} to {high}: give the lower first, at least 1")
        if self.augmentation.jpeg_quality[1] > BEST_JPEG_QUALITY:
            raise BadRecipe(f"augmentation.jpeg_quality is at most {BEST_JPEG_QUALITY}")
        for name, (low, high) in LIMITS.items():
            if not low <= getattr(self.augmentation, name) <= high:
                raise BadRecipe(f"augmentation.{name} lies between {low:g} and {high:g}")
        if not 0 < self.layer_decay <= 1:
            raise BadRecipe("layer_decay is over 0 and at most 1")
        if self.accumulate > self.batch_size // LEAST_BATCH:
            raise BadRecipe(
                f"accumulate is the number of pieces that a batch comes in: at most batch_size / {LEAST_BATCH}, "
                f"so that each has {LEAST_BATCH} images"
            )
        if self.robust and (self.mixup or self.cutmix):
            raise BadRecipe("robust weighs groups, and a mixed face is of two: leave mixup and cutmix out")
        if self.learning_rate <= 0:
            raise BadRecipe("learning_rate must be over 0")
        if self.schedule == "plateau" and not self.plateau_patience:
            raise BadRecipe("the schedule plateau needs plateau_patience, in epochs")


def _check_numbers(value: Any, *, where: str = "") -> None:
    """Raise BadRecipe for what is no finite number, or a whole one beyond MAX_WHOLE, anywhere in a recipe's values."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _check_numbers(inner, where=f"{where}.{name}" if where else name)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_numbers(inner, where=where)
    elif isinstance(value, float) and not math.isfinite(value):
        raise BadRecipe(f"{where} is {value}, which is no finite number")
    elif isinstance(value, int) and abs(value) > MAX_WHOLE:
        raise BadRecipe(f"{where} is {value}: numbers go to {MAX_WHOLE}")


# Cards of checkpoints from before do not speak of these.
CAME_LATER = (
    "validation",
    "also",
    "years",
    "loss",
    "focus",
    "widest_margin",
    "balance",
    "robust",
    "accumulate",
    "layer_decay",
)

T = TypeVar("T")


def read_recipe(path: Path, *, overrides: Mapping[str, object] | None = None) -> Recipe:
    """Read a recipe; `overrides` win, their keys as in TOML (`augmentation.flip`). Raises BadRecipe."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRecipe(f"{path} is no recipe: {error}") from error
    for key, value in (overrides or {}).items():
        *parents, name = key.split(".")
        place = table
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = value
    try:
        return build_recipe(table)
    except BadRecipe as error:
        raise BadRecipe(f"{path}: {error}") from error


def build_recipe(table: Mapping[str, Any]) -> Recipe:
    """A recipe from the values of its TOML, or those that `recipe_values` gave. Raises BadRecipe."""
    return _build(Recipe, table, where="")


def _build(kind: type[T], table: Mapping[str, Any], *, where: str) -> T:
    """A dataclass from a table, each value of the field's type."""
    hints = get_type_hints(kind)
    unknown = sorted(set(table) - set(hints))
    if unknown:
        raise BadRecipe(f"not part of a recipe: {', '.join(where + name for name in unknown)}")
    return kind(**{name: _value(hints[name], value, where=where + name) for name, value in table.items()})


def _value(kind: Any, value: Any, *, where: str) -> Any:
    if kind == DataRecipe | None:
        kind = DataRecipe
    if kind == tuple[DataRecipe, ...]:
        tables = value if isinstance(value, list) else [value]
        return tuple(_build(DataRecipe, table, where=f"{where}.") for table in tables)
    if is_dataclass(kind) and isinstance(kind, type) and isinstance(value, Mapping):
        return _build(kind, value, where=f"{where}.")
    if kind == tuple[str, ...] and isinstance(value, list) and all(isinstance(word, str) for word in value):
        return tuple(value)
    if kind == tuple[int, int] and isinstance(value, list) and [type(number) for number in value] == [int, int]:
        return tuple(value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is kind:
        return value
    raise BadRecipe(f"{where} is {value!r}, of another type than it should be")


def flat_fields() -> dict[str, tuple[Any, Any]]:
    """Every value that a command line can override, by its dotted key: (type, default)."""
    found: dict[str, tuple[Any, Any]] = {}
    for prefix, kind in (("", Recipe), ("data.", DataRecipe), ("augmentation.", Augmentation)):
        hints = get_type_hints(kind)
        for one in fields(kind):
            if hints[one.name] in (str, int, float, bool, tuple[str, ...], tuple[int, int]):
                found[prefix + one.name] = (hints[one.name], one.default)
    return found


def recipe_values(recipe: Recipe) -> dict[str, Any]:
    """A recipe as JSON values: of a start the name only; what came to recipes later stands there where it is used."""
    values = asdict(recipe) | {"start": Path(recipe.start).name}
    unused = {one.name for one in fields(Recipe) if one.name in CAME_LATER and values[one.name] == one.default}
    return {name: value for name, value in values.items() if name not in unused}
