"""What `ml.bench` adds up while a way runs: wall and CPU time, peak memory, stages, faces."""

import multiprocessing
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ml import photos
from ml.benching.ways import Seen, UsualWay
from ml.pipeline import STAGES

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_RESET_PEAK = "5"  # what Linux takes for "begin the peak of resident memory anew"


@dataclass
class Tally:
    """The turns of one way: seconds, megabytes, and what became of each photo."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_rss_mb: float = 0.0
    seen: list[Seen] = field(default_factory=list)

    @contextmanager
    def turn(self) -> Iterator[list[Seen]]:
        """Measure what runs inside; it puts what it saw into the list."""
        reset_peak()
        began, cpu_began = time.perf_counter(), time.process_time()
        seen: list[Seen] = []
        yield seen
        self.seconds += time.perf_counter() - began
        self.cpu_seconds += time.process_time() - cpu_began
        self.peak_rss_mb = max(self.peak_rss_mb, read_peak_mb())
        self.seen += seen

    def report(self) -> dict[str, Any]:
        """JSON-ready; rates are of wall time, `stages_ms` of a photo, `shares` of the time of all stages together."""
        spent = {stage: sum(one.stages_ms[stage] for one in self.seen) for stage in STAGES}
        count, faces = len(self.seen), sum(len(one.boxes) for one in self.seen)
        return {
            "photos": count,
            "faces": faces,
            "failed": sum(one.failed for one in self.seen),
            "photos_per_second": round(count / self.seconds, 3),
            "faces_per_second": round(faces / self.seconds, 3),
            "cpu_ms_per_photo": round(1000 * self.cpu_seconds / count, 2),
            "stages_ms": {stage: describe_times([one.stages_ms[stage] for one in self.seen]) for stage in STAGES},
            "shares": {stage: round(took / max(sum(spent.values()), 1e-9), 3) for stage, took in spent.items()},
            "peak_rss_mb": round(self.peak_rss_mb, 1),
        }


def describe_times(values: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile, in the values' unit."""
    return {"median": round(float(np.median(values)), 2), "p95": round(float(np.percentile(values, 95)), 2)}


def read_peak_of_usual(part: Sequence[photos.PhotoSource], *, device: str) -> float:
    """The largest resident memory of a process of its own that takes photos the usual way, in megabytes."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # nothing of this process is in its memory
        return pool.apply(_run_usual, (part, device, torch.get_num_threads()))


def _run_usual(part: Sequence[photos.PhotoSource], device: str, threads: int) -> float:
    torch.set_num_threads(threads)
    tally, way = Tally(), UsualWay(device=device)
    with tally.turn() as seen:
        seen += way.run(part)
    return tally.peak_rss_mb


def reset_peak() -> None:
    """Begin the peak anew where the system can; elsewhere it is that of the whole process."""
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return


def read_peak_mb() -> float:
    """The largest resident memory of this process since the last `reset_peak`, in megabytes (10^6 bytes)."""
    try:
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6  # bytes on macOS, kilobytes elsewhere
