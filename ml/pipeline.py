"""FacePipeline: photos in, faces and what the model perceives in them out; the web application's only door."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ml import photos
from ml.detecting.detector import DETECTOR_VERSION, FaceDetector
from ml.model.card import DEFAULT_DIR, CheckpointError, MissingRuntime, ModelCard
from ml.model.gradients import CannotExplain
from ml.model.heat_map import METHODS, Explanation
from ml.model.runtime import Runtime, load_runtime
from ml.preprocess import Chip, cut_chip
from ml.requests import ALL_ATTRIBUTES, PhotoRequest, PhotoResult
from ml.seeing.one_by_one import OneByOne
from ml.seeing.together import Together
from ml.seeing.work import STAGES, Work, start_workers

__all__ = ["STAGES", "FacePipeline", "PhotoRequest", "PhotoResult"]


class FacePipeline:
    """A detector and a network, loaded once and used for many batches by one thread at a time."""

    def __init__(self, *, detector: FaceDetector, runtime: Runtime, threads: int = 2) -> None:
        self.detector, self.runtime = detector, runtime
        way = Together if detector.together else OneByOne
        self._way = way(detector=detector, runtime=runtime, pool=start_workers(threads))

    @classmethod
    def load(
        cls,
        model_dir: Path | None = None,
        *,
        device: str | None = None,
        threads: int | None = None,
        runtime: str | None = None,
        precision: str | None = None,
        own_labels: bool = False,
    ) -> "FacePipeline":
        """Load a checkpoint (None: the default model in ml/weights); device None is cuda if there is one.

        `threads` caps torch's threads of the whole process and the photos looked at side by side. `runtime` is torch or
        onnx; None is what the folder holds. `precision`, of torch, is float32 or bfloat16, for the network and for the
        detector where that can have it; None is what suits the device. `own_labels` as in `card.read_card`.
        Raises what `ml.model.runtime.load_runtime` raises.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        return cls(
            detector=FaceDetector(device=device, precision=precision),
            runtime=load_runtime(
                model_dir or DEFAULT_DIR, runtime=runtime, device=device, precision=precision, own_labels=own_labels
            ),
            threads=threads or torch.get_num_threads(),
        )

    @property
    def card(self) -> ModelCard:
        return self.runtime.card

    @property
    def device(self) -> str:
        """Where the model runs: cpu or cuda."""
        return self.runtime.device.type

    @property
    def detector_version(self) -> str:
        return DETECTOR_VERSION

    def analyze(self, requests: Sequence[PhotoRequest]) -> list[PhotoResult]:
        """One result a request, in their order; a photo that fails never spoils the others."""
        work = [Work(request) for request in requests]
        self._way.see(work)
        return [item.result() for item in work]

    def classify_aligned(
        self, images: Sequence[photos.PhotoSource], *, attributes: frozenset[str] = ALL_ATTRIBUTES
    ) -> list[PhotoResult]:
        """Results of ready FairFace chips: each whole image is one face, without detection."""
        work = [Work(PhotoRequest(image, attributes=attributes), is_aligned=True) for image in images]
        self._way.see(work)
        return [item.result() for item in work]

    def explain(
        self,
        image: photos.PhotoSource,
        *,
        chip: Chip,
        attribute: str,
        label: str | None = None,
        methods: Sequence[str] = METHODS,
    ) -> tuple[Explanation, ...]:
        """What mattered for one answer about the face at `chip`; `label` None is the most probable one.

        A method that this network or this machine does not allow is left out. Raises UnreadablePhoto, ValueError for
        names that are not known, and CannotExplain or MissingRuntime where no method is left.
        """
        preset = self.card.preset
        pixels = np.asarray(cut_chip(photos.read_photo(image), preset.widen(chip), size=preset.size))
        found: list[Explanation] = []
        refused: CheckpointError | None = None
        for method in methods:
            try:
                found.append(self.runtime.explain(pixels, attribute=attribute, label=label, method=method))
            except (CannotExplain, MissingRuntime) as error:
                refused = error
        if refused and not found:
            raise refused
        return tuple(found)
