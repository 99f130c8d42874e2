"""FacePipeline: photos in, faces and what the model perceives in them out; the web application's only door."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier

import numpy as np
import torch
from PIL import Image

from ml import photos, quality
from ml.card import DEFAULT_DIR, CheckpointError, MissingRuntime, ModelCard
from ml.explaining import CannotExplain
from ml.faces import DETECTOR_VERSION, DetectedFace, FaceDetector
from ml.heat import METHODS, Explanation
from ml.preprocess import Chip, cut_chip, whole_image
from ml.requests import ALL_ATTRIBUTES, AnalyzedFace, PhotoRequest, PhotoResult
from ml.runtime import Runtime, load_runtime

STAGES = ("decode", "detect", "align", "classify")
PHOTOS_AT_ONCE = 8
# Decoded photos held at a time, by their pixels, of which Pillow stores four bytes each.
PIXELS_AT_ONCE = 32_000_000

logger = logging.getLogger(__name__)


@dataclass
class _Work:
    """One request on its way; `cut` holds a uint8 chip (S, S, 3) for each of `spots`."""

    request: PhotoRequest
    image: Image.Image | None = None
    width: int = 0
    height: int = 0
    spots: list[tuple[DetectedFace | None, Chip]] = field(default_factory=list)
    cut: list[np.ndarray] = field(default_factory=list)
    vectors: list[dict[str, tuple[float, ...]]] = field(default_factory=list)
    timings_ms: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    is_aligned: bool = False  # a ready chip, shown as the network wants it
    error: str = ""


class FacePipeline:
    """A detector and a network, loaded once and used for many batches by one thread at a time."""

    def __init__(self, *, detector: FaceDetector, runtime: Runtime, threads: int = 2) -> None:
        self.runtime = runtime
        self._detector = detector
        self._threads = threads
        self._pool = _start_workers(threads)

    @classmethod
    def load(
        cls,
        model_dir: Path | None = None,
        *,
        device: str | None = None,
        threads: int | None = None,
        runtime: str | None = None,
        precision: str | None = None,
    ) -> "FacePipeline":
        """Load a checkpoint (None: the default model in ml/weights); device None is cuda if there is one.

        `threads` caps torch's threads of the whole process and the photos looked at side by side. `runtime` is torch or
        onnx; None is what the folder holds. `precision`, of torch, is float32 or bfloat16, for the network and for the
        detector where that can have it; None is what suits the device.
        Raises what `ml.runtime.load_runtime` raises.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        return cls(
            detector=FaceDetector(device=device, precision=precision),
            runtime=load_runtime(model_dir or DEFAULT_DIR, runtime=runtime, device=device, precision=precision),
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
        work = [_Work(request) for request in requests]
        if self.device == "cpu" and len(work) > 1:
            list(self._pool.map(self._see_one, work))
        else:
            for group in self._decoded_groups(work):
                _try_together(self._find_chips, [item for item in group if item.image is not None])
        self._classify(work)
        return [_result(item) for item in work]

    def _see_one(self, item: _Work) -> None:
        """All steps up to the chips on one core: photos side by side keep several cores busier than one photo can."""
        _decode(item)
        if item.image is not None:
            _try_together(self._find_chips, [item])
        _release([item])

    def classify_aligned(
        self, images: Sequence[photos.PhotoSource], *, attributes: frozenset[str] = ALL_ATTRIBUTES
    ) -> list[PhotoResult]:
        """Results of ready FairFace chips: each whole image is one face, without detection."""
        work = [_Work(PhotoRequest(image, attributes=attributes), is_aligned=True) for image in images]
        for group in self._decoded_groups(work):
            for item in group:
                if item.image is not None:
                    item.spots = [(None, whole_image(item.image))]
                    self._cut(item)
        self._classify(work)
        return [_result(item) for item in work]

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

    def _decoded_groups(self, work: list[_Work]) -> Iterator[list[_Work]]:
        """Decode in threads and hand out groups; a group's pixels are let go before more is decoded."""
        group: list[_Work] = []
        pixels = 0
        width = self._threads
        for start in range(0, len(work), width):
            part = work[start : start + width]
            list(self._pool.map(_decode, part))
            group += part
            pixels += sum(item.width * item.height for item in part)
            if len(group) >= PHOTOS_AT_ONCE or pixels >= PIXELS_AT_ONCE:
                yield group
                _release(group)
                group, pixels = [], 0
        if group:
            yield group
            _release(group)

    def _find_chips(self, items: list[_Work]) -> None:
        """Fill spots and chips of decoded photos: the spots that were given, or the faces found."""
        searched = [item for item in items if item.request.chips is None]
        began = time.perf_counter()
        found = self._detector.detect([item.image for item in searched if item.image is not None])
        share = (time.perf_counter() - began) * 1000 / max(len(searched), 1)
        for item, faces in zip(searched, found, strict=True):
            item.spots = [(face, face.chip) for face in faces]
            item.timings_ms["detect"] = share
        for item in items:
            if item.request.chips is not None:
                item.spots = [(None, chip) for chip in item.request.chips]
            self._cut(item)

    def _cut(self, item: _Work) -> None:
        if item.image is not None:
            began = time.perf_counter()
            preset = self.card.preset
            wide = [chip if item.is_aligned else preset.widen(chip) for _, chip in item.spots]
            item.cut = [np.asarray(cut_chip(item.image, chip, size=preset.size)) for chip in wide]
            item.timings_ms["align"] = (time.perf_counter() - began) * 1000

    def _classify(self, work: list[_Work]) -> None:
        """Classify all faces together: one batch for each set of attributes asked for."""
        sets: dict[frozenset[str], list[_Work]] = {}
        for item in work:
            if item.cut:
                sets.setdefault(item.request.attributes, []).append(item)
        for attributes, items in sets.items():
            chips = np.stack([chip for item in items for chip in item.cut])
            began = time.perf_counter()
            vectors = self.runtime.probabilities(chips, attributes=attributes)
            share = (time.perf_counter() - began) * 1000 / len(chips)
            rows = iter(range(len(chips)))
            for item in items:
                item.timings_ms["classify"] = share * len(item.cut)
                item.vectors = [
                    {name: tuple(values[row].tolist()) for name, values in vectors.items()}
                    for row in (next(rows) for _ in item.cut)
                ]


def _start_workers(count: int) -> ThreadPoolExecutor:
    """Threads in which torch computes on one core each; other threads keep the number that they have."""
    before = torch.get_num_threads()
    started = Barrier(count)
    pool = ThreadPoolExecutor(
        max_workers=count, thread_name_prefix="photos", initializer=torch.set_num_threads, initargs=(1,)
    )
    list(pool.map(lambda _: started.wait(), range(count)))
    torch.set_num_threads(before)  # what a thread sets is also what later threads begin with
    return pool


def _decode(item: _Work) -> None:
    began = time.perf_counter()
    try:
        item.image = photos.read_photo(item.request.image)
        item.width, item.height = item.image.size
    except photos.UnreadablePhoto:
        item.error = "unreadable"
    item.timings_ms["decode"] = (time.perf_counter() - began) * 1000


def _try_together(step: Callable[[list[_Work]], None], items: list[_Work]) -> None:
    """Take a step for several photos at once; when it breaks, for each alone, so that a bad photo fails alone."""
    if not items:
        return
    try:
        step(items)
    except Exception:  # a photo can break a step in any way; it shall fail alone
        if len(items) > 1:
            logger.exception("a batch failed; its photos are tried one by one")
            for item in items:
                _try_together(step, [item])
        else:
            logger.exception("a photo failed")
            items[0].spots, items[0].cut, items[0].error = [], [], "internal"


def _release(group: list[_Work]) -> None:
    for item in group:
        item.image = None


def _result(item: _Work) -> PhotoResult:
    faces = []
    for (face, chip), pixels, vectors in zip(item.spots, item.cut, item.vectors, strict=True):
        faces.append(
            AnalyzedFace(
                box=face.box if face else None,
                detection=face.probability if face else None,
                chip=chip,
                size_px=face.box[2] - face.box[0] if face else chip.side / quality.CHIP_PER_BOX,
                sharpness=quality.measure_sharpness(pixels),
                brightness=quality.measure_brightness(pixels),
                probabilities=vectors,
            )
        )
    return PhotoResult(item.width, item.height, tuple(faces), item.timings_ms, item.error)
