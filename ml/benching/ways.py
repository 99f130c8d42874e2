"""The two ways from photos to faces and words that `ml.bench` compares: Facet's, and the usual one."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from facenet_pytorch import MTCNN
from PIL import Image
from torchvision import models

from ml import photos
from ml.pipeline import STAGES, FacePipeline
from ml.requests import PhotoRequest

SURE = 0.9  # a face that the reference is this sure of must be found
USUAL_SIDE = 224  # pixels of torchvision's ResNet-34


@dataclass(frozen=True)
class Seen:
    """What became of a photo: milliseconds for each of STAGES, boxes (x1, y1, x2, y2) in its pixels, probabilities."""

    stages_ms: dict[str, float]
    boxes: tuple[tuple[float, ...], ...] = ()
    probabilities: tuple[float, ...] = ()
    failed: bool = False


class FacetWay:
    """Facet's pipeline at its default settings, photos in batches."""

    def __init__(self, pipeline: FacePipeline) -> None:
        self._pipeline = pipeline

    def run(self, part: Sequence[photos.PhotoSource]) -> list[Seen]:
        return [
            Seen(
                stages_ms=result.timings_ms,
                boxes=tuple(face.box for face in result.faces if face.box),
                probabilities=tuple(face.detection for face in result.faces if face.detection is not None),
                failed=bool(result.error),
            )
            for result in self._pipeline.analyze([PhotoRequest(photo, may_turn=True) for photo in part])
        ]


@dataclass
class _Clock:
    stages_ms: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        """Give the time since the last lap to a stage."""
        now = time.perf_counter()
        self.stages_ms[stage] += (now - self._last) * 1000
        self._last = now


class UsualWay:
    """facenet-pytorch's `MTCNN(keep_all=True).detect` on the decoded photo, then ResNet-34 in float32, face by face.

    The ResNet-34 has random weights: its speed is asked for, not its answers. MTCNN's answers are those of float32 on a
    GPU, too, where torch's convolutions would otherwise round to TF32 and move faces.
    """

    def __init__(self, *, device: str) -> None:
        self._device = torch.device(device)
        self._detector = MTCNN(keep_all=True, device=self._device)
        self._net = models.resnet34(weights=None).eval().to(self._device)

    def run(self, part: Sequence[photos.PhotoSource]) -> list[Seen]:
        return [self._run_one(photo) for photo in part]

    def detect(self, image: Image.Image) -> tuple[list[tuple[float, ...]], list[float]]:
        """Boxes and probabilities. Raises RuntimeError and others for photos that are too small for it."""
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            boxes, probabilities = self._detector.detect(image)
        if boxes is None:
            return [], []
        return [tuple(map(float, box)) for box in boxes], [float(value) for value in probabilities]

    @torch.inference_mode()
    def classify(self, chip: np.ndarray) -> np.ndarray:
        """One chip (224, 224, 3) uint8 to 1,000 logits."""
        x = torch.from_numpy(chip).to(self._device).permute(2, 0, 1)[None].float()
        logits: np.ndarray = self._net((x / 255 - 0.45) / 0.225)[0].cpu().numpy()
        return logits

    def _run_one(self, photo: photos.PhotoSource) -> Seen:
        clock = _Clock()
        try:
            image = photos.read_photo(photo)
            clock.lap("decode")
            boxes, probabilities = self.detect(image)
            clock.lap("detect")
        except (photos.UnreadablePhoto, RuntimeError, ValueError, IndexError):
            return Seen(clock.stages_ms, failed=True)
        for x1, y1, x2, y2 in boxes:
            whole = (round(x1), round(y1), max(round(x2), round(x1) + 1), max(round(y2), round(y1) + 1))
            chip = np.array(image.crop(whole).resize((USUAL_SIDE, USUAL_SIDE), Image.Resampling.BILINEAR))
            clock.lap("align")
            self.classify(chip)
            clock.lap("classify")
        return Seen(clock.stages_ms, tuple(boxes), tuple(probabilities))


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes (x1, y1, x2, y2)."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / both if both > 0 else 0.0


def count_differences(
    ours: Sequence[Sequence[float]], reference: Seen, *, at_least: float = 0.9
) -> tuple[int, int, int]:
    """How many faces the reference is sure of, how many of them `ours` lack, and how many of ours it does not have."""
    sure = [box for box, p in zip(reference.boxes, reference.probabilities, strict=True) if p >= SURE]
    missed = sum(all(overlap(box, mine) < at_least for mine in ours) for box in sure)
    others = sum(all(overlap(mine, box) < at_least for box in reference.boxes) for mine in ours)
    return len(sure), missed, others
