"""manage.py measure_growth [--rows N...] [--json FILE]: how the queue and the pages do with a million photos.

On the PostgreSQL server that DATABASE_URL names, in a database of its own, which is removed at the end. A million rows
take about 2 GB there.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from classifier.management import generated_rows
from classifier.models import Collection, Draw, Face, Photo
from classifier.services.paging import PAGE_SIZE, read_page
from classifier.services.reviews import answering, drawing, serving
from ml.attributes import ATTRIBUTES, COMPARED_BY

ROWS = (1_000, 100_000, 1_000_000)
CLAIMS, PAGES = 50, 10  # rounds of each
DRAWN = 300  # faces of a draw


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one step while there are so many photos; `database_ms` is what of the median queries took."""

    rows: int
    what: str
    median_ms: float
    p95_ms: float
    database_ms: float


class Command(BaseCommand):
    help = "Measure claims and pages on PostgreSQL with generated rows, in a database of its own."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rows", type=int, nargs="+", default=ROWS, metavar="N", help="how many photos, 2 or more")
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the measures to a file")

    def handle(self, *args: Any, **options: Any) -> None:
        if connection.vendor != "postgresql":
            raise CommandError("DATABASE_URL names no PostgreSQL server, and growth is measured on one.")
        with generated_rows.own_database():
            timings = measure(sorted(options["rows"]), tell=self._tell)
        if options["json"]:
            options["json"].write_text(json.dumps([asdict(timing) for timing in timings], indent=2) + "\n")

    def _tell(self, timing: Timing) -> None:
        times = f"{timing.median_ms:>9.1f} ms, p95 {timing.p95_ms:>9.1f}, database {timing.database_ms:>9.1f}"
        self.stdout.write(f"{timing.rows:>9,} photos  {timing.what:<38}{times}")
        self.stdout.flush()


def measure(rows: Sequence[int], *, tell: Callable[[Timing], None], pages: int = PAGES) -> list[Timing]:
    """Fill a collection to each number of photos in turn, and time each step there; the tables must be empty."""
    small, large = generated_rows.make_collections("Small", "Large")
    generated_rows.fill(small, photos=PAGE_SIZE)
    timings = []
    for count in rows:
        generated_rows.fill(large, photos=count)
        for what, step in name_steps(large, small=small).items():
            timings.append(_time(what, step, rows=count, rounds=pages))
            tell(timings[-1])
        timings.append(_time("claim of a batch", _claim, rows=count, rounds=CLAIMS, after=_finish))
        tell(timings[-1])
    return timings


def name_steps(large: Collection, *, small: Collection) -> dict[str, Callable[[], Any]]:
    """What is timed besides claims, by its name in the table."""
    client = Client(headers={"host": settings.ALLOWED_HOSTS[0]})
    client.force_login(large.owner)
    gallery = reverse("collection-detail", args=[large.uid])
    middle = timezone.now() - timedelta(seconds=large.photos.count() / 2)
    inside = read_page(large.photos.filter(received_at__lt=middle), order="-received_at").next
    pages = {
        "gallery": gallery,
        "gallery, somewhere inside": f"{gallery}?page={inside}",
        "gallery, most faces first": f"{gallery}?sort=faces",
        "gallery, by name": f"{gallery}?sort=name",
        "gallery, one perceived group": f"{gallery}?{COMPARED_BY.short}={COMPARED_BY.labels[1]}",
        "progress of the gallery": reverse("collection-progress", args=[large.uid]),
        "gallery of a small collection": reverse("collection-detail", args=[small.uid]),
        "list of collections": reverse("collection-list"),
        "list of collections by the API": reverse("api-collection-list"),
    }
    steps: dict[str, Callable[[], Any]] = {what: partial(_get, client, path) for what, path in pages.items()}
    return {
        **steps,
        "list of collections, shares anew": partial(_get_anew, client, reverse("collection-list"), large=large),
        "an upload's turn in the queue": partial(Photo.objects.next_turn, large.owner_id),
        **_name_review_steps(client, large=large),
    }


def _name_review_steps(client: Client, *, large: Collection) -> dict[str, Callable[[], Any]]:
    """A draw of the large collection, its next faces, and answers to them, as the page of review asks for them."""
    faces = Face.objects.counted().filter(photo__collection=large).count()
    begin = partial(drawing.begin_draw, large, creator=large.owner, attribute=COMPARED_BY.name, size=min(DRAWN, faces))
    draw = begin()
    return {
        "begin of a draw": begin,
        "next faces of a draw": partial(_get, client, reverse("draw-faces", args=[draw.uid])),
        "answer in a draw, with finding its face": partial(_answer, client, draw=draw),
    }


def _get(client: Client, path: str) -> None:
    answer = client.get(path, secure=settings.BEHIND_TLS)
    if answer.status_code != HTTPStatus.OK:
        raise CommandError(f"{path} answered {answer.status_code}")


def _answer(client: Client, *, draw: Draw) -> None:
    said = {name: ATTRIBUTES[name].labels[0] for name in draw.questions()}
    owner = draw.collection.owner
    _, faces = serving.next_faces(draw, reviewer=owner)  # which a page has loaded before
    face = faces[0] if faces else answering.take_back(draw, reviewer=owner).face  # of few faces all are answered soon
    sent = {"face": str(face.uid), "key": str(uuid4()), "answers": said}
    path = reverse("draw-answer", args=[draw.uid])
    answer = client.post(path, json.dumps(sent), content_type="application/json", secure=settings.BEHIND_TLS)
    if answer.status_code != HTTPStatus.OK:
        raise CommandError(f"{path} answered {answer.status_code}")


def _get_anew(client: Client, path: str, *, large: Collection) -> None:
    """As the first to look: by another uid nothing that was counted is found in the cache."""
    rows = Collection.objects.filter(pk=large.pk)
    rows.update(uid=uuid4())
    _get(client, path)
    rows.update(uid=large.uid)


def _claim() -> list[Photo]:
    return Photo.objects.claim(limit=settings.BATCH_PHOTOS)


def _finish(photos: list[Photo]) -> None:
    for photo in photos:
        if photo.token:
            Photo.objects.finish(pk=photo.pk, token=photo.token)


def _time(
    what: str, step: Callable[[], Any], *, rows: int, rounds: int, after: Callable[[Any], None] = lambda _: None
) -> Timing:
    """Time a step; once before the rounds that count, since the first loads what later ones find loaded."""
    took, queried = [], []
    for _ in range(rounds + 1):
        with _time_queries() as spent:
            began = time.perf_counter()
            answer = step()
            took.append(1000 * (time.perf_counter() - began))
        queried.append(1000 * sum(spent))
        after(answer)
    p95 = quantiles(took[1:], n=20, method="inclusive")[-1]
    return Timing(rows, what, *(round(value, 2) for value in (median(took[1:]), p95, median(queried[1:]))))


@contextmanager
def _time_queries() -> Iterator[list[float]]:
    """The seconds that each query inside takes."""
    spent: list[float] = []

    def execute(run: Callable[..., Any], *query: Any) -> Any:
        began = time.perf_counter()
        try:
            return run(*query)
        finally:
            spent.append(time.perf_counter() - began)

    with connection.execute_wrapper(execute):
        yield spent
