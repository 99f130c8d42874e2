"""Faces of a known width laid on photos of a known size, to count how many of them are found."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ml.benching.sample import make_ground
from ml.benching.ways import overlap
from ml.detecting.detector import REFERENCE, FaceDetector
from ml.detecting.faces import DetectedFace

# How much lies around a face when it is cut out, as a share of its box on each side: hair, ears and chin.
_SURROUNDINGS = 0.5
_LEAST_SOURCE_PX = 70  # narrower faces would be blurred when they are enlarged
_SURE = 0.99
# A box of 20 pixels that lies two pixels aside still overlaps by so much.
_MATCH = 0.4


@dataclass(frozen=True)
class CutFace:
    """A face with its surroundings, and where its box (x1, y1, x2, y2) lies in that picture."""

    image: Image.Image
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Found:
    """Of so many faces `placed` so many were `found`; `twice` are further boxes on them, `others` boxes elsewhere."""

    placed: int
    found: int
    twice: int
    others: int


def cut_faces(photos: Sequence[Image.Image]) -> list[CutFace]:
    """The sure faces of RGB photos that are wide enough to be shrunk, with what lies around them."""
    detector, cut = FaceDetector(REFERENCE), []
    for photo in photos:
        for face in detector.detect([photo])[0]:
            x1, y1, x2, y2 = face.box
            if x2 - x1 < _LEAST_SOURCE_PX or face.probability < _SURE:
                continue
            across, down = _SURROUNDINGS * (x2 - x1), _SURROUNDINGS * (y2 - y1)
            left, top = max(0, round(x1 - across)), max(0, round(y1 - down))
            part = (left, top, min(photo.width, round(x2 + across)), min(photo.height, round(y2 + down)))
            cut.append(CutFace(photo.crop(part), (x1 - left, y1 - top, x2 - left, y2 - top)))
    return cut


def place_faces(
    faces: Sequence[CutFace], *, size: tuple[int, int], width_px: int, count: int, seed: int = 1
) -> tuple[Image.Image, list[tuple[float, ...]]]:
    """A photo of `size` with up to `count` faces whose boxes are `width_px` wide, each anywhere in a field of its own.

    Also the boxes. There are fewer faces where the photo has no room for all.
    """
    rng = np.random.default_rng(seed)
    photo = make_ground(rng, size=size)
    boxes: list[tuple[float, ...]] = []
    chosen = [faces[number % len(faces)] for number in range(count)]
    small = [_shrink(face, width_px=width_px, is_mirrored=bool(rng.integers(2))) for face in chosen]
    needed = max(face.image.width for face in small), max(face.image.height for face in small)
    fields = _share_out(size, needed=needed, count=count, rng=rng)
    for face, (left, top, right, below) in zip(small, fields, strict=False):
        x = int(rng.integers(left, right - face.image.width + 1))
        y = int(rng.integers(top, below - face.image.height + 1))
        photo.paste(face.image, (x, y))
        x1, y1, x2, y2 = face.box
        boxes.append((x1 + x, y1 + y, x2 + x, y2 + y))
    return photo, boxes


def count_found(boxes: Sequence[Sequence[float]], faces: Sequence[DetectedFace]) -> Found:
    """How many of the placed boxes were found."""
    hits = [sum(overlap(box, face.box) >= _MATCH for face in faces) for box in boxes]
    others = sum(all(overlap(box, face.box) < _MATCH for box in boxes) for face in faces)
    return Found(len(boxes), sum(hit > 0 for hit in hits), sum(max(0, hit - 1) for hit in hits), others)


def _shrink(face: CutFace, *, width_px: int, is_mirrored: bool) -> CutFace:
    scale = width_px / (face.box[2] - face.box[0])
    size = max(1, round(face.image.width * scale)), max(1, round(face.image.height * scale))
    image = face.image.resize(size, Image.Resampling.LANCZOS)
    x1, y1, x2, y2 = (side * scale for side in face.box)
    if is_mirrored:
        return CutFace(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (image.width - x2, y1, image.width - x1, y2))
    return CutFace(image, (x1, y1, x2, y2))


def _share_out(
    size: tuple[int, int], *, needed: tuple[int, int], count: int, rng: np.random.Generator
) -> Iterator[tuple[int, int, int, int]]:
    """So many fields (x1, y1, x2, y2) of a photo as it has room for, each with room for one face, in any order."""
    columns, rows = (side // need for side, need in zip(size, needed, strict=True))
    for field in rng.permutation(columns * rows)[:count].tolist():
        column, row = field % columns, field // columns
        yield (
            column * size[0] // columns,
            row * size[1] // rows,
            (column + 1) * size[0] // columns,
            (row + 1) * size[1] // rows,
        )
