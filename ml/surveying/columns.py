"""What the columns of a CSV of predictions say of its rows: Facet's own, or somebody else's by a mapping."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile, takewhile
from typing import Protocol

import numpy as np

from ml import labels
from ml.datasets.face_set import BadData
from ml.measuring.mapping import PredictionColumns
from ml.shares.schemes import LEFT_OUT
from ml.surveying.errors import BadPredictions
from ml.surveying.tables import Part, Table

STATUSES = ("ok", "no_face", "unreadable", "failed")
UNANSWERED = ("unreadable", "failed")  # of which nobody can say whether there are faces
BOX = ("x1", "y1", "x2", "y2")
SUM_TOLERANCE = 0.02  # of probabilities rounded to a few digits


@dataclass(frozen=True)
class Told:
    """Of some rows and one attribute: places of the labels (rows,), LEFT_OUT without; vectors (rows, K) or None."""

    places: np.ndarray
    vectors: np.ndarray | None


class Columns(Protocol):
    """How to read a kind of file."""

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]: ...

    @property
    def file(self) -> str: ...

    def read(self, part: Part) -> dict[str, Told]:
        """What some rows say. Raises BadPredictions and BadTable."""
        ...


class OwnColumns:
    """What `ml.predict --csv` writes; columns that it has not are attributes that were off."""

    file = "file"

    def __init__(self, table: Table) -> None:
        table.require("file", "status")
        self.classes = find_classes(table.names)
        if not self.classes:
            raise BadPredictions(
                "no_predictions",
                f"{table.path} has no column predicted_race, predicted_gender or predicted_age: "
                "somebody else's predictions need a --mapping",
            )
        self._with_vectors = {
            name for name, values in self.classes.items() if all(f"{name}_{value}" in table.names for value in values)
        }

    def read(self, part: Part) -> dict[str, Told]:
        told = {}
        for attribute, names in self.classes.items():
            places = read_labels(part, f"predicted_{attribute}", names=names)
            vectors = None
            if attribute in self._with_vectors:
                vectors = np.stack([part.numbers(f"{attribute}_{name}") for name in names], axis=1)
                check_vectors(vectors, known=places >= 0, part=part, attribute=attribute)
                places = np.where(places >= 0, vectors.argmax(axis=1), LEFT_OUT)
            told[attribute] = Told(places, vectors)
        return told


def find_classes(columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The attributes of a file of `ml.predict` with their labels, which a checkpoint may have of its own.

    An attribute's probabilities stand behind its `predicted_` column, each named after the attribute and its label; a
    site writes its doubt and its set between them.
    """
    found = {}
    for place, column in enumerate(columns):
        prefix, _, name = column.partition("_")
        if prefix != "predicted" or not name:
            continue
        between = {f"unsure_{name}", f"set_{name}"}
        behind = dropwhile(between.__contains__, columns[place + 1 :])
        told = takewhile(lambda other, name=name: other.startswith(f"{name}_"), behind)  # type: ignore[misc]
        numbers = f"{name}_{labels.scale_of(name).unit}" if name in labels.ORDERED else ""
        own = tuple(other.removeprefix(f"{name}_") for other in told if other != numbers)
        declared = labels.ATTRIBUTES.get(name, ())
        if not declared and len(own) < 2:
            continue  # labels that nobody knows the others of
        found[name] = declared if not own or set(declared) == set(own) else own
    order = [name for name in labels.ATTRIBUTES if name in found]
    return {name: found[name] for name in (*order, *(name for name in found if name not in order))}


class MappedColumns:
    """Somebody else's CSV, as its TOML file explains it: a row a face, empty cells where nothing is predicted."""

    def __init__(self, table: Table, *, mapping: PredictionColumns) -> None:
        table.require(mapping.file, *(column for of in mapping.attributes.values() for column in of.columns))
        self.file = mapping.file
        self.classes = {name: of.classes.names for name, of in mapping.attributes.items()}
        self._mapping = mapping

    def read(self, part: Part) -> dict[str, Told]:
        stripped = {name: [cell.strip() for cell in cells] for name, cells in part.columns.items()}
        told = {}
        for attribute, of in self._mapping.attributes.items():
            try:
                vectors = of.read(stripped).vectors
            except BadData as error:
                raise BadPredictions("unknown_label", f"lines {part.lines[0]} to {part.lines[-1]}: {error}") from error
            known = ~np.isnan(vectors).any(axis=1)
            places = np.where(known, np.nan_to_num(vectors).argmax(axis=1), LEFT_OUT)
            told[attribute] = Told(places, None if of.labels_only else vectors)
        return told


def read_labels(part: Part, name: str, *, names: tuple[str, ...]) -> np.ndarray:
    """(rows,) places in the names, LEFT_OUT of empty cells. Raises BadPredictions("unknown_label") with the line."""
    of = {label: place for place, label in enumerate(names)} | {"": LEFT_OUT}
    try:
        return np.array([of[cell] for cell in part.columns[name]], dtype=np.int16)
    except KeyError:
        row = next(row for row, cell in enumerate(part.columns[name]) if cell not in of)
        raise BadPredictions(
            "unknown_label",
            f"line {part.lines[row]}: {part.columns[name][row]!r} in column {name} is none of {', '.join(names)}",
        ) from None


def check_vectors(vectors: np.ndarray, *, known: np.ndarray, part: Part, attribute: str) -> None:
    """Raise BadPredictions("bad_number") where the probabilities (rows, K) of a known row are none."""
    with np.errstate(invalid="ignore"):
        good = (vectors >= 0).all(axis=1) & (np.abs(vectors.sum(axis=1) - 1) <= SUM_TOLERANCE)
    if (known & ~good).any():
        line = part.lines[int(np.flatnonzero(known & ~good)[0])]
        raise BadPredictions("bad_number", f"line {line}: the probabilities of {attribute} do not add up to 1")
