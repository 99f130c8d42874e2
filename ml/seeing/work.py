"""A photo on its way through the pipeline, and the steps that both ways through it share."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Barrier

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ml import photos
from ml.detecting.canvas import Canvas
from ml.detecting.faces import DetectedFace, Upright
from ml.detecting.turns import turn_image
from ml.model.runtime import Runtime
from ml.preprocess import Chip, Preset, whole_image
from ml.requests import AnalyzedFace, PhotoRequest, PhotoResult
from ml.seeing import quality
from ml.seeing.cut_off import lies_outside
from ml.seeing.nobody import explain_nobody

STAGES = ("decode", "detect", "align", "classify")

logger = logging.getLogger(__name__)


@dataclass
class Work:
    """One request; for each of `spots` `cut` (N, S, S, 3) uint8 holds a chip, `marks` sharpness and brightness, `bars`
    whether a bar covers a part of it.

    `image` is the photo that was read, on its way to a GPU `pixels` (H, W, 3) uint8.
    """

    request: PhotoRequest
    image: Image.Image | None = None
    pixels: Tensor | None = None
    width: int = 0
    height: int = 0
    spots: list[tuple[DetectedFace | None, Chip]] = field(default_factory=list)
    cut: np.ndarray | Tensor | None = None
    marks: list[tuple[float, float]] = field(default_factory=list)
    bars: list[bool] = field(default_factory=list)
    vectors: list[dict[str, tuple[float, ...]]] = field(default_factory=list)
    timings_ms: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    is_aligned: bool = False  # a ready chip, shown as the network wants it
    error: str = ""
    reason: str = ""
    narrowest_face_px: int | None = None
    turned: int = 0
    no_face_because: str = ""

    def read(self) -> None:
        """Decode the photo, or say that it cannot be."""
        began = time.perf_counter()
        try:
            self.image = photos.read_photo(self.request.image)
            self.width, self.height = self.image.size
        except photos.UnreadablePhoto as error:
            self.refuse(error)
        self.timings_ms["decode"] = ms_since(began)

    def refuse(self, unreadable: photos.UnreadablePhoto) -> None:
        self.error, self.reason = "unreadable", unreadable.reason

    def release(self) -> None:
        self.image = self.pixels = None

    def take_given_spots(self) -> bool:
        """Fill the spots of a ready chip, or those that were asked for; False where faces are to be searched for."""
        if self.is_aligned:
            self.spots = [(None, whole_image(self.width, self.height))]
        elif self.request.chips is not None:
            self.spots = [(None, chip) for chip in self.request.chips]
        else:
            return False
        return True

    def take_faces(self, found: Upright, *, canvas: Canvas, detect_ms: float) -> None:
        """The faces of a photo that was searched at the size of `canvas`; what is held of it is turned as they say."""
        self.spots = [(face, face.chip) for face in found.faces]
        self.turned = found.turned
        if self.turned in (90, 270):
            self.width, self.height = self.height, self.width
        if self.image is not None:
            self.image = turn_image(self.image, degrees=self.turned)
        self.narrowest_face_px = math.ceil(round(canvas.narrowest_face, 2))
        self.timings_ms["detect"] = detect_ms
        photo = self.image if self.image is not None else self.pixels
        if not found.faces and photo is not None:
            self.no_face_because = explain_nobody(photo, found=found, narrowest_px=canvas.narrowest_face)

    def widen(self, preset: Preset) -> list[Chip]:
        """What the network wants to see of each spot."""
        return [chip if self.is_aligned else preset.widen(chip) for _, chip in self.spots]

    def result(self) -> PhotoResult:
        faces = tuple(
            AnalyzedFace(
                box=face.box if face else None,
                detection=face.probability if face else None,
                chip=chip,
                size_px=face.box[2] - face.box[0] if face else chip.side / quality.CHIP_PER_BOX,
                sharpness=sharpness,
                brightness=brightness,
                probabilities=vectors,
                cut_off=has_bar or (face is not None and self._reaches_out(face)),
            )
            for (face, chip), (sharpness, brightness), has_bar, vectors in zip(
                self.spots, self.marks, self.bars, self.vectors, strict=True
            )
        )
        return PhotoResult(
            self.width,
            self.height,
            faces,
            self.timings_ms,
            self.error,
            self.reason,
            self.narrowest_face_px,
            self.turned,
            self.no_face_because,
        )

    def _reaches_out(self, face: DetectedFace) -> bool:
        return lies_outside(face.box, face.chip, width=self.width, height=self.height)


def start_workers(count: int) -> ThreadPoolExecutor:
    """Threads in which torch computes on one core each; other threads keep the number that they have."""
    before = torch.get_num_threads()
    started = Barrier(count)
    pool = ThreadPoolExecutor(
        max_workers=count, thread_name_prefix="photos", initializer=torch.set_num_threads, initargs=(1,)
    )
    list(pool.map(lambda _: started.wait(), range(count)))
    torch.set_num_threads(before)  # what a thread sets is also what later threads begin with
    return pool


def classify(work: Sequence[Work], *, runtime: Runtime) -> None:
    """Classify all faces together, in one batch for each set of attributes; a photo that breaks one fails alone.

    Raises what the runtime raises where it answers for none of several photos: then it is no photo's fault.
    """
    sets: dict[frozenset[str], list[Work]] = {}
    for item in work:
        if item.spots:
            sets.setdefault(item.request.attributes, []).append(item)
    for attributes, items in sets.items():
        step = partial(_classify_together, runtime=runtime, attributes=attributes)
        try_together(step, items, may_fail_all=False)


def _classify_together(items: list[Work], *, runtime: Runtime, attributes: frozenset[str]) -> None:
    began = time.perf_counter()
    chips = _join([item.cut for item in items if item.cut is not None])
    found = runtime.probabilities(chips, attributes=attributes)
    names, columns = list(found), [values.tolist() for values in found.values()]
    share = ms_since(began) / len(chips)
    rows = iter(zip(*columns, strict=True)) if columns else iter([()] * len(chips))
    for item in items:
        item.timings_ms["classify"] = share * len(item.spots)
        item.vectors = [
            {name: tuple(vector) for name, vector in zip(names, next(rows), strict=True)} for _ in item.spots
        ]


def try_together(step: Callable[[list[Work]], None], items: list[Work], *, may_fail_all: bool = True) -> None:
    """Take a step for several photos at once; when it breaks, for each alone, so that a bad photo fails alone.

    Unless it `may_fail_all`, what broke it is raised where it breaks for each of several.
    """
    if not items:
        return
    try:
        step(items)
    except Exception:  # a photo can break a step in any way; it shall fail alone
        if len(items) > 1:
            logger.exception("a batch failed; its photos are tried one by one")
            for item in items:
                try_together(step, [item])
            if not may_fail_all and all(item.error for item in items):
                raise
        else:
            logger.exception("a photo failed")
            items[0].spots, items[0].cut, items[0].marks, items[0].bars = [], None, [], []
            items[0].error = "internal"


def ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def _join(parts: list[np.ndarray | Tensor]) -> np.ndarray | Tensor:
    """Chips, all arrays or all tensors, one after the other."""
    tensors = [part for part in parts if isinstance(part, Tensor)]
    return torch.cat(tensors) if tensors else np.concatenate(parts)
