"""The photos that `ml.bench` runs on: a folder's, or photos made around scikit-image's astronaut."""

import io
import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ml import photos

GENERATED = 24
JPEG_QUALITY = 92  # what the site stores
_HEAD = (150, 20, 300, 220)  # of the astronaut, in pixels
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


def gather_faces(folder: Path | None) -> Sequence[photos.PhotoSource]:
    """The photos of a folder, or one of the astronaut, to cut faces out of. Raises NoPhotos."""
    if folder is None:
        return [_astronaut()]
    found = _in_folder(folder)
    if not found:
        raise NoPhotos(f"no photos in {folder}")
    return found


def make_crowd(people: int, *, megapixels: float) -> bytes:
    """A JPEG of 4:3 with so many heads of the same astronaut, in rows that fill it. Raises NoPhotos."""
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    height = round(width * 3 / 4)
    columns = math.ceil(people**0.5)
    lines = math.ceil(people / columns)
    head = _astronaut().crop(_HEAD)
    scale = 0.9 * min(width / columns / head.width, height / lines / head.height)
    head = head.resize((max(1, int(head.width * scale)), max(1, int(head.height * scale))), Image.Resampling.BICUBIC)
    photo = make_ground(np.random.default_rng(people), size=(width, height))
    for number in range(people):
        photo.paste(head, (number % columns * width // columns, number // columns * height // lines))
    return _as_jpeg(photo)


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
    astronaut, rng = _astronaut(), np.random.default_rng(5)
    made = []
    for number in range(GENERATED):
        width, height = _SIZES[number % len(_SIZES)]
        photo = make_ground(rng, size=(width, height))
        people = 1 + number % 4
        for person in range(people):
            side = int(min(width / people, height) * rng.uniform(0.6, 0.95))
            photo.paste(astronaut.resize((side, side)), (person * width // people, int(rng.integers(0, height - side))))
        made.append(_as_jpeg(photo))
    return made


def _astronaut() -> Image.Image:
    try:
        import skimage.data  # optional: whoever measures without photos of their own has it
    except ImportError as error:
        raise NoPhotos("name a folder of photos, or install scikit-image for generated ones") from error
    return Image.fromarray(skimage.data.astronaut())


def make_ground(rng: np.random.Generator, *, size: tuple[int, int]) -> Image.Image:
    """Smooth colours to put people on."""
    colours = Image.fromarray(rng.integers(40, 200, (5, 5, 3), dtype=np.uint8))
    return colours.resize(size, Image.Resampling.BICUBIC)


def _as_jpeg(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=JPEG_QUALITY)
    return content.getvalue()
