"""The reviews CSV: what people said of faces, one answer a row; how reviews come back as training data.

Columns: `file`, and `path` where the image lies elsewhere than its name says; where the face is, as `chip_cx`,
`chip_cy`, `chip_side`, `chip_angle` (pixels of the upright photo, degrees clockwise) or else as a box `x1`, `y1`, `x2`,
`y2`, or neither for a file that is a chip already;
`reviewed_race`, `reviewed_gender`, `reviewed_age`, and so of further attributes: a label, empty where nothing was said,
`cannot tell` or `not a face`; `reviewer`: who said it, by any name, empty where that is not told; `face_uid`, where a
site wrote the file: what it calls the face, so that it knows which faces a network was trained on. Other columns are
passed over.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ml import labels
from ml.attributes import CANNOT_TELL, FROM_THE_FIRST, NOT_A_FACE
from ml.datasets import face_set, image_store, labelled_images, texts
from ml.preprocess import Chip
from ml.spreadsheets import unguard_cell

CHIP_COLUMNS = ("chip_cx", "chip_cy", "chip_side", "chip_angle")
BOX_COLUMNS = ("x1", "y1", "x2", "y2")
# Where FairFace's chips lie about MTCNN's boxes, in longer sides of the box: the median over 119 training images.
CHIP_SIDES_PER_BOX, CHIP_BELOW_BOX = 0.96, 0.066

Row = Mapping[str, str]


def read_reviews(
    path: Path,
    *,
    size: int,
    root: Path | None = None,
    classes: Mapping[str, face_set.Classes] | None = None,
    limit: int | None = None,
    skip_unknown: bool = False,
) -> face_set.FaceSet:
    """Read the reviewed faces at (size, size), each once, with the answer that most of its reviewers gave.

    Files and paths are relative to `root` (None: the CSV's folder). `classes` None takes the labels of `ml.labels`. A
    reviewer's later row replaces the earlier one. Where answers are tied, or the answer is "cannot tell", the attribute
    is unknown; a face that at least half of its reviewers call none, or of which nothing is known, is left out.
    `left_out` counts faces under "not a face", "nothing known" and "unknown label", answers under "cannot tell" and
    "disagreement". `limit` takes only the first faces. The faces of one photo share an identity. Raises BadData for a
    missing column or a bad number, MissingFiles, UnknownLabels and EmptySet.
    """
    found = _read_answers(path)
    asked = {name for told in found.values() for answer in told.answers.values() for name in answer}
    classes = {name: of for name, of in (classes or face_set.fine_classes()).items() if name in asked}
    counts, unknown, examples = Counter[str](), labelled_images.Unknown(), []
    for (file, chip), told in islice(found.items(), limit):
        answers = list(told.answers.values())
        if 2 * sum(NOT_A_FACE in answer.values() for answer in answers) >= len(answers):
            counts[NOT_A_FACE] += 1
            continue
        bad = [
            f"{file} (line {told.lines[reviewer]}: reviewed_{name} {word!r})"
            for reviewer, answer in told.answers.items()
            for name, word in answer.items()
            if not _is_answer(word, classes.get(name))
        ]
        if bad:
            unknown.names += bad
            counts["unknown label"] += 1
            continue
        targets = {}
        for name, attribute in classes.items():
            winner = _vote([answer.get(name, "") for answer in answers], attribute=attribute)
            if isinstance(winner, int):
                targets[name] = winner
            elif winner:
                counts[winner] += 1
        if targets:
            examples.append(labelled_images.Example(file, targets, chip=chip, identity=file, face_uid=told.uid))
        else:
            counts["nothing known"] += 1
    unknown.tell(skip=skip_unknown)
    with image_store.open_store(path.parent if root is None else root) as store:
        return labelled_images.read_faces(store, examples, classes=classes, size=size, left_out=counts)


def chip_of_box(x1: float, y1: float, x2: float, y2: float) -> Chip:
    """The upright chip of a face of which only a detector's box is known; one from landmarks is better."""
    longer = max(x2 - x1, y2 - y1)
    return Chip((x1 + x2) / 2, (y1 + y2) / 2 + CHIP_BELOW_BOX * longer, CHIP_SIDES_PER_BOX * longer, 0.0)


@dataclass
class _Told:
    """What a file says of one face: by reviewer, attribute -> word, and the line where that stands."""

    uid: str = ""
    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


def _read_answers(path: Path) -> dict[tuple[str, Chip | None], _Told]:
    """Per face the answers, one a reviewer."""
    columns = ["file", *(f"reviewed_{name}" for name in FROM_THE_FIRST), "reviewer"]
    found: dict[tuple[str, Chip | None], _Told] = {}
    for line, row in texts.read_table(path, columns=columns):
        try:
            face = (row.get("path", "").strip() or unguard_cell(row["file"]), _chip_of_row(row))
        except ValueError as error:
            raise face_set.BadData(f"{path}, line {line}: {error}") from error
        words = {
            name: " ".join(row[f"reviewed_{name}"].split()) for name in labels.ATTRIBUTES if f"reviewed_{name}" in row
        }
        told = found.setdefault(face, _Told())
        told.uid = row.get("face_uid", "").strip() or told.uid
        reviewer = row["reviewer"] or f"line {line}"
        told.lines[reviewer] = line
        told.answers[reviewer] = {
            name: word.casefold() if word.casefold() in (CANNOT_TELL, NOT_A_FACE) else word
            for name, word in words.items()
        }
    return found


def _chip_of_row(row: Row) -> Chip | None:
    for columns in (CHIP_COLUMNS, BOX_COLUMNS):
        given = [row.get(name, "").strip() for name in columns]
        if any(given):
            numbers = [_as_number(value, column=name) for name, value in zip(columns, given, strict=True)]
            chip = Chip(*numbers) if columns == CHIP_COLUMNS else chip_of_box(*numbers)
            if not (all(map(math.isfinite, numbers)) and chip.side > 0):
                raise ValueError(f"no face has {', '.join(columns)} = {', '.join(given)}")
            return chip
    return None


def _as_number(value: str, *, column: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise ValueError(f"{column} {value!r} is no number") from error


def _is_answer(word: str, classes: face_set.Classes | None) -> bool:
    return classes is None or word in ("", CANNOT_TELL, NOT_A_FACE) or classes.find(word) is not None


def _vote(words: list[str], *, attribute: face_set.Classes) -> int | str:
    """The class of most answers, or why there is none: "cannot tell", "disagreement", or "" where nothing was said."""
    votes = Counter(
        CANNOT_TELL if word == CANNOT_TELL else attribute.find(word) for word in words if word not in ("", NOT_A_FACE)
    )
    if not votes:
        return ""
    (winner, most), *others = votes.most_common()
    if others and others[0][1] == most:
        return "disagreement"
    return CANNOT_TELL if winner is None else winner
