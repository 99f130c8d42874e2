"""FairFace: zips of ready chips, or the unpacked folder, with its label file (file, age, gender, race).

A label file in its manner may have further columns, called as attributes that FairFace does not label.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from ml.attributes import FROM_THE_FIRST
from ml.datasets import face_set, image_store, labelled_images, texts
from ml.errors import DataWarning

SIDE = 224  # pixels of its ready chips
Row = Mapping[str, str]
TRAIN_CSV, VAL_CSV = "fairface_label_train.csv", "fairface_label_val.csv"
RELEASED = "fairface-img-margin{:03.0f}-trainval.zip"  # by the margin in per cent: 025 and 125 are released


def read_fairface(
    folder: Path,
    *,
    label_file: str,
    size: int,
    shards: Sequence[str] | None = None,
    limit: int | None = None,
    skip_unknown: bool = False,
) -> face_set.FaceSet:
    """Read images whose names are the label file's `file` column; `shards` names the zips (None: what is there).

    Zips come in the order of the shards and of the members in them. `limit` stops after so many. Without `shards`
    every image that the label file names must be there. Images of a part that the label file does not speak of
    (`train/` beside `val/`) are passed over. In a column that is not FairFace's own an empty cell is an unknown label.
    Names may be written as `./val/1.jpg`, as whole paths or with backslashes. Raises MissingFiles, UnknownLabels, and
    BadData for a bad label file, among them one that says two things of an image.
    """
    path = folder / label_file
    table = texts.read_table(path, columns=("file", *FROM_THE_FIRST))
    classes = {name: of for name, of in face_set.fine_classes().items() if any(name in row for _, row in table)}
    unknown = labelled_images.Unknown()
    examples = []
    with image_store.open_store(folder, shards=shards) as store:
        rows = _rows_by_name(table, store=store, classes=classes, path=path)
        names = _of_part(store, rows)
        if shards is None:
            missing = sorted(set(rows) - set(names))
            if missing:
                raise face_set.MissingFiles(f"{len(missing)} of {len(rows)} images are not there", names=missing)
        for name in names[:limit]:
            if name not in rows:
                unknown.names.append(f"{name} (not in {label_file})")
                continue
            line, row = rows[name]
            told = {name: row[name] for name in classes if row[name] or name in FROM_THE_FIRST}
            found = {name: classes[name].find(word) for name, word in told.items()}
            known = {name: position for name, position in found.items() if position is not None}
            if len(known) < len(found):
                words = ", ".join(f"{column} {told[column]!r}" for column in found if column not in known)
                unknown.names.append(f"{name} (line {line}: {words})")
            else:
                examples.append(labelled_images.Example(name, known))
        left_out = {"unknown label": unknown.tell(skip=skip_unknown)}
        return labelled_images.read_faces(store, examples, classes=classes, size=size, left_out=left_out)


def find_shards(folder: Path, *, named: Sequence[str], label_file: str, margin: float) -> tuple[str, ...]:
    """The zips to read in a folder with a label file: those that are `named`, as far as any of them is there.

    Where none is, FairFace lies there as it is released: in the zip of this margin, beside which that of the other may
    lie, or unpacked. () means whatever is there, of which no image may be missing. Raises BadData where only the zip of
    another margin is there.
    """
    if not (folder / label_file).is_file() or any((folder / name).is_file() for name in named):
        return tuple(named)
    own = RELEASED.format(100 * margin)
    others = sorted(path.name for path in folder.glob(RELEASED.replace("{:03.0f}", "*")) if path.name != own)
    if (folder / own).is_file():
        return (own,) if named or others else ()
    if others:
        raise face_set.BadData(f"the images that are wanted show a margin of {margin:g}; in {folder} are", names=others)
    return ()


def list_part(folder: Path, *, label_file: str, shards: Sequence[str] | None = None) -> list[str]:
    """The names of the images that `read_fairface` would look at, in its order. Raises like it."""
    rows = texts.read_table(folder / label_file, columns=("file",))
    with image_store.open_store(folder, shards=shards) as store:
        return _of_part(store, [store.find(row["file"]) for _, row in rows])


def _of_part(store: image_store.ImageStore, told: Iterable[str]) -> list[str]:
    """The store's images that lie where those of a label file do: `train/` and not `val/` beside it."""
    parts = {PurePosixPath(name).parent for name in told}
    return [name for name in store.names() if PurePosixPath(name).parent in parts]


def _rows_by_name(
    table: Sequence[tuple[int, Row]],
    *,
    store: image_store.ImageStore,
    classes: Mapping[str, face_set.Classes],
    path: Path,
) -> dict[str, tuple[int, Row]]:
    """The line and the row of each image, as the store calls it; a DataWarning tells of images that have several rows.

    Raises BadData where two rows contradict each other.
    """
    rows: dict[str, tuple[int, Row]] = {}
    for line, row in table:
        name = store.find(row["file"])
        first, before = rows.setdefault(name, (line, row))
        differing = [key for key, of in classes.items() if of.find(before[key]) != of.find(row[key])]
        if differing:
            words = [f"line {n}: {', '.join(of[key] for key in differing)}" for n, of in ((first, before), (line, row))]
            raise face_set.BadData(f"{path} says two things of {name}: {' and '.join(words)}")
    if len(rows) < len(table):
        message = f"{len(table) - len(rows)} rows of {path.name} repeat others"
        warnings.warn(message, DataWarning, stacklevel=2)
    return rows
