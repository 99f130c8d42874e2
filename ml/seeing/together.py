"""The way of a GPU: many photos share each step on the device, while threads decode those that come next."""

import time
from collections.abc import Iterator
from concurrent.futures import Executor

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ml import photos
from ml.detecting.detector import FaceDetector
from ml.detecting.turns import turn_pixels
from ml.model.runtime import Runtime
from ml.seeing import fast_jpeg, quality
from ml.seeing.cropping import cut_chips
from ml.seeing.cut_off import have_bars
from ml.seeing.read_ahead import read_ahead
from ml.seeing.work import Work, classify, ms_since, try_together

# A GPU is idle between photos unless many share each step. Those read ahead while it works are arrays, three bytes a
# pixel: 64 photos of a megapixel are 200 MB, and as many again wait. How large a photo is shows only when it was read:
# each thread may add one of up to `photos.MAX_PIXELS` to that, 150 MB (twice that while a pinned copy is made), and
# 16 threads 2.4 GB.
PHOTOS_AT_ONCE, PIXELS_AT_ONCE = 64, 64_000_000


class Together:
    """Detector and network on one device; photos are decoded by `pool`."""

    def __init__(self, *, detector: FaceDetector, runtime: Runtime, pool: Executor) -> None:
        self._detector, self._runtime, self._pool = detector, runtime, pool

    def see(self, work: list[Work]) -> None:
        for group in self._read_ahead(work):
            readable = [item for item in group if item.pixels is not None]
            try_together(self._find_chips, readable)
            classify(readable, runtime=self._runtime)
            for item in readable:
                item.cut = None  # of many photos they would fill the device

    def _read_ahead(self, work: list[Work]) -> Iterator[list[Work]]:
        return read_ahead(
            work,
            read=self._read,
            release=Work.release,
            pool=self._pool,
            most=PHOTOS_AT_ONCE,
            pixels=PIXELS_AT_ONCE,
            pixels_ahead=2 * PIXELS_AT_ONCE,
        )

    def _read(self, item: Work) -> int:
        """Decode a photo; how many pixels are held for it."""
        began = time.perf_counter()
        try:
            item.pixels = read_tensor(item.request.image, pinned=self._detector.device.type == "cuda")
            item.height, item.width = item.pixels.shape[:2]
        except photos.UnreadablePhoto as error:
            item.refuse(error)
        item.timings_ms["decode"] = ms_since(began)
        return item.width * item.height

    def _find_chips(self, items: list[Work]) -> None:
        """Fill spots and chips of decoded photos: the spots that were given, or the faces found."""
        began = time.perf_counter()
        there = [item.pixels.to(self._detector.device, non_blocking=True) for item in items if item.pixels is not None]
        searched = [n for n, item in enumerate(items) if not item.take_given_spots()]
        details = [items[n].request.detail for n in searched]
        canvases = self._detector.plan([(items[n].width, items[n].height) for n in searched], details=details)
        turning = [items[n].request.may_turn for n in searched]
        found = self._detector.detect_upright_tensors([there[n] for n in searched], details=details, turning=turning)
        share = ms_since(began) / max(len(searched), 1)
        for n, upright, canvas in zip(searched, found, canvases, strict=True):
            items[n].take_faces(upright, canvas=canvas, detect_ms=share)
            there[n] = turn_pixels(there[n], degrees=upright.turned)
        self._cut(items, there)

    def _cut(self, items: list[Work], there: list[Tensor]) -> None:
        """Cut and measure all chips on the device."""
        began = time.perf_counter()
        preset = self._runtime.card.preset
        owners = [n for n, item in enumerate(items) for _ in item.spots]
        chips = [chip for item in items for chip in item.widen(preset)]
        cut = cut_chips(there, chips, owners=owners, size=preset.size)
        marks, bars = quality.measure_together(cut).tolist(), have_bars(cut, preset=preset).tolist()
        share = ms_since(began) / max(len(chips), 1)
        first = 0
        for item in items:
            mine = slice(first, first + len(item.spots))
            item.cut = cut[mine]
            item.marks = [(sharpness, brightness) for sharpness, brightness in marks[mine]]
            item.bars = bars[mine]
            item.timings_ms["align"] = share * len(item.spots)
            first = mine.stop


def read_tensor(source: photos.PhotoSource, *, pinned: bool) -> Tensor:
    """An upright photo (H, W, 3) uint8, `pinned` in memory from which a GPU copies while the program goes on.

    Raises UnreadablePhoto.
    """
    pixels = None if isinstance(source, np.ndarray | Image.Image) else fast_jpeg.read_pixels(source)
    if pixels is None:
        pixels = torch.from_numpy(np.array(photos.read_photo(source)))
    return (
        torch.empty(pixels.shape, dtype=torch.uint8, pin_memory=True).copy_(pixels) if pinned else pixels.contiguous()
    )
