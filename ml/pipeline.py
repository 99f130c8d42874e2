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
from torch import Tensor

from ml import photos, quality
from ml.card import DEFAULT_DIR, CheckpointError, MissingRuntime, ModelCard
from ml.cropping import cut_chips
from ml.explaining import CannotExplain
from ml.faces import DETECTOR_VERSION, DetectedFace, FaceDetector
from ml.heat import METHODS, Explanation
from ml.preprocess import Chip, cut_chip, whole_image
from ml.reading import read_ahead
from ml.requests import ALL_ATTRIBUTES, AnalyzedFace, PhotoRequest, PhotoResult
from ml.runtime import Runtime, load_runtime

STAGES = ("decode", "detect", "align", "classify")
PHOTOS_AT_ONCE = 8
# Decoded photos held at a time, by their pixels, of which Pillow stores four bytes each.
PIXELS_AT_ONCE = 32_000_000
# A GPU is idle between photos unless many share each step. Those read ahead while it works are arrays, three bytes a
# pixel: 64 photos of a megapixel are 200 MB, and as many again wait.
PHOTOS_ON_GPU, PIXELS_ON_GPU = 64, 64_000_000

logger = logging.getLogger(__name__)


@dataclass
class _Work:
    """One request on its way; for each of `spots` `cut` holds a uint8 chip (S, S, 3), `marks` sharpness and brightness.

    `image` is the photo that was read, on its way to a GPU `pixels` (H, W, 3) uint8.
    """

    request: PhotoRequest
    image: Image.Image | None = None
    pixels: Tensor | None = None
    width: int = 0
    height: int = 0
    spots: list[tuple[DetectedFace | None, Chip]] = field(default_factory=list)
    cut: list[np.ndarray] | list[Tensor] = field(default_factory=list)
    marks: list[tuple[float, float]] = field(default_factory=list)
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
        if self._detector.together:
            self._see_together(work)
            return [_result(item) for item in work]
        if len(work) > 1:
            list(self._pool.map(self._see_one, work))
        else:
            for item in work:
                self._see_one(item)
        self._classify(work)
        return [_result(item) for item in work]

    def classify_aligned(
        self, images: Sequence[photos.PhotoSource], *, attributes: frozenset[str] = ALL_ATTRIBUTES
    ) -> list[PhotoResult]:
        """Results of ready FairFace chips: each whole image is one face, without detection."""
        work = [_Work(PhotoRequest(image, attributes=attributes), is_aligned=True) for image in images]
        if self._detector.together:
            self._see_together(work)
            return [_result(item) for item in work]
        for group in self._read_ahead(work, most=PHOTOS_AT_ONCE, pixels=PIXELS_AT_ONCE, pixels_ahead=PIXELS_AT_ONCE):
            for item in group:
                if item.image is not None:
                    item.spots = [(None, whole_image(item.width, item.height))]
                    self._cut(item)
        self._classify(work)
        return [_result(item) for item in work]

    def _see_one(self, item: _Work) -> None:
        """All steps up to the chips on one core: photos side by side keep several cores busier than one photo can."""
        _decode(item)
        if item.image is not None:
            _try_together(self._find_chips, [item])
        _release(item)

    def _see_together(self, work: list[_Work]) -> None:
        """All steps on the device for many photos at once, while the next ones are decoded in threads."""
        for group in self._read_ahead(work, most=PHOTOS_ON_GPU, pixels=PIXELS_ON_GPU, pixels_ahead=2 * PIXELS_ON_GPU):
            readable = [item for item in group if item.pixels is not None]
            _try_together(self._find_chips_together, readable)
            self._classify(readable)
            for item in readable:
                item.cut = []  # of many photos they would fill the device

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

    def _read_ahead(self, work: list[_Work], *, most: int, pixels: int, pixels_ahead: int) -> Iterator[list[_Work]]:
        return read_ahead(
            work,
            read=self._read,
            release=_release,
            pool=self._pool,
            most=most,
            pixels=pixels,
            pixels_ahead=pixels_ahead,
        )

    def _read(self, item: _Work) -> int:
        """Decode a photo; how many pixels are held for it."""
        _decode(item, pinned=self._detector.device.type == "cuda", as_tensor=self._detector.together)
        return item.width * item.height

    def _find_chips(self, items: list[_Work]) -> None:
        """Fill spots and chips of decoded photos: the spots that were given, or the faces found."""
        for item in items:
            began = time.perf_counter()
            if item.request.chips is not None:
                item.spots = [(None, chip) for chip in item.request.chips]
            elif item.image is not None:
                item.spots = [(face, face.chip) for face in self._detector.detect([item.image])[0]]
                item.timings_ms["detect"] = _ms_since(began)
            self._cut(item)

    def _cut(self, item: _Work) -> None:
        if item.image is not None:
            began = time.perf_counter()
            cut = [np.asarray(cut_chip(item.image, chip, size=self.card.preset.size)) for chip in self._wide(item)]
            item.marks = [(quality.measure_sharpness(chip), quality.measure_brightness(chip)) for chip in cut]
            item.cut = cut
            item.timings_ms["align"] = _ms_since(began)

    def _find_chips_together(self, items: list[_Work]) -> None:
        """The same of photos as tensors: detected, cut and measured on the detector's device."""
        began = time.perf_counter()
        there = [item.pixels.to(self._detector.device, non_blocking=True) for item in items if item.pixels is not None]
        searched = [n for n, item in enumerate(items) if item.request.chips is None and not item.is_aligned]
        found = self._detector.detect_tensors([there[n] for n in searched])
        share = _ms_since(began) / max(len(searched), 1)
        for n, faces in zip(searched, found, strict=True):
            items[n].spots = [(face, face.chip) for face in faces]
            items[n].timings_ms["detect"] = share
        for item in items:
            if item.is_aligned:
                item.spots = [(None, whole_image(item.width, item.height))]
            elif item.request.chips is not None:
                item.spots = [(None, chip) for chip in item.request.chips]
        began = time.perf_counter()
        owners = [n for n, item in enumerate(items) for _ in item.spots]
        chips = [chip for item in items for chip in self._wide(item)]
        cut = cut_chips(there, chips, owners=owners, size=self.card.preset.size)
        marks = quality.measure_together(cut).tolist()
        share = _ms_since(began) / max(len(chips), 1)
        first = 0
        for item in items:
            mine = slice(first, first + len(item.spots))
            item.cut = list(cut[mine].unbind())
            item.marks = [(sharpness, brightness) for sharpness, brightness in marks[mine]]
            item.timings_ms["align"] = share * len(item.spots)
            first = mine.stop

    def _wide(self, item: _Work) -> list[Chip]:
        """What the network wants to see of each spot."""
        return [chip if item.is_aligned else self.card.preset.widen(chip) for _, chip in item.spots]

    def _classify(self, work: list[_Work]) -> None:
        """Classify all faces together: one batch for each set of attributes asked for."""
        sets: dict[frozenset[str], list[_Work]] = {}
        for item in work:
            if item.cut:
                sets.setdefault(item.request.attributes, []).append(item)
        for attributes, items in sets.items():
            began = time.perf_counter()
            chips = _stack([chip for item in items for chip in item.cut])
            vectors = self.runtime.probabilities(chips, attributes=attributes)
            share = _ms_since(began) / len(chips)
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


def _decode(item: _Work, *, as_tensor: bool = False, pinned: bool = False) -> None:
    """Read the photo as an image, or as a tensor, in memory from which a GPU copies while others work if `pinned`."""
    began = time.perf_counter()
    try:
        image = photos.read_photo(item.request.image)
    except photos.UnreadablePhoto:
        item.error = "unreadable"
    else:
        item.width, item.height = image.size
        if as_tensor:
            item.pixels = torch.empty(image.height, image.width, 3, dtype=torch.uint8, pin_memory=pinned)
            item.pixels.numpy()[...] = np.asarray(image)
        else:
            item.image = image
    item.timings_ms["decode"] = _ms_since(began)


def _stack(chips: list[np.ndarray | Tensor]) -> np.ndarray | Tensor:
    """Chips (S, S, 3), all arrays or all tensors, as (N, S, S, 3)."""
    tensors = [chip for chip in chips if isinstance(chip, Tensor)]
    return torch.stack(tensors) if tensors else np.stack(chips)


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


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
            items[0].spots, items[0].cut, items[0].marks, items[0].error = [], [], [], "internal"


def _release(item: _Work) -> None:
    item.image = item.pixels = None


def _result(item: _Work) -> PhotoResult:
    faces = []
    for (face, chip), (sharpness, brightness), vectors in zip(item.spots, item.marks, item.vectors, strict=True):
        faces.append(
            AnalyzedFace(
                box=face.box if face else None,
                detection=face.probability if face else None,
                chip=chip,
                size_px=face.box[2] - face.box[0] if face else chip.side / quality.CHIP_PER_BOX,
                sharpness=sharpness,
                brightness=brightness,
                probabilities=vectors,
            )
        )
    return PhotoResult(item.width, item.height, tuple(faces), item.timings_ms, item.error)
