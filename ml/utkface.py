"""UTKFace as a foreign test: faces whose file names tell age, gender and race; research use only, never trained on."""

import io
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from tqdm import tqdm

from ml import labels

TAXONOMY = "utkface-5"


@dataclass(frozen=True)
class UtkFaces:
    """Images (N, S, S, 3) uint8 as they are; race as a position in utkface-5, gender in GENDER, age in years: (N,)."""

    images: np.ndarray
    race: np.ndarray
    gender: np.ndarray
    age_years: np.ndarray

    def __len__(self) -> int:
        return len(self.race)


def age_bin(years: int) -> int:
    """The position in AGE of a whole number of years."""
    return max(i for i, edge in enumerate(labels.AGE_EDGES[:-1]) if years >= edge)


def parse_name(name: str) -> tuple[int, int, int] | None:
    """(years, gender, race) from [age]_[gender]_[race]_[date].chip.ext; None where a part is missing, as in a few."""
    parts = PurePosixPath(name).name.split("_")
    if len(parts) < 4 or not all(part.isdigit() for part in parts[:3]):
        return None
    years, gender, race = (int(part) for part in parts[:3])
    return (years, gender, race) if gender < 2 and race < 5 else None


def read_utkface(folder: Path, *, shards: Sequence[str], size: int, limit: int | None = None) -> UtkFaces:
    """Read the zips' images whose names tell all three labels, brought to (size, size)."""
    archives = [zipfile.ZipFile(folder / shard) for shard in shards]
    members = [(archive, name, parse_name(name)) for archive in archives for name in archive.namelist()]
    usable = [(archive, name, told) for archive, name, told in members if told is not None][:limit]

    def decode(member: tuple[zipfile.ZipFile, str, tuple[int, int, int]]) -> np.ndarray:
        archive, name, _ = member
        with Image.open(io.BytesIO(archive.read(name)), formats=("JPEG", "PNG", "WEBP")) as opened:
            return np.asarray(opened.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))

    with ThreadPoolExecutor(max_workers=2) as pool:
        images = np.stack(list(tqdm(pool.map(decode, usable), total=len(usable), desc="decode", disable=None)))
    for archive in archives:
        archive.close()
    told = np.array([told for _, _, told in usable], dtype=np.int64)
    return UtkFaces(images, race=told[:, 2], gender=told[:, 1], age_years=told[:, 0])
