"""Predictions out of a CSV of any size, as compact arrays: some 70 bytes a face with all probabilities."""

from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

import numpy as np

from ml.datasets.face_set import EmptySet
from ml.measuring.mapping import PredictionColumns
from ml.shares.faces import Faces
from ml.shares.schemes import LEFT_OUT
from ml.spreadsheets import unguard_cell
from ml.surveying.columns import BOX, STATUSES, UNANSWERED, Columns, MappedColumns, OwnColumns
from ml.surveying.errors import BadPredictions
from ml.surveying.survey import SMALL_FACE_PX, Groups, PhotoCounts, Survey
from ml.surveying.tables import Part, open_table

MOST_GROUPS = 50  # of --by: more are hardly what was meant, and each is estimated with its own intervals
MOST_FACES = 2**31 - 1  # of one file: what a number of a face has room for
FACE_UID, PHOTO_UID = "face_uid", "photo_uid"  # what a site calls faces and photos, whose names need not be unique
SHARPNESS, BRIGHTNESS, PHOTO_WIDTH, MODEL = "sharpness", "brightness", "photo_width", "model"
NARROWEST, CUT_OFF = "narrowest_face_px", "cut_off"


def read_survey(
    path: Path,
    *,
    mapping: PredictionColumns | None = None,
    by: str | None = None,
    narrowest_px: float = SMALL_FACE_PX,
    source: str | None = None,
) -> Survey:
    """The faces in a CSV that are counted: those at least so wide, where the file tells, that have any answer.

    `mapping` explains somebody else's columns; `by` names a column that tells the faces apart; `source` is what is
    surveyed, None: the file's name. Raises BadTable, BadPredictions, EmptySet where not one face is counted, and
    OSError.
    """
    table = open_table(path)
    columns: Columns = OwnColumns(table) if mapping is None else MappedColumns(table, mapping=mapping)
    if by is not None:
        table.require(by)
    # What somebody else calls "status" or "x1" may be anything: only what the mapping names is read.
    collected = _Collected(columns, names=table.names if mapping is None else (), by=by)
    for part in table.read_parts():
        collected.add(part)
    return collected.finish(
        source=source or path.stem,
        narrowest_px=narrowest_px,
        is_ours=mapping is None,
        model=(mapping.name or path.stem) if mapping is not None else None,
    )


def key_of(file: str) -> int:
    """64 bits that tell a file's name again: of a million names two are alike once in 40 million files.

    `file` is what a cell holds; a name that was guarded from spreadsheets there has the key that it has without.
    """
    return int.from_bytes(
        blake2b(unguard_cell(file).encode("utf-8", "surrogateescape"), digest_size=8).digest(), "little"
    )


def face_keys(files: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """(N,) uint64 keys of faces, of keys of their files (N,) and their numbers (N,) within them."""
    with np.errstate(over="ignore"):
        mixed = files.astype(np.uint64) ^ (numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
        keys: np.ndarray = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return keys


def read_uid_keys(part: Part) -> np.ndarray:
    """(rows,) uint64 keys of faces by what a site calls them. Raises BadPredictions("bad_number") where it is empty."""
    cells = [cell.strip().lower() for cell in part.columns[FACE_UID]]
    if "" in cells:
        raise BadPredictions("bad_number", f"line {part.lines[cells.index('')]}: the column {FACE_UID} is empty")
    return np.array([key_of(cell) for cell in cells], dtype=np.uint64)


def read_marks(part: Part, column: str) -> np.ndarray:
    """(rows,) whether a column says yes."""
    return np.array([cell.lower() in ("true", "1", "yes") for cell in part.columns[column]])


def read_face_numbers(part: Part) -> np.ndarray:
    """(rows,) int32 the numbers of faces within their files, 0 of empty cells. Raises BadPredictions("bad_number")."""
    numbers: np.ndarray = np.nan_to_num(part.numbers("face"))
    wrong = np.flatnonzero((numbers < 0) | (numbers > MOST_FACES) | (numbers % 1 > 0))
    if len(wrong):
        row = int(wrong[0])
        told = part.columns["face"][row]
        raise BadPredictions("bad_number", f"line {part.lines[row]}: {told!r} in column face counts no face of a file")
    whole: np.ndarray = numbers.astype(np.int32)
    return whole


class _Collected:
    """Arrays that grow by parts."""

    def __init__(self, columns: Columns, *, names: tuple[str, ...], by: str | None) -> None:
        self._columns, self._by = columns, by
        self._is_boxed = all(name in names for name in BOX)
        self._measures = [name for name in (SHARPNESS, BRIGHTNESS, PHOTO_WIDTH, NARROWEST) if name in names]
        self._has = {name: name in names for name in ("status", "face", MODEL, FACE_UID, CUT_OFF)}
        self._photo = PHOTO_UID if PHOTO_UID in names else columns.file
        self._marks = [name for name in columns.classes if f"unsure_{name}" in names]
        self._parts: dict[str, list[np.ndarray]] = {}
        self._groups: dict[str, int] = {}
        self._models: set[str] = set()
        self._rows = 0

    def add(self, part: Part) -> None:
        """Take in the next rows of the CSV. Raises BadPredictions, with a code, for what does not fit."""
        count = len(part)
        status = self._read_status(part)
        told = self._columns.read(part)
        self._keep("file", np.array([key_of(name) for name in part.columns[self._photo]], np.uint64))
        if self._has[FACE_UID]:
            self._keep("uid", read_uid_keys(part))
        self._keep("status", status)
        self._keep("row", np.arange(self._rows, self._rows + count, dtype=np.int32))
        self._rows += count
        numbers = read_face_numbers(part) if self._has["face"] else np.zeros(count, dtype=np.int32)
        self._keep("face", numbers)
        if self._is_boxed:
            self._keep("size_px", (part.numbers("x2") - part.numbers("x1")).astype(np.float32))
        for name in self._measures:
            self._keep(name, part.numbers(name).astype(np.float32))
        for attribute, found in told.items():
            self._keep(f"places {attribute}", found.places.astype(np.int8))
            if found.vectors is not None:
                self._keep(f"vectors {attribute}", np.nan_to_num(found.vectors).astype(np.float16))
        for attribute in self._marks:
            self._keep(f"unsure {attribute}", read_marks(part, f"unsure_{attribute}"))
        if self._has[CUT_OFF]:
            self._keep(CUT_OFF, read_marks(part, CUT_OFF))
        if self._has[MODEL]:
            self._models |= {cell for cell, ok in zip(part.columns[MODEL], status == 0, strict=True) if ok}
            if len(self._models) > 1:
                raise BadPredictions("two_models", f"these are predictions of {' and of '.join(sorted(self._models))}")
        if self._by is not None:
            self._keep("group", np.array([self._group(cell) for cell in part.columns[self._by]], dtype=np.int16))

    def finish(self, *, source: str, narrowest_px: float, is_ours: bool, model: str | None) -> Survey:
        """All rows as one survey, faces under `narrowest_px` left out. Raises EmptySet."""
        if not self._rows:
            raise EmptySet(f"{source} has no row under its header")
        arrays = {name: np.concatenate(self._parts.pop(name)) for name in tuple(self._parts)}
        file, status = arrays["file"], arrays["status"]
        known = np.zeros(len(file), dtype=bool)
        for attribute in self._columns.classes:
            known |= arrays[f"places {attribute}"] != LEFT_OUT
        size = arrays.get("size_px")
        narrow = np.zeros(len(file), dtype=bool) if size is None else size < narrowest_px
        is_face = status == 0
        counted = is_face & known & ~narrow
        numbers = self._number_faces(file, arrays["face"], is_face=is_face)
        keys_of_faces = arrays["uid"] if self._has[FACE_UID] else face_keys(file, numbers)
        left_out = {
            f"faces narrower than {narrowest_px:g} px": int((is_face & narrow).sum()),
            "faces without an answer": int((is_face & ~known & ~narrow).sum()),
        }
        if not counted.any():
            told = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items() if count)
            raise EmptySet(f"{source} has no face to count" + (f": {told}" if told else ""))
        keys, photo = np.unique(file, return_inverse=True)
        unreadable = np.isin(keys, file[np.isin(status, [STATUSES.index(name) for name in UNANSWERED])])
        with_face = np.bincount(photo[is_face], minlength=len(keys)) > 0
        coarse = np.zeros(len(keys), dtype=bool)
        if NARROWEST in arrays:
            coarse[photo[arrays[NARROWEST] > narrowest_px]] = True
        marks = {name: arrays[f"unsure {name}"][counted] for name in self._marks}
        return Survey(
            source=source,
            faces=self._faces(arrays, photo=photo, counted=counted),
            face_key=keys_of_faces[counted],
            face_number=numbers[counted],
            row=arrays["row"][counted],
            photos=PhotoCounts(
                len(keys), int(unreadable.sum()), int((~with_face & ~unreadable).sum()), coarse=int(coarse.sum())
            ),
            photo_key=keys[~unreadable],
            photo_faces=np.bincount(photo[counted], minlength=len(keys))[~unreadable],
            left_out=left_out,
            model=model if model is not None else next(iter(self._models), ""),
            is_boxed=size is not None and not np.isnan(size[is_face]).all(),
            narrowest_px=narrowest_px,
            is_ours=is_ours,
            marked_unsure=marks,
            cut_off=arrays[CUT_OFF][counted] if self._has[CUT_OFF] else None,
            is_by_uid=self._has[FACE_UID],
            groups=Groups(self._by, tuple(self._groups), arrays["group"][counted]) if self._by is not None else None,
        )

    def _faces(self, arrays: Mapping[str, np.ndarray], *, photo: np.ndarray, counted: np.ndarray) -> Faces:
        size, wide = arrays.get("size_px"), arrays.get(PHOTO_WIDTH)
        measures = {name: arrays[name][counted] for name in (SHARPNESS, BRIGHTNESS) if name in arrays}
        if size is not None:
            measures = {"size_px": size[counted], **measures}
        width = None
        if size is not None and wide is not None:
            # A picture without a width, or with less, is one whose width is not known.
            width = np.clip(size / np.where(wide > 0, wide, np.nan), 0, 1)[counted]
        return Faces(
            photo=photo[counted].astype(np.int32),
            classes=dict(self._columns.classes),
            predicted={name: arrays[f"places {name}"][counted] for name in self._columns.classes},
            posteriors={
                name: arrays[f"vectors {name}"][counted]
                for name in self._columns.classes
                if f"vectors {name}" in arrays
            },
            measures=measures,
            width=None if width is None or np.isnan(width).all() else width,
        )

    def _read_status(self, part: Part) -> np.ndarray:
        if not self._has["status"]:
            return np.zeros(len(part), dtype=np.int8)
        of = {name: place for place, name in enumerate(STATUSES)}
        cells = part.columns["status"]
        unknown = next((row for row, cell in enumerate(cells) if cell not in of), None)
        if unknown is not None:
            raise BadPredictions(
                "bad_status", f"line {part.lines[unknown]}: the status {cells[unknown]!r} is none of {', '.join(of)}"
            )
        return np.array([of[cell] for cell in cells], dtype=np.int8)

    def _number_faces(self, file: np.ndarray, face: np.ndarray, *, is_face: np.ndarray) -> np.ndarray:
        """(rows,) from 1 within each file: as told, else in the order of rows. Raises BadPredictions("face_twice")."""
        if self._has["face"]:
            keys = face_keys(file, face)[is_face]
            again = len(keys) - len(np.unique(keys))
            if again:
                raise BadPredictions("face_twice", f"{again:,} faces occur more than once: was a file written twice?")
            return face
        order = np.argsort(file, kind="stable")
        starts = np.flatnonzero(np.diff(file[order], prepend=file[order[:1]] + np.uint64(1)) != 0)
        since = np.arange(len(file)) - np.repeat(starts, np.diff(np.append(starts, len(file))))
        numbers = np.empty(len(file), dtype=np.int32)
        numbers[order] = since + 1
        return numbers

    def _group(self, cell: str) -> int:
        if cell not in self._groups and len(self._groups) >= MOST_GROUPS:
            raise BadPredictions("too_many_groups", f"column {self._by} has over {MOST_GROUPS} values")
        return self._groups.setdefault(cell, len(self._groups))

    def _keep(self, name: str, values: np.ndarray) -> None:
        self._parts.setdefault(name, []).append(values)


def count_reasons(survey: Survey) -> Counter[str]:
    """What is not counted and why, photos and faces, without what does not occur."""
    found = Counter({name: count for name, count in survey.left_out.items() if count})
    if survey.photos.unreadable:
        found["photos that could not be read"] = survey.photos.unreadable
    if survey.photos.without_face:
        found["photos in which no face was found"] = survey.photos.without_face
    if survey.photos.coarse:
        found[f"photos in which faces of {survey.narrowest_px:g} px could not be found"] = survey.photos.coarse
    return found
