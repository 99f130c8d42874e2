"""How speed changes with faces a photo, with megapixels and with worker processes, on generated photos."""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ml import photos
from ml.benching import measuring, sample, ways
from ml.pipeline import FacePipeline

FACES = (1, 10, 100)
MEGAPIXELS = (0.5, 2.0, 12.0, 48.0)
WORKERS = (1, 2)
COUNT = 8  # photos that each row is measured on
_USUAL_MEGAPIXELS = 2.0
START_SECONDS = 300.0  # until every worker process has loaded the model
HEADER = " faces  megapixels  workers  photos/s   found   faces/s    CPU ms  peak MB"


@dataclass(frozen=True)
class Growth:
    """One row: `faces` in each photo of so many `megapixels`, and how many `workers`, each a process with one thread.

    `workers` 0 is this process with its own threads; `peak_rss_mb` is that of one process.
    """

    faces: int
    megapixels: float
    workers: int
    photos_per_second: float
    faces_found: float
    faces_per_second: float
    cpu_ms_per_photo: float
    peak_rss_mb: float


def measure(
    pipeline: FacePipeline,
    *,
    load: Callable[..., FacePipeline],
    count: int = COUNT,
    faces: Sequence[int] = FACES,
    megapixels: Sequence[float] = MEGAPIXELS,
    workers: Sequence[int] = WORKERS,
) -> Iterator[Growth]:
    """The rows, one after the other as they are measured; `load` is sent to the workers, which make the same pipeline.

    Raises NoPhotos where photos cannot be generated.
    """
    sizes = [(people, _USUAL_MEGAPIXELS) for people in faces] + [(1, size) for size in megapixels]
    for people, size in dict.fromkeys(sizes):
        yield _measure_here(pipeline, people=people, megapixels=size, count=count)
    for number in workers:
        yield _measure_workers(load, number=number, count=count)


def _measure_here(pipeline: FacePipeline, *, people: int, megapixels: float, count: int) -> Growth:
    way, tally = ways.FacetWay(pipeline), measuring.Tally()
    made = _photos(people, megapixels=megapixels, count=count)
    way.run(made[:1])  # what the first photo of a size prepares is not measured
    with tally.turn() as seen:
        seen += way.run(made)
    return _row([tally], people=people, megapixels=megapixels, workers=0, seconds=tally.seconds)


def _measure_workers(load: Callable[..., FacePipeline], *, number: int, count: int) -> Growth:
    context = multiprocessing.get_context("spawn")  # nothing of torch's is shared, as with the site's workers
    with context.Manager() as shared, context.Pool(number) as pool:
        ready = shared.Barrier(number)
        work = partial(_work, load, count=count, ready=ready)
        answers = pool.map(work, range(number), chunksize=1)
    seconds = max(ended for _, _, ended in answers) - min(began for _, began, _ in answers)
    tallies = [tally for tally, _, _ in answers]
    return _row(tallies, people=1, megapixels=_USUAL_MEGAPIXELS, workers=number, seconds=seconds)


def _work(
    load: Callable[..., FacePipeline], _number: int, *, count: int, ready: Any
) -> tuple[measuring.Tally, float, float]:
    """What one worker process saw, and when it began and ended, in seconds of the system's clock."""
    way, tally = ways.FacetWay(load(threads=1)), measuring.Tally()
    made = _photos(1, megapixels=_USUAL_MEGAPIXELS, count=count)
    way.run(made[:1])
    ready.wait(timeout=START_SECONDS)
    began = time.time()
    with tally.turn() as seen:
        seen += way.run(made)
    return tally, began, time.time()


def _photos(people: int, *, megapixels: float, count: int) -> list[photos.PhotoSource]:
    return [sample.make_crowd(people, megapixels=megapixels)] * count


def _row(tallies: Sequence[measuring.Tally], *, people: int, megapixels: float, workers: int, seconds: float) -> Growth:
    seen = [one for tally in tallies for one in tally.seen]
    found = sum(len(one.boxes) for one in seen)
    return Growth(
        faces=people,
        megapixels=megapixels,
        workers=workers,
        photos_per_second=round(len(seen) / seconds, 3),
        faces_found=round(found / len(seen), 2),
        faces_per_second=round(found / seconds, 3),
        cpu_ms_per_photo=round(1000 * sum(tally.cpu_seconds for tally in tallies) / len(seen), 2),
        peak_rss_mb=round(max(tally.peak_rss_mb for tally in tallies), 1),
    )


def tell(row: Growth) -> str:
    """A row in a line for people, under HEADER."""
    return (
        f"{row.faces:>6}{row.megapixels:>12}{row.workers or '-':>9}{row.photos_per_second:>10.2f}"
        f"{row.faces_found:>8.1f}{row.faces_per_second:>10.1f}{row.cpu_ms_per_photo:>10.1f}{row.peak_rss_mb:>9.0f}"
    )
