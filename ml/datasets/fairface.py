"""FairFace: zips of ready chips, or the unpacked folder, with its label file (file, age, gender, race).

A label file in its manner may have further columns, called as attributes that FairFace does not label.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ml.attributes import FROM_THE_FIRST
from ml.datasets import face_set, image_store, labelled_images, texts

SIDE = 224  # pixels of its ready chips
TRAIN_CSV, VAL_CSV = "fairface_label_train.csv", "fairface_label_val.csv"


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
    Raises MissingFiles, UnknownLabels, and BadData for a bad label file.
    """
    table = texts.read_table(folder / label_file, columns=("file", *FROM_THE_FIRST))
    rows = {row["file"]: row for row in table}
    classes = {name: of for name, of in face_set.fine_classes().items() if any(name in row for row in table)}
    parts = {PurePosixPath(name).parent for name in rows}
    unknown = labelled_images.Unknown()
    examples = []
    with image_store.open_store(folder, shards=shards) as store:
        names = [name for name in store.names() if PurePosixPath(name).parent in parts]
        if shards is None:
            missing = sorted(set(rows) - set(names))
            if missing:
                raise face_set.MissingFiles(f"{len(missing)} of {len(rows)} images are not there", names=missing)
        for name in names[:limit]:
            row = rows.get(name, {})
            told = {name: row.get(name, "") for name in classes if row.get(name) or name in FROM_THE_FIRST}
            found = {name: classes[name].find(word) for name, word in told.items()}
            known = {name: position for name, position in found.items() if position is not None}
            if len(known) < len(found):
                unknown.names.append(name)
            else:
                examples.append(labelled_images.Example(name, known))
        left_out = {"unknown label": unknown.tell(skip=skip_unknown)}
        return labelled_images.read_faces(store, examples, classes=classes, size=size, left_out=left_out)
