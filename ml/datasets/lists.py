"""List files (train.txt, val.txt): `path label` a line, the label in words or as a number."""

import re
from collections.abc import Sequence
from pathlib import Path

from ml.datasets import face_set, image_store, labelled_images, texts


def read_list(
    path: Path,
    *,
    classes: face_set.Classes,
    size: int,
    root: Path | None = None,
    order: Sequence[str] | None = None,
    limit: int | None = None,
    skip_unknown: bool = False,
) -> face_set.FaceSet:
    """Read the images that a list names, with labels of one attribute, at (size, size).

    `classes` says which attribute and taxonomy the labels are in. Paths are relative to `root` (None: the list's
    folder), which may also hold zips with members of these names. Paths may contain spaces, so may labels; a tab,
    semicolon or comma between the two parts them as well. `order` gives the meaning of numbers: 0 is its first name.
    Raises MissingFiles, UnknownLabels (a number without an order is one), EmptySet, and BadData for a list that is not
    in UTF-8 or says two things of an image.
    """
    written = texts.read_text(path).splitlines()
    lines = [(n, line.strip()) for n, line in enumerate(written, start=1) if line.strip()]
    if not lines:
        raise face_set.EmptySet(f"{path} is empty: a line is a path, then a label")
    unknown = labelled_images.Unknown()
    examples: list[labelled_images.Example] = []
    told: dict[str, tuple[int, int]] = {}
    with image_store.open_store(path.parent if root is None else root) as store:
        for number, line in lines[:limit]:
            found = parse_line(line, classes=classes, order=order)
            if found is None:
                begin, word = find_label(line)
                column = written[number - 1].index(line) + begin + 1
                unknown.names.append(f"{line} (line {number}, column {column}: {classes.attribute} {word!r})")
                continue
            name, position = store.find(found[0]), found[1]
            first, before = told.setdefault(name, (number, position))
            if before != position:
                words = f"line {first}: {classes.names[before]} and line {number}: {classes.names[position]}"
                raise face_set.BadData(f"{path} says two things of {name}: {words}")
            examples.append(labelled_images.Example(name, {classes.attribute: position}))
        if not examples and all(classes.find(re.split(r"[\t;, ]", line)[0]) is not None for _, line in lines[:limit]):
            raise face_set.BadData(
                f"{path} has its labels in front: a line is a path, then a label", names=unknown.names
            )
        left_out = {"unknown label": unknown.tell(skip=skip_unknown)}
        return labelled_images.read_faces(
            store, examples, classes={classes.attribute: classes}, size=size, left_out=left_out
        )


def parse_line(line: str, *, classes: face_set.Classes, order: Sequence[str] | None = None) -> tuple[str, int] | None:
    """The path and the position of the label in the classes; None for a label that is not known.

    Of several readings (`a b/1.jpg East Asian`) the longest label wins.
    """
    for separator in _separators(line):
        words = line.split(separator)
        for start in range(1, len(words)):
            name, label = separator.join(words[:start]).strip(), separator.join(words[start:]).strip()
            if order is not None and label.isdecimal():
                label = order[int(label)] if int(label) < len(order) else ""
            position = classes.find(label)
            if name and position is not None:
                return name, position
    return None


def find_label(line: str) -> tuple[int, str]:
    """Where the label of a line begins, from 0, and how it is written, whether it is known or not: after the name of an
    image, or else the last word.
    """
    for separator in _separators(line):
        for found in re.finditer(re.escape(separator), line):
            if image_store.is_image(line[: found.start()].strip()):
                word = line[found.end() :].strip()
                return len(line) - len(word), word
    if image_store.is_image(line):
        return len(line), ""
    begin = max(line.rfind(separator) for separator in "\t;, ") + 1
    return begin, line[begin:]


def _separators(line: str) -> Sequence[str]:
    """What may part a line's path from its label."""
    return ("\t",) if "\t" in line else (";", ",", " ")
