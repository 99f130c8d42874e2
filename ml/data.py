"""FairFace as arrays: every image decoded once into one uint8 array, labels as positions in `ml.labels`."""

import csv
import io
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from ml import labels, preprocess

FAIRFACE_SIDE = 224  # pixels of its ready chips
TRAIN_CSV, VAL_CSV = "fairface_label_train.csv", "fairface_label_val.csv"


@dataclass(frozen=True)
class FaceSet:
    """Chips (N, S, S, 3) uint8 RGB, one array (N,) of label positions per attribute, and the files' names."""

    images: np.ndarray
    targets: dict[str, np.ndarray]
    files: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.files)

    def slice(self, start: int, stop: int | None = None) -> "FaceSet":
        """A part of the set, sharing its memory."""
        part = slice(start, stop)
        return FaceSet(self.images[part], {name: t[part] for name, t in self.targets.items()}, self.files[part])


def read_fairface(
    folder: Path, *, shards: Sequence[str], label_file: str, size: int, limit: int | None = None
) -> FaceSet:
    """Read zips of ready chips in FairFace's layout; the label file's `file` column names the members.

    Images come in the order of the shards and of the members in them. `limit` stops after so many.
    Raises FileNotFoundError for a missing file and KeyError for an image or a label that is not known.
    """
    with open(folder / label_file, newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    members = [(shard, name) for shard in shards for name in _image_names(folder / shard)][:limit]
    targets = {
        attribute: np.array([names.index(rows[file][attribute]) for _, file in members], dtype=np.int64)
        for attribute, names in labels.ATTRIBUTES.items()
    }
    images = np.empty((len(members), size, size, 3), dtype=np.uint8)
    archives = {shard: zipfile.ZipFile(folder / shard) for shard in shards}

    def decode(index: int) -> None:
        shard, name = members[index]
        with Image.open(io.BytesIO(archives[shard].read(name)), formats=("JPEG", "PNG", "WEBP")) as opened:
            image = opened.convert("RGB")
        images[index] = np.asarray(preprocess.cut_chip(image, preprocess.whole_image(image), size=size))

    with ThreadPoolExecutor(max_workers=2) as pool:
        for _ in tqdm(
            pool.map(decode, range(len(members))), total=len(members), desc="decode", unit="img", disable=None
        ):
            pass
    for archive in archives.values():
        archive.close()
    return FaceSet(images, targets, tuple(name for _, name in members))


def _image_names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as opened:
        return [name for name in opened.namelist() if not name.endswith("/")]
