"""A stand-in for the model: one face in every photo but in black ones, told from the picture alone, in no time."""

import io
import os
import signal
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from ml import labels
from ml.model.card import CheckpointError, ModelCard
from ml.model.heat_map import METHODS, Explanation
from ml.requests import AnalyzedFace, Chip, PhotoRequest, PhotoResult

CARD = ModelCard(
    name="facet-fake",
    arch="none",
    labels=labels.ATTRIBUTES,
    thresholds={"race": dict.fromkeys(labels.TAXONOMIES, 0.5), "gender": {"gender": 0.7}, "age": {"age": 0.4}},
    licence="test",
    sha256="f" * 64,
)

NARROWEST_PX = {"fine": 20, "normal": 27, "fast": 124}


class FakePipeline:
    """Has the interface of `ml.pipeline.FacePipeline`; `seconds_per_photo` stands for the work."""

    card = CARD
    device = "cpu"
    detector_version = "fake-1"
    seconds_per_photo = 0.005

    @classmethod
    def load(
        cls, model_dir: Any = None, *, device: Any = None, threads: Any = None, runtime: Any = None
    ) -> "FakePipeline":
        return cls()

    def analyze(self, requests: Sequence[PhotoRequest]) -> list[PhotoResult]:
        return [self._analyze_one(request) for request in requests]

    def _analyze_one(self, request: PhotoRequest) -> PhotoResult:
        time.sleep(self.seconds_per_photo)
        with Image.open(io.BytesIO(request.image)) as image:
            pixels = np.asarray(image.convert("RGB").resize((8, 8)))
            width, height = image.size
        chips = request.chips
        if chips is None:
            chips = () if pixels.max() < 8 else (Chip(width / 2, height / 2, min(width, height) / 2, 0.0),)
        faces = tuple(self._face(chip, pixels, request) for chip in chips)
        narrowest = NARROWEST_PX[request.detail] if request.chips is None else None
        timings_ms = {"decode": 1.0, "detect": 2.0, "classify": 1.0}
        return PhotoResult(width, height, faces, timings_ms, narrowest_face_px=narrowest)

    def _face(self, chip: Chip, pixels: np.ndarray, request: PhotoRequest) -> AnalyzedFace:
        detected = request.chips is None
        half = chip.side / 2
        box = (chip.cx - half, chip.cy - half, chip.cx + half, chip.cy + half) if detected else None
        rng = np.random.default_rng(int(pixels.sum()))
        vectors = {
            name: tuple(float(p) for p in rng.dirichlet(np.full(len(names), 0.3)))
            for name, names in labels.ATTRIBUTES.items()
            if name in request.attributes
        }
        return AnalyzedFace(box, 0.99 if detected else None, chip, chip.side, 100.0, 0.5, vectors)

    def explain(
        self, image: bytes, *, chip: Chip, attribute: str, label: str, methods: Sequence[str] = METHODS
    ) -> tuple[Explanation, ...]:
        """One warm half, one cold."""
        time.sleep(self.seconds_per_photo)
        values = np.ones((32, 32), np.float32)
        values[:, 16:] = -1
        return tuple(
            Explanation(method, attribute, label, 0.63, values, places=8, output=0.5, reference_output=reference)
            for method, reference in zip(methods, (None, -1.0), strict=False)
        )


class ExportedPipeline(FakePipeline):
    """Answers, but has no gradients."""

    def explain(self, image: bytes, **options: Any) -> tuple[Explanation, ...]:
        raise NoGradients("an exported model")


class NoGradients(CheckpointError):
    code = "no_gradients"


class HostilePipeline(FakePipeline):
    """As the other, but red photos kill whoever looks at them and blue ones never end."""

    def _analyze_one(self, request: PhotoRequest) -> PhotoResult:
        with Image.open(io.BytesIO(request.image)) as image:
            red, _, blue = image.convert("RGB").resize((1, 1)).getpixel((0, 0))
        if red > 200 and blue < 60:
            os.kill(os.getpid(), signal.SIGKILL)
        if blue > 200 and red < 60:
            time.sleep(3600)
        return super()._analyze_one(request)


class SlowPipeline(FakePipeline):
    """Slow enough to be killed in the middle of a batch."""

    seconds_per_photo = 0.1
