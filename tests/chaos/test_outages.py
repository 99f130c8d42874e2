"""A site whose PostgreSQL stops and fails over, and whose Redis is killed and emptied, while people send photos."""

import os
import threading
import time
import urllib.error
from collections.abc import Iterator

import pytest

from tests import pictures
from tests.servers import OwnPostgres, OwnRedis
from tests.site import Site, running_site, wait_for

FULL = os.environ.get("FACET_CHAOS") == "full"
AWAY_SECONDS = 20 if FULL else 2
PHOTOS = 200 if FULL else 24  # before each fault; more come while it lasts
ROUNDS = 5 if FULL else 1  # of an emptied Redis
FINISH_SECONDS = 300

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(os.environ.get("TEST_REDIS_URL")), reason="brings servers of its own: once, where the others have none"
    ),
]


@pytest.fixture(scope="module")
def postgres() -> Iterator[OwnPostgres]:
    server = OwnPostgres()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory) -> Iterator[OwnRedis]:
    server = OwnRedis(tmp_path_factory.mktemp("redis"))
    server.start("--save", "")
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def site(tmp_path_factory, postgres, own_redis) -> Iterator[Site]:
    names = {"DATABASE_URL": postgres.url, "REDIS_URL": own_redis.url, "FACET_PIPELINE": "tests.fakes.SlowPipeline"}
    limits = {"FACET_LEASE_SECONDS": "3", "FACET_UPLOAD_RATE": "1000000/min", "FACET_API_RATE": "1000000/min"}
    with running_site(tmp_path_factory.mktemp("site"), **names, **limits, FACET_API_USER_RATE="1000000/min") as started:
        started.make_user()
        yield started


class Sender:
    """Somebody who sends one photo after the other, and notes which were accepted and what was answered instead."""

    def __init__(self, site: Site, *, first: int) -> None:
        self.site, self.number = site, first
        self.accepted: list[str] = []
        self.refused: set[int] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._send_all)

    def __enter__(self) -> "Sender":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _send_all(self) -> None:
        while not self._stopping.wait(0.1):
            self.number += 1
            try:
                answer = self.site.upload([(f"{self.number}.jpg", small(self.number))])
                self.accepted += [item["photo"]["uid"] for item in answer["items"] if item["outcome"] == "accepted"]
            except urllib.error.HTTPError as refusal:
                self.refused.add(refusal.code)
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                self.refused.add(0)


def small(seed: int) -> bytes:
    return pictures.jpeg(64, 48, seed=seed)


def send(site: Site, *, first: int) -> list[str]:
    files = [(f"{n}.jpg", small(n)) for n in range(first, first + PHOTOS)]
    answers = [site.upload(files[start : start + 50]) for start in range(0, PHOTOS, 50)]
    return [item["photo"]["uid"] for answer in answers for item in answer["items"]]


def assert_done_once(site: Site, *, uids: list[str]) -> None:
    """All that were accepted are analysed, with one face each, and so is what nobody was told of any more."""

    def states() -> dict[str, int]:
        return dict(site.ask_database("SELECT state, count(*) FROM classifier_photo GROUP BY state"))

    wait_for(lambda: set(states()) == {"done"}, seconds=FINISH_SECONDS, what="photos are left over")
    stored = {str(uid) for (uid,) in site.ask_database("SELECT uid FROM classifier_photo")}
    assert set(uids) <= stored
    (numbers,) = site.ask_database(
        "SELECT (SELECT count(*) FROM classifier_photo), count(*), count(DISTINCT photo_id) FROM classifier_face"
    )
    assert set(numbers) == {len(stored)}
    assert site.ask_database("SELECT count(*) FROM classifier_prediction") == [(len(stored),)]


def test_postgres_is_away_for_a_while_and_comes_back(site, postgres):
    uids = send(site, first=1000)
    with Sender(site, first=2000) as sender:
        wait_for(lambda: sender.accepted, seconds=60, what="nothing is accepted before")
        postgres.stop(mode="immediate")
        time.sleep(AWAY_SECONDS)
        postgres.start()
        before = len(sender.accepted)
        wait_for(lambda: len(sender.accepted) > before + 2, seconds=90, what="nothing is accepted after")
    assert sender.refused <= {0, 503}, sender.refused
    assert_done_once(site, uids=uids + sender.accepted)


def test_a_standby_takes_the_place_of_a_postgres_that_broke(site, postgres):
    standby = postgres.copy()
    uids = send(site, first=10_000)
    with Sender(site, first=20_000) as sender:
        wait_for(lambda: sender.accepted, seconds=60, what="nothing is accepted before")
        postgres.stop(mode="immediate")
        standby.take_over(postgres)
        before = len(sender.accepted)
        wait_for(lambda: len(sender.accepted) > before + 2, seconds=90, what="nothing is accepted after")
    assert sender.refused <= {0, 503}, sender.refused
    assert_done_once(site, uids=uids + sender.accepted)


def test_what_waits_is_done_although_redis_is_killed_and_forgets_everything(site, own_redis):
    uids: list[str] = []
    with Sender(site, first=200_000) as sender:
        for turn in range(ROUNDS):
            uids += send(site, first=100_000 + turn * PHOTOS)
            own_redis.client.flushall()
            time.sleep(0.5)
            own_redis.kill()
            time.sleep(1)
            own_redis.start("--save", "")
    assert sender.refused == set()
    assert_done_once(site, uids=uids + sender.accepted)
    wait_for(site.is_sound, seconds=90, what="the doctor finds something")  # of all that was done here
