"""The way of a CPU: each photo on one core up to its chips, several side by side; then all chips together."""

import time
from concurrent.futures import Executor
from contextlib import nullcontext
from threading import Lock

import numpy as np
import torch

from ml.detecting.detector import FaceDetector
from ml.model.runtime import Runtime
from ml.preprocess import cut_chip
from ml.seeing import quality
from ml.seeing.cut_off import have_bars
from ml.seeing.work import Work, classify, ms_since, try_together

# A photo with more pixels is searched while no other such one is: searching it may take 300 MB beside itself.
LARGE_PIXELS = 24_000_000


class OneByOne:
    """Detector and network on a CPU; photos are looked at by `pool`, one in each of its threads."""

    def __init__(self, *, detector: FaceDetector, runtime: Runtime, pool: Executor) -> None:
        self._detector, self._runtime, self._pool = detector, runtime, pool
        self._large = Lock()

    def see(self, work: list[Work]) -> None:
        """Photos in one thread each, then the chips of all together."""
        if len(work) > 1:
            list(self._pool.map(self._see_one, work))
        else:
            for item in work:
                self._see_one(item)
        classify(work, runtime=self._runtime)

    def _see_one(self, item: Work) -> None:
        """All steps up to the chips on one core: photos side by side keep several cores busier than one photo can."""
        item.read()
        if item.image is not None:
            with self._large if item.width * item.height > LARGE_PIXELS else nullcontext():
                try_together(self._find_chips, [item])
        item.release()

    def _find_chips(self, items: list[Work]) -> None:
        """Fill spots and chips of decoded photos: the spots that were given, or the faces found."""
        for item in items:
            began = time.perf_counter()
            if not item.take_given_spots() and item.image is not None:
                details = [item.request.detail]
                canvas = self._detector.plan([item.image.size], details=details)[0]
                turning = [item.request.may_turn]
                found = self._detector.detect_upright([item.image], details=details, turning=turning)[0]
                item.take_faces(found, canvas=canvas, detect_ms=ms_since(began))
            self._cut(item)

    def _cut(self, item: Work) -> None:
        if item.image is None or not item.spots:
            return
        began = time.perf_counter()
        preset = self._runtime.card.preset
        cut = [np.asarray(cut_chip(item.image, chip, size=preset.size)) for chip in item.widen(preset)]
        item.marks = [(quality.measure_sharpness(chip), quality.measure_brightness(chip)) for chip in cut]
        item.cut = np.stack(cut)
        item.bars = have_bars(torch.from_numpy(item.cut), preset=preset).tolist()
        item.timings_ms["align"] = ms_since(began)
