"""manage.py measure_reports [--faces N] [--json FILE]: how long a large collection's report takes, in what memory.

In a database of its own, which is removed at the end: on the PostgreSQL server that DATABASE_URL names, or in a SQLite
file. 100,000 faces take about 300 MB there, and a minute to make.
"""

import json
import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from statistics import median
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from django.test import Client
from django.urls import reverse

from classifier.management import generated_reports, generated_rows
from classifier.models import Collection
from classifier.services import jobs
from classifier.services.reports import caching, questions, reading
from classifier.services.reports.questions import Question

FACES = 100_000
ROUNDS = 10  # of a page
MEGABYTE = 1024  # of the kilobytes that getrusage tells

Took = tuple[float, float]  # milliseconds by the clock, and of this process's CPU


@dataclass(frozen=True)
class Measure:
    """Milliseconds of one step, the median where it was repeated, and the peak memory of the process that did it.

    `cpu_ms` is what this process worked of it; a server's work is not in it.
    """

    faces: int
    what: str
    ms: float
    cpu_ms: float
    peak_mb: float


class Command(BaseCommand):
    help = "Measure reports of a large generated collection, in a database of its own."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--faces", type=int, default=FACES, metavar="N", help="how many faces, 1 or more")
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the measures to a file")

    def handle(self, *args: Any, **options: Any) -> None:
        with generated_rows.own_database():
            measures = measure(options["faces"], tell=self._tell)
        if options["json"]:
            options["json"].write_text(json.dumps([asdict(found) for found in measures], indent=2) + "\n")

    def _tell(self, found: Measure) -> None:
        self.stdout.write(f"{found.what:<45}{found.ms:>10,.1f} ms, CPU {found.cpu_ms:>10,.1f}{found.peak_mb:>8,.0f} MB")
        self.stdout.flush()


def measure(faces: int, *, tell: Callable[[Measure], None]) -> list[Measure]:
    """Fill a collection and time each step, in a process of its own; the tables must be empty."""
    _run_apart(lambda: _fill(faces))
    measures = []
    for what, step in _name_steps().items():
        measures.append(Measure(faces, what, *_run_apart(step)))
        tell(measures[-1])
    return measures


def _fill(faces: int) -> Took:
    (collection,) = generated_rows.make_collections("Large")
    Collection.objects.filter(pk=collection.pk).update(keeps_capture_dates=True)
    generated_reports.fill_faces(collection, version=generated_reports.make_version(), faces=faces)
    return 0.0, 0.0


def _name_steps() -> dict[str, Callable[[], Took]]:
    """What is timed; the first two leave behind what the pages show."""
    return {
        "a fresh report": lambda: _compute(),
        "a fresh report by month": lambda: _compute(by=questions.MONTH),
        "the summary of the report": lambda: _get("collection-summary"),
        "the collection's page with its summary": lambda: _get("collection-detail"),
        "the report's page": lambda: _get("collection-report"),
        "the report's page by month": lambda: _get("collection-report", query="?by=month"),
        "every face as CSV": lambda: _get("collection-faces", rounds=1),
    }


def _compute(**asked: str) -> Took:
    """By a job where the collection is large, at once where it is small; milliseconds."""
    collection = Collection.objects.get(name="Large")
    default = reading.default_question(collection)
    began, worked = time.perf_counter(), time.process_time()
    question = Question(taxonomy=default.taxonomy, **asked)  # type: ignore[arg-type]
    caching.read_answer(collection, question=question, user=collection.owner)
    jobs.run_once()
    took = 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - worked)
    if caching.read_answer(collection, question=question, user=collection.owner).values is None:
        raise CommandError("the report was not computed")
    return took


def _get(name: str, *, query: str = "", rounds: int = ROUNDS) -> Took:
    """The median of some rounds after the first, which loads what later ones find loaded; milliseconds."""
    collection = Collection.objects.get(name="Large")
    client = Client(headers={"host": settings.ALLOWED_HOSTS[0]})
    client.force_login(collection.owner)
    took, worked = [], []
    for _ in range(1 + rounds if rounds > 1 else 1):
        began, before = time.perf_counter(), time.process_time()
        answer = client.get(reverse(name, args=[collection.uid]) + query, secure=settings.BEHIND_TLS)
        if answer.status_code != HTTPStatus.OK:
            raise CommandError(f"{name} answered {answer.status_code}")
        for _part in answer if answer.streaming else ():
            pass
        took.append(1000 * (time.perf_counter() - began))
        worked.append(1000 * (time.process_time() - before))
    return median(took[1:] or took), median(worked[1:] or worked)


def _run_apart(step: Callable[[], Took]) -> tuple[float, float, float]:
    """A step in a process of its own: what it took, and the most memory that it had. Raises CommandError."""
    connections.close_all()
    context = multiprocessing.get_context("fork")
    told: Any = context.SimpleQueue()

    def work() -> None:
        told.put((*step(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE))

    process = context.Process(target=work)
    process.start()
    process.join()
    if process.exitcode or told.empty():
        raise CommandError("a step failed; its trace stands above")
    answer: tuple[float, float, float] = told.get()
    return answer
