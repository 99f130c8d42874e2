"""FaceDetector: the MTCNN cascade (Zhang et al. 2016) over facenet-pytorch's weights, for photos of any size."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ml import mtcnn
from ml.areas import AreaTable
from ml.cascade import CELL, STRIDE, Cascade
from ml.preprocess import Chip
from ml.pyramid import Pyramid, shrink_pixels

DETECTOR_VERSION = "mtcnn-2"

# Where MTCNN's five landmarks lie in FairFace's chips, as fractions of the side: the median over 387 training images.
CHIP_LANDMARKS = np.array([[0.308, 0.250], [0.677, 0.252], [0.493, 0.490], [0.324, 0.679], [0.655, 0.680]])


@dataclass(frozen=True)
class Settings:
    """What the cascade looks for. `min_face` is in pixels of the photo, the other sizes likewise.

    Photos are shrunk to `working_side` first (0: never); `working_min_face` bounds how small faces may then become.
    Photos with a longer side under `border_below` get a grey border, since a head that fills the frame is missed.
    `exact` averages over areas to the last digit, as facenet-pytorch does, instead of the fastest way to shrink.
    """

    min_face: float = 40.0
    working_side: int = 1280
    working_min_face: float = 20.0
    factor: float = 0.709
    thresholds: tuple[float, float, float] = (0.8, 0.6, 0.9)
    border_below: int = 300
    exact: bool = False


# facenet-pytorch's own defaults, to compare with.
REFERENCE = Settings(min_face=20.0, working_side=0, thresholds=(0.6, 0.7, 0.7), border_below=0, exact=True)


@dataclass(frozen=True)
class DetectedFace:
    """A face: box in pixels of the photo (it may reach over the edge), detection probability, aligned chip."""

    box: tuple[float, float, float, float]
    probability: float
    chip: Chip


@dataclass(frozen=True)
class _Canvas:
    """A photo at working size, and the way back: photo = canvas * stretch - offset."""

    pixels: AreaTable | Pyramid
    stretch: tuple[float, float]
    offset: float
    min_face: float


class FaceDetector:
    """Finds faces in photos; made once, used for many, safe to share between threads."""

    def __init__(
        self, settings: Settings = Settings(), *, device: str | torch.device = "cpu", precision: str | None = None
    ) -> None:
        """`precision` as `Cascade` takes it; settings that are exact compute in float32 whatever is asked."""
        self.settings, self.device = settings, torch.device(device)
        self._cascade = Cascade(device=self.device, precision="float32" if settings.exact else precision)

    @torch.inference_mode()
    def detect(self, photos: Sequence[np.ndarray | Image.Image]) -> list[list[DetectedFace]]:
        """The faces of each photo, largest first; always one list a photo, empty where there is nobody.

        Photos are RGB, or uint8 arrays (H, W), (H, W, 3) or (H, W, 4), each of its own size.
        """
        canvases = [self._prepare(_as_rgb(photo)) for photo in photos]
        boxes, owners = self._propose(canvases)
        boxes, owners = self._refine(canvases, boxes, owners)
        boxes, points, owners = self._decide(canvases, boxes, owners)
        found: list[list[DetectedFace]] = [[] for _ in canvases]
        for box, five, owner in zip(boxes.tolist(), points.double().cpu().numpy(), owners.tolist(), strict=True):
            found[owner].append(_to_photo(box, five, canvas=canvases[owner]))
        return [sorted(faces, key=_area, reverse=True) for faces in found]

    def _prepare(self, image: Image.Image) -> _Canvas:
        settings, longest = self.settings, max(image.size)
        shrink = min(1.0, settings.working_side / longest) if settings.working_side else 1.0
        size = (max(1, round(image.width * shrink)), max(1, round(image.height * shrink)))
        stretch = (image.width / size[0], image.height / size[1])
        border = math.ceil(longest / 3) if longest < settings.border_below else 0
        min_face = max(settings.min_face * shrink, min(settings.working_min_face, settings.min_face))
        if shrink <= 0.5:
            image = image.reduce(int(1 / shrink))  # of a large photo the cheapest first step, by whole numbers
        pixels = np.array(image)  # a copy, which torch may hold
        if shrink < 1.0:
            pixels = shrink_pixels(pixels, height=size[1], width=size[0])
        # A GPU gathers from a summed-area table in no time; a CPU spends more on making one than on all that follows.
        by_area = settings.exact or self.device.type != "cpu"
        views = AreaTable(pixels, border=border, device=self.device) if by_area else Pyramid(pixels, border=border)
        return _Canvas(views, stretch, float(border), min_face)

    def _propose(self, canvases: list[_Canvas]) -> tuple[Tensor, Tensor]:
        """P-Net over each level of each photo's pyramid: boxes (N, 5) with scores, and whose they are (N,)."""
        alike: dict[tuple[int, int, float], list[int]] = {}  # photos of one size share P-Net's batches
        for owner, canvas in enumerate(canvases):
            alike.setdefault((canvas.pixels.height, canvas.pixels.width, canvas.min_face), []).append(owner)
        rows: list[Tensor] = []
        owners: list[Tensor] = []
        levels: list[Tensor] = []
        threshold = self.settings.thresholds[0]
        for (height, width, min_face), members in alike.items():
            scale = CELL / min_face
            while min(height, width) * scale >= CELL:
                size = {"height": int(height * scale + 1), "width": int(width * scale + 1)}
                at_once = self._cascade.photos_at_once(**size)
                for start in range(0, len(members), at_once):
                    part = members[start : start + at_once]
                    level = torch.cat([canvases[owner].pixels.resize(**size) for owner in part])
                    places, scores, shifts = self._cascade.propose(level, threshold=threshold)
                    rows.append(_cells_to_boxes(places, scores, shifts, scale=scale))
                    owners.append(torch.tensor(part, device=self.device)[places[:, 0]])
                    levels.append(owners[-1] + len(levels) * len(canvases))  # one number for each photo and level
                scale *= self.settings.factor
        if not rows:
            return torch.zeros(0, 5, device=self.device), torch.zeros(0, dtype=torch.long, device=self.device)
        boxes, owner_of = torch.cat(rows), torch.cat(owners)
        keep = mtcnn.suppress(boxes[:, :4], boxes[:, 4], torch.cat(levels), threshold=0.5)
        boxes, owner_of = boxes[keep], owner_of[keep]
        keep = mtcnn.suppress(boxes[:, :4], boxes[:, 4], owner_of, threshold=0.7)
        boxes, owner_of = boxes[keep], owner_of[keep]
        sides = (boxes[:, 2:4] - boxes[:, :2]).repeat(1, 2)
        return _square(torch.cat([boxes[:, :4] + boxes[:, 5:9] * sides, boxes[:, 4:5]], dim=1)), owner_of

    def _refine(self, canvases: list[_Canvas], boxes: Tensor, owners: Tensor) -> tuple[Tensor, Tensor]:
        """R-Net looks at each proposal in 24 pixels: fewer and better boxes."""
        crops, boxes, owners = _cut(canvases, boxes, owners, size=24)
        if not len(boxes):
            return boxes, owners
        shifts, scores = self._cascade.refine(crops)
        passed = scores > self.settings.thresholds[1]
        boxes = torch.cat([boxes[passed, :4], scores[passed, None]], dim=1)
        owners, shifts = owners[passed], shifts[passed]
        keep = mtcnn.suppress(boxes[:, :4], boxes[:, 4], owners, threshold=0.7)
        return _square(_shift(boxes[keep], shifts[keep])), owners[keep]

    def _decide(self, canvases: list[_Canvas], boxes: Tensor, owners: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """O-Net looks at each in 48 pixels: final boxes (N, 5), landmarks (N, 5, 2), owners (N,)."""
        crops, boxes, owners = _cut(canvases, boxes, owners, size=48)
        if not len(boxes):
            return boxes, boxes.new_zeros(0, 5, 2), owners
        shifts, landmarks, scores = self._cascade.decide(crops)
        passed = scores > self.settings.thresholds[2]
        boxes = torch.cat([boxes[passed, :4], scores[passed, None]], dim=1)
        owners, shifts, landmarks = owners[passed], shifts[passed], landmarks[passed]
        sides = boxes[:, 2:4] - boxes[:, :2] + 1
        # Five x, then five y, as fractions of the square that O-Net saw.
        points = landmarks.view(-1, 2, 5).transpose(1, 2) * sides[:, None] + boxes[:, None, :2] - 1
        boxes = _shift(boxes, shifts)
        keep = _suppress_nested(boxes, owners, threshold=0.7)
        return boxes[keep], points[keep], owners[keep]


def chip_from_landmarks(points: np.ndarray) -> Chip:
    """The chip in which five landmarks (5, 2) lie as in FairFace's: the least-squares similarity, in complex form."""
    there = CHIP_LANDMARKS[:, 0] + 1j * CHIP_LANDMARKS[:, 1]
    here = points[:, 0] + 1j * points[:, 1]
    centred = there - there.mean()
    turn = np.sum(np.conj(centred) * (here - here.mean())) / np.sum(np.abs(centred) ** 2)
    centre = turn * (0.5 + 0.5j - there.mean()) + here.mean()
    return Chip(float(centre.real), float(centre.imag), float(abs(turn)), float(np.degrees(np.angle(turn))))


def _as_rgb(photo: np.ndarray | Image.Image) -> Image.Image:
    if not isinstance(photo, Image.Image):
        photo = Image.fromarray(
            np.ascontiguousarray(photo[:, :, 0] if photo.ndim == 3 and photo.shape[2] == 1 else photo)
        )
    return photo if photo.mode == "RGB" else photo.convert("RGB")


def _cells_to_boxes(places: Tensor, scores: Tensor, shifts: Tensor, *, scale: float) -> Tensor:
    """P-Net's cells (N, 3) as photo, row, column in rows (N, 9): x1, y1, x2, y2, score, four shifts."""
    corner = places[:, [2, 1]].float() * STRIDE
    low, high = ((corner + 1) / scale).floor(), ((corner + CELL) / scale).floor()
    return torch.cat([low, high, scores[:, None], shifts], dim=1)


def _cut(canvases: list[_Canvas], boxes: Tensor, owners: Tensor, *, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Crops (N, 3, size, size) of the boxes that have any pixel inside their photo, and those boxes and owners."""
    order = torch.argsort(owners, stable=True)
    boxes, owners = boxes[order], owners[order]
    counts = torch.bincount(owners, minlength=len(canvases)).tolist()
    crops, kept = [], []
    for canvas, mine in zip(canvases, boxes[:, :4].split(counts), strict=True):
        # The networks were trained on corners counted from 1, both inclusive.
        corners = mine.trunc().long()
        limits = corners.new_tensor([canvas.pixels.width, canvas.pixels.height])
        low, high = corners[:, :2].clamp(min=1) - 1, torch.minimum(corners[:, 2:], limits)
        inside = (high > low).all(dim=1)
        crops.append(canvas.pixels.crops(low[inside], high[inside], size=size))
        kept.append(inside)
    if not canvases:
        return boxes.new_zeros(0, 3, size, size), boxes, owners
    keep = torch.cat(kept)
    return torch.cat(crops), boxes[keep], owners[keep]


def _shift(boxes: Tensor, shifts: Tensor) -> Tensor:
    sides = (boxes[:, 2:4] - boxes[:, :2] + 1).repeat(1, 2)
    return torch.cat([boxes[:, :4] + shifts * sides, boxes[:, 4:]], dim=1)


def _square(boxes: Tensor) -> Tensor:
    """Widen boxes to squares around the same centre."""
    sides = boxes[:, 2:4] - boxes[:, :2]
    longest = sides.max(dim=1, keepdim=True).values
    low = boxes[:, :2] + sides * 0.5 - longest * 0.5
    return torch.cat([low, low + longest, boxes[:, 4:]], dim=1)


def _suppress_nested(boxes: Tensor, owners: Tensor, *, threshold: float) -> Tensor:
    """Keep the best of boxes that cover more than `threshold` of the smaller one, photo by photo."""
    rows, owner_of = boxes.double().cpu().numpy(), owners.cpu().numpy()
    sides = rows[:, 2:4] - rows[:, :2] + 1
    areas = sides[:, 0] * sides[:, 1]
    kept: list[int] = []
    for index in np.argsort(-rows[:, 4], kind="stable"):
        others = np.array([k for k in kept if owner_of[k] == owner_of[index]], dtype=int)
        low, high = np.maximum(rows[others, :2], rows[index, :2]), np.minimum(rows[others, 2:4], rows[index, 2:4])
        shared = np.prod(np.maximum(0.0, high - low + 1), axis=1)
        if not np.any(shared > threshold * np.minimum(areas[others], areas[index])):
            kept.append(int(index))
    return torch.tensor(kept, dtype=torch.long, device=boxes.device)


def _to_photo(box: list[float], points: np.ndarray, *, canvas: _Canvas) -> DetectedFace:
    stretch, offset = np.array(canvas.stretch), canvas.offset
    corners = (np.array(box[:4]).reshape(2, 2) - offset) * stretch
    x1, y1, x2, y2 = corners.ravel().tolist()
    return DetectedFace((x1, y1, x2, y2), float(box[4]), chip_from_landmarks((points - offset) * stretch))


def _area(face: DetectedFace) -> float:
    x1, y1, x2, y2 = face.box
    return (x2 - x1) * (y2 - y1)
