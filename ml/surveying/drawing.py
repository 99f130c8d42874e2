"""Draws as CSV files that people fill in a spreadsheet: whom to look at, and with what probability each was drawn.

A draw of faces has a row a face, in the order in which they should be looked at, and the columns of the reviews CSV
(`ml.datasets.reviews`): `file`, the box, `reviewed_race`, `reviewed_gender`, `reviewed_age`, `reviewer`. The strata are
what the model said, written as numbers in no telling order, so that nobody is led by them. Several reviewers fill a
copy each, or further rows of the same face. Names that a spreadsheet would calculate have an apostrophe before them. A
draw of photos has `missed`: how many faces no box marks.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from ml.shares import draws, schemes
from ml.shares import faces as faces_
from ml.shares.draws import Draw
from ml.shares.schemes import Scheme
from ml.spreadsheets import guard_cell, unguard_cell
from ml.surveying.columns import BOX
from ml.surveying.errors import BadPredictions
from ml.surveying.reading import FACE_UID, key_of
from ml.surveying.survey import Survey
from ml.surveying.tables import Table

FACES, PHOTOS = "faces", "photos"
DRAW_COLUMNS = ("draw", "strata", "stratum", "stratum_faces", "inclusion_probability")
PHOTO_COLUMNS = ("order", "file", "draw", "photos", "inclusion_probability", "found", "missed", "reviewer")
PHOTO_NUMBERS = ("order", "photos", "inclusion_probability", "found", "missed")


@dataclass(frozen=True)
class FaceDraw:
    """A stratified draw with its scheme; `codes` (H,) are the numbers that the strata have in the file."""

    draw: Draw
    scheme: Scheme
    codes: np.ndarray
    uid: str


def draw_faces(survey: Survey, *, attribute: str, size: int, seed: int) -> FaceDraw:
    """Faces drawn by strata of one attribute's labels. Raises BadDraw, and BadPredictions without the attribute."""
    scheme = find_scheme(survey, attribute=attribute)
    stratum = faces_.label_places(survey.faces, scheme=scheme)
    draw = draws.draw_stratified(stratum, strata=scheme.labels, size=size, seed=seed)
    codes = np.random.default_rng([seed, 1]).permutation(len(scheme.labels)) + 1
    return FaceDraw(draw, scheme, codes, name_draw(survey.face_key, survey.faces, parts=(attribute, size, seed)))


def find_scheme(survey: Survey, *, attribute: str) -> Scheme:
    """The labels of an attribute that make strata: the model's own groups, age in bands."""
    if attribute not in survey.faces.predicted:
        known = ", ".join(survey.faces.predicted)
        raise BadPredictions("no_predictions", f"nothing was predicted of {attribute}, only of {known}")
    return schemes.single(attribute, classes=survey.faces.classes[attribute])


def write_faces(found: FaceDraw, *, survey: Survey, table: Table, file: str, attributes: Sequence[str]) -> str:
    """The CSV of a draw of faces; `table` is the file that the survey was read from, `file` its column of names."""
    draw = found.draw
    boxes = [name for name in (*([FACE_UID] if survey.is_by_uid else []), *BOX) if name in table.names]
    cells = pick_rows(table, rows=survey.row[draw.face], names=[file, *boxes])
    header = ["order", "file", "face", *boxes, *DRAW_COLUMNS, *(f"reviewed_{name}" for name in attributes), "reviewer"]
    rows = []
    for place, (face, stratum, chance) in enumerate(zip(draw.face, draw.stratum, draw.probability, strict=True)):
        told = cells[int(survey.row[face])]
        rows.append([
            place + 1, _write_name(told[file]), int(survey.face_number[face]), *(told[name] for name in boxes),
            found.uid, found.scheme.name, int(found.codes[stratum]), int(draw.frame[stratum]), f"{chance:.8g}",
            *([""] * len(attributes)), "",
        ])  # fmt: skip
    return _to_csv(header, rows)


def draw_photos(survey: Survey, *, size: int, seed: int) -> tuple[Draw, str]:
    """Photos at random, with the draw's name. Raises BadDraw, and BadPredictions("no_photos") of a site's faces."""
    if survey.is_by_uid:
        raise BadPredictions("no_photos", f"{survey.source} names no photo without a face: draw photos on the site")
    draw = draws.draw_simple(len(survey.photo_key), size=size, seed=seed)
    return draw, name_draw(survey.photo_key, survey.faces, parts=(PHOTOS, size, seed))


def write_photos(draw: Draw, uid: str, *, survey: Survey, names: Mapping[int, str]) -> str:
    """The CSV of a draw of photos; `names` are files by the keys of `Survey.photo_key`."""
    total = len(survey.photo_key)
    rows = [
        [
            place + 1, _write_name(names[int(survey.photo_key[photo])]), uid, total, f"{len(draw) / total:.8g}",
            int(survey.photo_faces[photo]), "", "",
        ]
        for place, photo in enumerate(draw.face)
    ]  # fmt: skip
    return _to_csv(PHOTO_COLUMNS, rows)


def pick_rows(table: Table, *, rows: np.ndarray, names: Sequence[str]) -> dict[int, dict[str, str]]:
    """Cells of some rows of a file, by the row's number, reading it once more."""
    wanted, found, first = set(rows.tolist()), {}, 0
    for part in table.read_parts():
        for row in wanted & set(range(first, first + len(part))):
            found[row] = {name: part.columns[name][row - first] for name in names}
        first += len(part)
    return found


def name_draw(keys: np.ndarray, faces: faces_.Faces, *, parts: Sequence[object]) -> str:
    """A short name that another draw, or one of other predictions, does not have."""
    found = sha256(np.sort(keys).tobytes() + repr(tuple(parts)).encode())
    for attribute in sorted(faces.predicted):
        found.update(faces.predicted[attribute].tobytes())
    return f"draw-{found.hexdigest()[:12]}"  # digits alone, or 12e345, would be a number to a spreadsheet


def list_names(table: Table, *, file: str, keys: set[int]) -> dict[int, str]:
    """The names of files by their keys, of those wanted."""
    names: dict[int, str] = {}
    for part in table.read_parts():
        for name in part.columns[file]:
            if (key := key_of(name)) in keys:
                names[key] = name
    return names


def _to_csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _write_name(cell: str) -> str:
    """A file's name out of a table for another one, guarded from spreadsheets once, whoever wrote the first."""
    return guard_cell(unguard_cell(cell))
