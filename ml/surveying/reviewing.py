"""Draws that people have filled in, read back and held against the predictions that they were drawn from."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

import numpy as np

from ml.attributes import CANNOT_TELL, NOT_A_FACE
from ml.shares import draws, missed
from ml.shares.answers import CANNOT, NOT_ASKED, Reviews
from ml.shares.answers import NOT_A_FACE as NONE
from ml.shares.draws import Draw
from ml.shares.missed import Missed
from ml.shares.schemes import LEFT_OUT, Scheme
from ml.surveying import drawing, reviewed_frames
from ml.surveying.errors import BadAnswers
from ml.surveying.reading import FACE_UID, face_keys, key_of, read_face_numbers, read_uid_keys
from ml.surveying.survey import Survey
from ml.surveying.tables import Part, Table, open_table

DATE_HINT = '; "3 to 9" is what a spreadsheet does not make a date of'


@dataclass(frozen=True)
class ReviewedDraw:
    """A draw of the survey's faces with what people said; `draw.face` are positions in the survey.

    Drawn faces that are not in it (a filter left them out, or they turned out to be none) are OUTSIDE: then the survey
    is a domain of the draw. `reviewers` counts those who answered, `answered` the faces. `trained_on` (n,) marks those
    that the model was trained on; `uncovered` faces of the survey could not be drawn, since they came later. `name` and
    `codebook` are what the methods call the draw and what its questions were explained by.
    """

    draw: Draw
    strata: Scheme
    reviews: Reviews
    reviewers: int
    answered: int
    trained_on: np.ndarray | None = field(default=None, repr=False)
    uncovered: int = 0
    name: str = ""
    codebook: str = ""

    def within(self, domain: np.ndarray | None = None) -> np.ndarray | None:
        """(n,) which drawn faces are in the survey, and in a domain (N,) of it; None where all are."""
        inside: np.ndarray = self.draw.face != draws.OUTSIDE
        if domain is not None:
            narrowed: np.ndarray = inside & domain[np.where(inside, self.draw.face, 0)]
            return narrowed
        return None if inside.all() else inside

    def pick(self, places: np.ndarray) -> np.ndarray:
        """(n,) the places (N,) of the survey's faces for the drawn ones, LEFT_OUT for those outside."""
        inside = self.draw.face != draws.OUTSIDE
        picked: np.ndarray = np.where(inside, places[np.where(inside, self.draw.face, 0)], LEFT_OUT)
        return picked


@dataclass(frozen=True)
class Reviewed:
    """What the files of reviews hold: of faces, of photos, or both."""

    faces: ReviewedDraw | None = None
    missed: Missed | None = None


@dataclass
class _Rows:
    """Rows of the files of one draw, as they come."""

    draw: list[str]
    strata: list[str]
    key: list[int]
    line: list[str]
    stratum: list[float]
    frame: list[float]
    chance: list[float]
    order: list[float]
    uid: list[str]
    reviewer: list[str]
    rules: list[bool]
    said: dict[str, list[int]]


def read_reviews(paths: Sequence[Path], *, survey: Survey, learned_from: Collection[str] = frozenset()) -> Reviewed:
    """Filled draws of faces, of photos, or of both, several files of one draw together.

    `learned_from` are faces, by what a site calls them, of which the model was taught the answer.
    Raises BadTable, BadAnswers, and BadDraw where probabilities or frame do not fit.
    """
    of_faces: list[Table] = []
    of_photos: list[Table] = []
    for path in paths:
        table = open_table(path)
        (of_photos if "missed" in table.names else of_faces).append(table)
    return Reviewed(
        faces=_read_faces(of_faces, survey=survey, learned_from=learned_from) if of_faces else None,
        missed=_read_photos(of_photos, survey=survey) if of_photos else None,
    )


def _read_faces(tables: Sequence[Table], *, survey: Survey, learned_from: Collection[str]) -> ReviewedDraw:
    attributes = [name for name in survey.faces.classes if any(f"reviewed_{name}" in t.names for t in tables)]
    if not attributes:
        raise BadAnswers("no_answers", f"{tables[0].path} has no column reviewed_{next(iter(survey.faces.classes))}")
    rows = _Rows([], [], [], [], [], [], [], [], [], [], [], {name: [] for name in attributes})
    for table in tables:
        table.require("order", "file", "face", *drawing.DRAW_COLUMNS, *([FACE_UID] if survey.is_by_uid else []))
        for part in table.read_parts():
            rows.key += _read_keys(part, is_by_uid=survey.is_by_uid).tolist()
            _take_part(rows, part, table=table, classes={name: survey.faces.classes[name] for name in attributes})
    return _put_together(rows, survey=survey, learned_from=learned_from)


def _read_keys(part: Part, *, is_by_uid: bool) -> np.ndarray:
    """(rows,) uint64 what tells each row's face again."""
    if is_by_uid:
        return read_uid_keys(part)
    files = np.array([key_of(name) for name in part.columns["file"]], dtype=np.uint64)
    return face_keys(files, read_face_numbers(part))


def _take_part(rows: _Rows, part: Part, *, table: Table, classes: Mapping[str, tuple[str, ...]]) -> None:
    rows.line += [f"{table.path.name}, line {line}" for line in part.lines]
    rows.draw += part.columns["draw"]
    rows.strata += part.columns["strata"]
    for kept, name in ((rows.stratum, "stratum"), (rows.frame, "stratum_faces"), (rows.order, "order")):
        kept += _read_filled(part, name, table=table).tolist()
    rows.chance += _read_filled(part, "inclusion_probability", table=table).tolist()
    count = len(part)
    rows.uid += [cell.strip() for cell in part.columns.get(FACE_UID, ("",) * count)]
    rows.reviewer += [cell.strip() for cell in part.columns.get("reviewer", ("",) * count)]
    rows.rules += [bool(cell.strip()) for cell in part.columns.get("adjudicates", ("",) * count)]
    for attribute, names in classes.items():
        cells = part.columns.get(f"reviewed_{attribute}", ("",) * count)
        rows.said[attribute] += _read_words(cells, names=names, part=part, table=table, attribute=attribute)


def _read_filled(part: Part, name: str, *, table: Table) -> np.ndarray:
    """(rows,) a column of numbers that the draw wrote. Raises BadAnswers("bad_number") where one was emptied."""
    numbers = part.numbers(name)
    empty = np.flatnonzero(np.isnan(numbers))
    if len(empty):
        line = f"{table.path.name}, line {part.lines[int(empty[0])]}"
        raise BadAnswers("bad_number", f"{line}: the column {name} holds no number; leave it as it was drawn")
    return numbers


def _read_words(cells: Sequence[str], *, names: tuple[str, ...], part: Part, table: Table, attribute: str) -> list[int]:
    of = {_plain(name): place for place, name in enumerate(names)}
    of |= {"": NOT_ASKED, _plain(CANNOT_TELL): CANNOT, _plain(NOT_A_FACE): NONE}
    found = []
    for row, cell in enumerate(cells):
        if (place := of.get(_plain(cell))) is None:
            raise BadAnswers(
                "unknown_label",
                f"{table.path.name}, line {part.lines[row]}: {cell!r} is no answer about {attribute}; write "
                f"{', '.join(names)}, {CANNOT_TELL} or {NOT_A_FACE}" + (DATE_HINT if attribute == "age" else ""),
            )
        found.append(place)
    return found


def _put_together(rows: _Rows, *, survey: Survey, learned_from: Collection[str]) -> ReviewedDraw:
    uids = set(rows.draw)
    if len(uids) != 1:
        raise BadAnswers(
            "two_draws", f"the reviews are of {len(uids)} draws ({', '.join(sorted(uids))}): one at a time"
        )
    if len(set(rows.strata)) != 1:
        told = ", ".join(sorted(set(rows.strata)))
        raise BadAnswers("two_draws", f"one draw has strata of one attribute, and the column strata names {told}")
    scheme = drawing.find_scheme(survey, attribute=rows.strata[0])
    keys, first, which = np.unique(np.array(rows.key, np.uint64), return_index=True, return_inverse=True)
    order = np.argsort(np.array(rows.order)[first], kind="stable")  # of the drawn faces
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    first, drawn = first[order], rank[which]
    _check_copies(rows, first=first, drawn=drawn)
    face = reviewed_frames.find_faces(keys[order], lines=[rows.line[row] for row in first], survey=survey)
    code, frame, chance = (np.array(column)[first] for column in (rows.stratum, rows.frame, rows.chance))
    draw = reviewed_frames.rebuild_draw(code=code, frame=frame, chance=chance, face=face, scheme=scheme, survey=survey)
    reviews, reviewers = _make_reviews(rows, drawn=drawn, classes=survey.faces.classes)
    trained_on = np.array([rows.uid[row] in learned_from for row in first]) if learned_from else None
    return ReviewedDraw(draw, scheme, reviews, reviewers, len(np.unique(reviews.drawn)), trained_on)


def _check_copies(rows: _Rows, *, first: np.ndarray, drawn: np.ndarray) -> None:
    """Raise BadAnswers("rows_differ") where the rows of one face, or copies of it, were drawn differently."""
    for column in (rows.stratum, rows.frame, rows.chance, rows.order):
        values = np.array(column)
        wrong = np.flatnonzero(~np.isclose(values, values[first][drawn], rtol=draws.WRITTEN, atol=0))
        if len(wrong):
            raise BadAnswers(
                "rows_differ",
                f"{rows.line[int(wrong[0])]}: another row tells this face's place in the draw differently; leave the "
                "columns that the draw wrote as they were",
            )


def _make_reviews(rows: _Rows, *, drawn: np.ndarray, classes: Mapping[str, tuple[str, ...]]) -> tuple[Reviews, int]:
    """Answers only; of a reviewer's several rows about a face the last one."""
    said = {attribute: np.array(places) for attribute, places in rows.said.items()}
    asked = np.any([places != NOT_ASKED for places in said.values()], axis=0)
    none = np.any([places == NONE for places in said.values()], axis=0)  # who says it once means the whole face
    _, reviewer = np.unique(np.array(rows.reviewer), return_inverse=True)
    rules = np.array(rows.rules)
    last: dict[tuple[int, int, bool], int] = {}
    for row in np.flatnonzero(asked).tolist():
        last[int(drawn[row]), int(reviewer[row]), bool(rules[row])] = row
    kept = np.array(sorted(last.values()), dtype=np.int64)
    if not len(kept):
        raise BadAnswers("no_answers", "nobody has answered yet: the columns reviewed_... are empty")
    answers = {attribute: np.where(none, NONE, places)[kept] for attribute, places in said.items()}
    found = Reviews(drawn[kept], {name: classes[name] for name in said}, answers, reviewer[kept], rules[kept])
    return found, len(np.unique(reviewer[kept]))


def _read_photos(tables: Sequence[Table], *, survey: Survey) -> Missed:
    """Missed faces in the photos before the first that nobody has looked at; of several reviewers the mean."""
    known = {int(key): place for place, key in enumerate(survey.photo_key)}
    turn: dict[int, float] = {}
    marked: dict[int, list[float]] = {}
    uids, chances = set[str](), set[float]()
    for table in tables:
        table.require("file", *drawing.PHOTO_NUMBERS, "draw")
        for part in table.read_parts():
            uids |= set(part.columns["draw"])
            order, photos, chance, found = (
                _read_filled(part, name, table=table) for name in drawing.PHOTO_NUMBERS if name != "missed"
            )
            number = part.numbers("missed")
            chances |= set(chance.tolist())
            for row, name in enumerate(part.columns["file"]):
                key = key_of(name)
                line = f"{table.path.name}, line {part.lines[row]}"
                if key not in known:
                    raise BadAnswers("no_such_face", f"{line}: this photo is not among the predictions")
                if photos[row] != len(survey.photo_key) or found[row] != survey.photo_faces[known[key]]:
                    raise BadAnswers("other_predictions", f"{line}: the draw was made from other predictions")
                if number[row] < 0 or number[row] % 1 > 0:
                    raise BadAnswers("bad_number", f"{line}: {number[row]:g} faces cannot have been missed")
                turn[key] = order[row]
                if not np.isnan(number[row]):
                    marked.setdefault(key, []).append(float(number[row]))
    if len(uids) > 1:
        raise BadAnswers("two_draws", f"the photos are of {len(uids)} draws: one at a time")
    if not np.allclose(list(chances), len(turn) / len(known), rtol=draws.WRITTEN, atol=0):
        raise BadAnswers("rows_missing", "inclusion probabilities do not fit the photos: rows are missing or changed")
    seen = list(takewhile(lambda key: key in marked, sorted(turn, key=turn.__getitem__)))
    if not seen:
        raise BadAnswers("no_answers", "nobody has looked at the first photo yet: the column missed is empty")
    faces = np.array([survey.photo_faces[known[key]] for key in seen])
    means = np.array([np.mean(marked[key]) for key in seen])
    return missed.estimate_missed(faces, means, photos=len(known))


def _plain(text: str) -> str:
    """Words as people write them: case, spaces and `_` are free, and "3 to 9" is "3-9"."""
    words = " ".join(text.replace("_", " ").split()).casefold()
    return re.sub(r"(?<=\d)\s*(?:-|–|to)\s*(?=\d)", "-", words)
