"""The small TOML file that explains somebody else's CSV of predictions.

`name` says whose predictions they are, `file` is the column of the images' names (default: file), `prefix` what to put
before them to have the data set's names. Then a table for each attribute, in one of three ways:

    [race]
    taxonomy = "utkface-5"     # a grouping of ml.labels (without it: the finest), or classes = ["a", "b"] of their own
    probabilities = { White = "p_white", Black = "p_black", Asian = "p_asian", Indian = "p_indian", Others = "p_other" }

    [gender]
    label = "sex"              # only the label is told, not how sure it is
    words = { M = "Male", F = "Female" }    # where the words are not the classes' names

    [age]
    years = "age"              # years become bins, and their own error is measured too

Probabilities are scaled to 1; of two classes the column of one is enough. An empty cell predicts nothing.
"""

import csv
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ml import labels
from ml.datasets import face_set
from ml.errors import BadRecipe

_WAYS = ("probabilities", "label", "years")
_KEYS = {*_WAYS, "taxonomy", "classes", "words"}

Columns = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Reading:
    """Vectors (N, K), nan where nothing is predicted, and where years are told these too (N,)."""

    vectors: np.ndarray
    years: np.ndarray | None = None


@dataclass(frozen=True)
class AttributeColumns:
    """Where a CSV tells an attribute: `probabilities` by class, or one column in the `way` of a label or of years."""

    classes: face_set.Classes
    way: str
    probabilities: Mapping[str, str] = field(default_factory=dict)
    column: str = ""
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        return list(self.probabilities.values()) if self.way == "probabilities" else [self.column]

    @property
    def labels_only(self) -> bool:
        return self.way != "probabilities"

    def read(self, columns: Columns) -> Reading:
        """Raises BadData for cells that cannot be read."""
        if self.way == "probabilities":
            return Reading(self._read_probabilities(columns))
        if self.way == "years":
            years = _numbers(columns[self.column], name=self.column)
            edges = labels.scale_of(self.classes.attribute).edges[1:-1]
            bins = np.searchsorted(edges, np.nan_to_num(years), side="right")
            return Reading(self._one_hot(np.where(np.isnan(years), face_set.UNKNOWN, bins)), years)
        return Reading(self._one_hot(self._read_labels(columns[self.column])))

    def _read_probabilities(self, columns: Columns) -> np.ndarray:
        found = {name: _numbers(columns[column], name=column) for name, column in self.probabilities.items()}
        if len(found) < len(self.classes.names):  # one of two
            (told,) = found
            found |= {name: 1.0 - found[told] for name in self.classes.names if name != told}
        vectors = np.stack([found[name] for name in self.classes.names], axis=1)
        with np.errstate(invalid="ignore"):
            if (vectors < 0).any():
                raise face_set.BadData("Probabilities under 0", names=self.columns)
            totals = vectors.sum(axis=1, keepdims=True)
        return vectors / np.where(totals > 0, totals, np.nan)

    def _read_labels(self, cells: Sequence[str]) -> np.ndarray:
        words = [self.words.get(cell.strip(), cell.strip()) for cell in cells]
        found = {word: self.classes.find(word) for word in set(words) if word}
        unknown = sorted(word for word, place in found.items() if place is None)
        if unknown:
            raise face_set.UnknownLabels(f"{len(unknown)} unknown words in column {self.column}", names=unknown)
        return np.array([face_set.UNKNOWN if not word else found[word] for word in words], dtype=np.int64)

    def _one_hot(self, places: np.ndarray) -> np.ndarray:
        rows = np.vstack([np.eye(len(self.classes.names)), np.full(len(self.classes.names), np.nan)])
        told: np.ndarray = rows[places]
        return told


@dataclass(frozen=True)
class PredictionColumns:
    """What the TOML file says; `source` names it in errors."""

    source: Path
    attributes: Mapping[str, AttributeColumns]
    name: str = ""
    file: str = "file"
    prefix: str = ""


def read_mapping(path: Path) -> PredictionColumns:
    """Raises BadRecipe for what means nothing, and OSError."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRecipe(f"{path}: {error}") from error
    texts = {key: found.pop(key) for key in ("name", "file", "prefix") if key in found}
    if not all(isinstance(value, str) for value in texts.values()):
        raise BadRecipe(f"{path}: name, file and prefix are texts")
    tables = {key: value for key, value in found.items() if isinstance(value, dict)}
    if not tables or len(tables) < len(found):
        others = ", ".join(key for key in found if key not in tables)
        raise BadRecipe(f"{path}: unknown {others}" if others else f"{path} maps no attribute")
    attributes = {}
    for attribute, table in tables.items():
        try:
            attributes[attribute] = _parse_attribute(attribute, table)
        except ValueError as error:
            raise BadRecipe(f"{path}, [{attribute}]: {error}") from error
    return PredictionColumns(path, attributes, **texts)


def read_columns(path: Path, told: PredictionColumns) -> dict[str, list[str]]:
    """The CSV's columns by name. Raises BadData where one that the mapping names is not there."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, restval="")
        try:
            names, rows = list(reader.fieldnames or ()), list(reader)
        except (csv.Error, UnicodeDecodeError) as error:
            raise face_set.BadData(f"{path} is no CSV: {error}") from error
    wanted = [told.file, *(column for of in told.attributes.values() for column in of.columns)]
    missing = [column for column in wanted if column not in names]
    if missing:
        raise face_set.BadData(f"{path} lacks columns that {told.source} names", names=missing)
    return {column: [row[column].strip() for row in rows] for column in wanted}


def _parse_attribute(attribute: str, table: Mapping[str, Any]) -> AttributeColumns:
    unknown = sorted(set(table) - _KEYS)
    ways = [way for way in _WAYS if way in table]
    if unknown or len(ways) != 1:
        raise ValueError(f"unknown {', '.join(unknown)}" if unknown else f"give one of {', '.join(_WAYS)}")
    classes = _classes(attribute, table)
    (way,) = ways
    if way == "years" and (attribute != labels.IN_YEARS or classes.names != labels.ATTRIBUTES[attribute]):
        raise ValueError(f"years tell the {labels.IN_YEARS} in the bins of ml.labels")
    if way != "probabilities":
        return AttributeColumns(
            classes, way, column=str(table[way]), words=_texts(table.get("words", {}), name="words")
        )
    columns = _texts(table[way], name=way)
    strangers = [name for name in columns if name not in classes.names]
    lacking = [name for name in classes.names if name not in columns]
    if strangers or (lacking and not (len(classes.names) == 2 and columns)):
        told = f"no such class: {', '.join(strangers)}" if strangers else f"no column for {', '.join(lacking)}"
        raise ValueError(told)
    return AttributeColumns(classes, way, probabilities=columns)


def _classes(attribute: str, table: Mapping[str, Any]) -> face_set.Classes:
    own, taxonomy = table.get("classes"), table.get("taxonomy")
    if own is not None:
        if taxonomy is not None or not (isinstance(own, list) and len(own) > 1):
            raise ValueError("classes is a list of names, and stands instead of a taxonomy")
        return face_set.own_classes(attribute, [str(name) for name in own])
    if attribute not in labels.ATTRIBUTES:
        raise ValueError(f"is none of {', '.join(labels.ATTRIBUTES)}, so it needs classes")
    try:
        return face_set.classes_in(attribute, taxonomy=taxonomy)
    except KeyError as error:
        raise ValueError(f"no taxonomy called {taxonomy}") from error


def _texts(found: Any, *, name: str) -> dict[str, str]:
    if not (isinstance(found, dict) and all(isinstance(value, str) for value in found.values())):
        raise ValueError(f"{name} is a table of texts")
    return dict(found)


def _numbers(cells: Sequence[str], *, name: str) -> np.ndarray:
    """(N,) finite numbers; nan for an empty cell."""
    numbers = np.empty(len(cells))
    for row, cell in enumerate(cells):
        try:
            numbers[row] = float(cell) if cell else math.nan
        except ValueError:
            numbers[row] = math.inf
        if cell and not math.isfinite(numbers[row]):
            raise face_set.BadData(f"Column {name}, row {row + 1}: {cell!r} is no number")
    return numbers
