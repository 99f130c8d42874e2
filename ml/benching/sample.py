"""The photos that `ml.bench` runs on: a folder's, or photos made around scikit-image's astronaut."""

import io
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ml import photos

GENERATED = 24
JPEG_QUALITY = 92  # what the site stores
_SIZES = ((640, 480), (1024, 768), (1280, 960), (900, 1200), (1600, 1200), (2048, 1536))


class NoPhotos(ValueError):
    """There is nothing to measure on."""


def gather_photos(
    folder: Path | None, *, count: int | None = None, longest: int | None = None
) -> list[photos.PhotoSource]:
    """Files, or the bytes of JPEGs: those of the folder, generated ones without.

    `longest` scales each photo so that its longer side has so many pixels; `count` takes the first so many, going
    round again when there are fewer. Raises NoPhotos.
    """
    found: Sequence[photos.PhotoSource] = _generate() if folder is None else _in_folder(folder)
    if not found:
        raise NoPhotos(f"no photos in {folder}")
    chosen = list(itertools.islice(itertools.cycle(found), count or len(found)))
    if longest is None:
        return chosen
    scaled = {id(photo): _scale(photo, longest=longest) for photo in chosen[: len(found)]}
    return [scaled[id(photo)] for photo in chosen]


def _in_folder(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise NoPhotos(f"{folder} is not a folder")
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in photos.SUFFIXES and path.is_file())


def _scale(photo: photos.PhotoSource, *, longest: int) -> photos.PhotoSource:
    try:
        image = photos.read_photo(photo)
    except photos.UnreadablePhoto:
        return photo
    scale = longest / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return _as_jpeg(image.resize(size, Image.Resampling.BICUBIC))


def _generate() -> list[bytes]:
    """Photos of several sizes with one to four astronauts, each its own size, on a smooth ground; always the same."""
    try:
        import skimage.data  # optional: whoever measures without photos of their own has it
    except ImportError as error:
        raise NoPhotos("name a folder of photos, or install scikit-image for generated ones") from error
    astronaut, rng = Image.fromarray(skimage.data.astronaut()), np.random.default_rng(5)
    made = []
    for number in range(GENERATED):
        width, height = _SIZES[number % len(_SIZES)]
        ground = Image.fromarray(rng.integers(40, 200, (5, 5, 3), dtype=np.uint8))
        photo = ground.resize((width, height), Image.Resampling.BICUBIC)
        people = 1 + number % 4
        for person in range(people):
            side = int(min(width / people, height) * rng.uniform(0.6, 0.95))
            photo.paste(astronaut.resize((side, side)), (person * width // people, int(rng.integers(0, height - side))))
        made.append(_as_jpeg(photo))
    return made


def _as_jpeg(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=JPEG_QUALITY)
    return content.getvalue()
