"""One person sends many files that take long: everybody else is answered as always. FACET_CHAOS=full sends 800."""

import itertools
import os
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from typing import Any

import pytest

from tests import pictures
from tests.site import Site, running_site

FULL = os.environ.get("FACET_CHAOS") == "full"
REQUESTS = 8
FILES = 100 if FULL else 12  # in each
PATIENCE = 300 if FULL else 60  # seconds that whoever sends them waits for an answer
# Promised is 2 s for an upload and nearly nothing for a page, on a machine that does nothing else; this one may.
UPLOAD_SECONDS = 2 if FULL else 8
PAGE_SECONDS = 1 if FULL else 4

numbers = itertools.count()
SLOW = pictures.jpeg_of_many_scans(26, side=5600)  # as many scans as may be: half a second each


def slow_files(count: int) -> list[tuple[str, bytes]]:
    """Files of different bytes and the same picture, which is read as far as its end mark."""
    return [(f"slow{n}.jpg", SLOW + b"%d" % n) for n in itertools.islice(numbers, count)]


def sent_by(site: Site, name: str) -> Site:
    """The same site, for calls of another person."""
    other = copy(site)
    other.make_user(name)
    return other


class Flood:
    """Requests of slow files, sent again as soon as they are answered."""

    def __init__(self, site: Site) -> None:
        self.site = site
        site.patience = PATIENCE
        self.answers: list[Any] = []  # of the site: items, or the status of a refusal
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.answers.append(self.site.upload(slow_files(FILES))["items"])
            except urllib.error.HTTPError as refusal:
                self.answers.append(refusal.code)
                self._stopping.wait(1)
            except (TimeoutError, urllib.error.URLError, ConnectionError):
                pass  # it waits no longer

    def stop(self) -> None:
        self._stopping.set()


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Iterator[tuple[Site, Site]]:
    """A started site, as alice and as bob call it."""
    environment = {"FACET_PIPELINE": "tests.fakes.FakePipeline", "REDIS_URL": ""}
    if not FULL:
        environment["FACET_DECODE_REQUEST_SECONDS"] = "1.5"
    with running_site(tmp_path_factory.mktemp("site"), **environment) as site:
        yield sent_by(site, "alice"), sent_by(site, "bob")


def measure(action: Any) -> float:
    start = time.monotonic()
    action()
    return time.monotonic() - start


@pytest.mark.slow
def test_while_one_person_floods_the_decoders_others_are_answered(people):
    alice, bob = people
    bob.upload([("first.jpg", pictures.jpeg(1024, 768))])
    flood = Flood(alice)
    uploads, pages = [], []
    with ThreadPoolExecutor(REQUESTS) as threads:
        for _ in range(REQUESTS):
            threads.submit(flood.run)
        try:
            time.sleep(3)  # until the requests are being read
            for number in range(3):
                photo = ("mine.jpg", pictures.jpeg(1024, 768, seed=number + 1))
                uploads.append(measure(lambda photo=photo: _accepted(bob.upload([photo]))))
                pages.append(measure(lambda: urllib.request.urlopen(f"{bob.url}/healthz", timeout=60).close()))
                pages.append(measure(lambda: bob.get("/api/v1/photos/")))
        finally:
            flood.stop()
    assert max(uploads) < UPLOAD_SECONDS, uploads
    assert max(pages) < PAGE_SECONDS, pages
    assert 429 in flood.answers
    answered = [answer for answer in flood.answers if isinstance(answer, list)]
    assert answered
    for items in answered:
        outcomes = Counter(item["outcome"] for item in items)
        assert sum(outcomes.values()) == FILES
        assert set(outcomes) <= {"accepted", "not_read"}
    if not FULL:
        assert any(item["outcome"] == "not_read" for items in answered for item in items)


def _accepted(answer: Any) -> None:
    assert [item["outcome"] for item in answer["items"]] == ["accepted"]


@pytest.mark.slow
def test_what_one_process_counted_holds_in_another(people):
    alice, bob = people
    carol = sent_by(alice, "carol")  # of alice's uploads before, some may be under way still
    code = (
        "from classifier.models import User; from classifier.services import rates; "
        "rates.charge_decoding(User.objects.get(username='carol'), seconds=4000)"
    )
    carol.manage("shell", "-c", code)
    with pytest.raises(urllib.error.HTTPError) as refused:
        carol.upload([("b.jpg", pictures.jpeg(seed=1))])
    assert refused.value.code == 429
    assert int(refused.value.headers["Retry-After"]) > 300
    _accepted(bob.upload([("b.jpg", pictures.jpeg(seed=99))]))
