"""Predictions of a set of faces: a checkpoint's, or somebody else's."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ml import labels
from ml.datasets import face_set
from ml.measuring import mapping as mappings
from ml.model.runtime import Runtime

FACES_AT_ONCE = 256


@dataclass(frozen=True)
class Predictions:
    """Per attribute probabilities (N, K) over its classes, of files with these names; a row of nan predicts nothing.

    `years` (N,) are predicted ages, nan where there is none; `ranges` (N, 2) between which they are said to lie, None
    where that is not told. `labels_only` are the attributes whose vectors hold 0 and
    1 because no more than a label was told: what needs probabilities is not measured of them.
    """

    name: str
    files: tuple[str, ...]
    vectors: dict[str, np.ndarray]
    classes: dict[str, face_set.Classes]
    years: np.ndarray | None = None
    labels_only: frozenset[str] = field(default_factory=frozenset)
    ranges: np.ndarray | None = None

    def find(self, files: Sequence[str]) -> np.ndarray:
        """The row of each file (M,), -1 where nothing is predicted of it.

        The very files of these predictions, in their order, may repeat names: the faces of one photo do. Others must
        not, or BadData is raised.
        """
        if tuple(files) == self.files:
            return np.arange(len(files))
        for side in (self.files, files):
            twice = [name for name, count in Counter(side).items() if count > 1]
            if twice:
                raise face_set.BadData(
                    f"{len(twice)} files occur more than once, so they cannot be matched", names=twice
                )
        rows = {file: row for row, file in enumerate(self.files)}
        return np.array([rows.get(file, -1) for file in files], dtype=np.int64)

    def take(self, picks: np.ndarray) -> "Predictions":
        """The predictions at these positions (M,)."""
        return replace(
            self,
            files=tuple(self.files[row] for row in picks.tolist()),
            vectors={name: values[picks] for name, values in self.vectors.items()},
            years=None if self.years is None else self.years[picks],
            ranges=None if self.ranges is None else self.ranges[picks],
        )


def predict_faces(runtime: Runtime, faces: face_set.FaceSet) -> Predictions:
    """What a checkpoint says of the faces; `years` where its age classes are those of `ml.labels`."""
    parts = []
    with tqdm(total=len(faces), desc="predict", unit="face", disable=None) as progress:
        for start in range(0, len(faces), FACES_AT_ONCE):
            parts.append(runtime.probabilities(faces.images[start : start + FACES_AT_ONCE]))
            progress.update(min(FACES_AT_ONCE, len(faces) - start))
    heads = runtime.card.labels
    tells_years = labels.is_told_in_taxonomies(labels.IN_YEARS, heads.get(labels.IN_YEARS, ()))
    vectors = {name: np.concatenate([part[name] for part in parts]) for name in heads}
    numbers = None
    if tells_years:
        of_years = vectors[labels.IN_YEARS].tolist()
        numbers = np.array([runtime.card.calibration.read_number(labels.IN_YEARS, vector) for vector in of_years])
    return Predictions(
        name=runtime.card.name,
        files=faces.files,
        vectors=vectors,
        classes={name: face_set.Classes(name, names) for name, names in heads.items()},
        years=None if numbers is None else numbers[:, 0],
        ranges=None if numbers is None else numbers[:, 1:],
    )


def read_predictions(csv: Path, *, mapping: Path) -> Predictions:
    """Read a CSV as its mapping (see `ml.measuring.mapping`) says; attributes may be missing.

    Raises BadRecipe for a mapping that means nothing, BadData for columns that are not there, cells that cannot be read
    and images that occur twice, and OSError.
    """
    told = mappings.read_mapping(mapping)
    columns = mappings.read_columns(csv, told)
    readings = {attribute: column.read(columns) for attribute, column in told.attributes.items()}
    years = [reading.years for reading in readings.values() if reading.years is not None]
    return Predictions(
        name=told.name or csv.stem,
        files=tuple(f"{told.prefix}{name}" for name in columns[told.file]),
        vectors={attribute: reading.vectors for attribute, reading in readings.items()},
        classes={attribute: column.classes for attribute, column in told.attributes.items()},
        years=years[0] if years else None,
        labels_only=frozenset(name for name, column in told.attributes.items() if column.labels_only),
    )
