"""One site of two workers, and what may happen to its processes while people send photos. FACET_CHAOS=full: more."""

import os
import signal
import threading
import time
import urllib.error
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from PIL import Image

from tests import pictures
from tests.site import Site, running_site, wait_for

FULL = os.environ.get("FACET_CHAOS") == "full"
UPLOADS, WEB_KILLS = (100, 10) if FULL else (10, 1)
LEASE_SECONDS = 2 if FULL else 1
STOPPED_SECONDS = 4 * LEASE_SECONDS if FULL else 2 * LEASE_SECONDS
MANY, TWICE = (10_000, 5_000) if FULL else (100, 50)
EACH = 100 if FULL else 25  # photos in a request
FINISH_SECONDS = 900 if FULL else 120
MIB = 1024**2
SETTINGS = {
    "REDIS_URL": "",
    "FACET_PIPELINE": "tests.fakes.HostilePipeline",
    "FACET_LEASE_SECONDS": str(LEASE_SECONDS),
    "FACET_BATCH_PHOTOS": "4",
    "FACET_TORCH_THREADS": "1",
    "FACET_UPLOAD_RATE": "1000000/min",
    "FACET_API_RATE": "1000000/min",
    "FACET_API_USER_RATE": "1000000/min",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site"), workers=2, **SETTINGS) as started:
        yield started


def small(seed: int) -> bytes:
    return pictures.jpeg(64, 48, seed=seed)


def send_until_answered(site: Site, files: list[tuple[str, bytes]]) -> Any:
    """As a program would that was cut off: once more, as often as it takes."""
    last = ""
    for _ in range(200):
        try:
            return site.upload(files)
        except urllib.error.HTTPError as refused:
            if refused.code not in (429, 503):
                raise
            last = f"{refused.code}: {refused.read().decode()}"
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            last = repr(error)
        time.sleep(0.3)
    raise AssertionError(f"nobody answers: {last}")


def states(site: Site, name: str) -> dict[str, int]:
    """How many photos of somebody are in which state."""
    mine = f"owner_id = (SELECT id FROM classifier_user WHERE username = '{name}')"
    return dict(site.ask_database(f"SELECT state, count(*) FROM classifier_photo WHERE {mine} GROUP BY state"))


def assert_done_once(site: Site, name: str, *, count: int) -> None:
    """Every photo is analysed, with one face that one model looked at once."""
    done = {"done": count}
    wait_for(lambda: states(site, name) == done, seconds=FINISH_SECONDS, what=f"not {count} done: {states(site, name)}")
    faces = "SELECT count(*) FROM classifier_face f WHERE photo_id = p.id"
    predictions = "SELECT count(*) FROM classifier_prediction WHERE face_id = f.id"
    twice = f"SELECT count(*) FROM classifier_photo p WHERE state = 'done' AND ({faces} AND ({predictions}) = 1) <> 1"
    assert site.ask_database(twice) == [(0,)]


def test_uploads_that_are_cut_off_by_kills_of_the_web_process_are_there_once(site):
    site.make_user("web")
    done = threading.Event()

    def kill_now_and_then() -> int:
        for kill in range(WEB_KILLS):
            wait_for(site.is_listening, seconds=60, what="the web process does not answer")
            (pid,) = site.web_pids()
            time.sleep(0.2 + 0.13 * kill)  # in another moment of an upload each time
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda old=pid: set(site.web_pids()) - {old}, seconds=60, what="no new web process")
        done.set()
        return WEB_KILLS

    outcomes: Counter[str] = Counter()
    with ThreadPoolExecutor(1) as beside:
        killing = beside.submit(kill_now_and_then)
        for number in range(UPLOADS):
            files = [(f"{number}-{n}.jpg", pictures.jpeg(400, 300, seed=1000 + 3 * number + n)) for n in range(3)]
            answer = send_until_answered(site, files)
            outcomes += Counter(item["outcome"] for item in answer["items"])
            if number == UPLOADS // 2:
                done.wait(60)  # kills that are left meet the second half
        assert killing.result() == WEB_KILLS
    assert set(outcomes) <= {"accepted", "duplicate"}  # what was stored before an answer was lost
    assert outcomes.total() == 3 * UPLOADS
    assert_done_once(site, "web", count=3 * UPLOADS)


def test_a_worker_that_stands_still_for_longer_than_its_lease_changes_nothing_when_it_goes_on(site):
    site.make_user("stopped")
    rounds = 3 if FULL else 1
    for turn in range(rounds):
        files = [(f"{n}.jpg", small(5000 + 40 * turn + n)) for n in range(40)]
        pids = wait_for(lambda: len(site.worker_pids()) == 2 and site.worker_pids(), seconds=60, what="no two workers")
        stopped = pids[turn % 2]
        send_until_answered(site, files)
        time.sleep(0.1)
        os.kill(stopped, signal.SIGSTOP)
        time.sleep(STOPPED_SECONDS)
        os.kill(stopped, signal.SIGCONT)
    assert_done_once(site, "stopped", count=40 * rounds)


def test_photos_that_kill_or_stop_whoever_looks_fail_alone_and_the_others_are_done(site):
    """Ten workers die of one photo, which is then given up; three give up on one that never ends."""
    site.make_user("hostile")
    deadly = [("blue.jpg", pictures.encode(Image.new("RGB", (64, 48), (0, 0, 255)), "JPEG"))]
    if FULL:
        deadly.append(("red.jpg", pictures.encode(Image.new("RGB", (64, 48), (255, 0, 0)), "JPEG")))
    harmless = [(f"{n}.jpg", small(7000 + n)) for n in range(12)]
    send_until_answered(site, harmless[:6] + deadly + harmless[6:])
    wait_for(lambda: states(site, "hostile").get("done") == 12, seconds=FINISH_SECONDS, what="the others wait")
    if FULL:
        wait_for(lambda: states(site, "hostile").get("failed") == 2, seconds=FINISH_SECONDS, what="no end")
        assert {photo["code"] for photo in site.all_photos()} == {"", "timed_out", "worker_lost"}


def test_of_many_photos_sent_in_one_go_and_half_of_them_twice_each_is_there_once_and_memory_stays(site):
    site.make_user("many")
    numbers = [*range(MANY), *range(0, MANY, MANY // TWICE)]
    requests = [numbers[start : start + EACH] for start in range(0, len(numbers), EACH)]
    outcomes: Counter[str] = Counter()
    early, peak = 0, 0

    def send(request: list[int]) -> Counter[str]:
        answer = send_until_answered(site, [(f"{n}.jpg", small(100_000 + n)) for n in request])
        return Counter(item["outcome"] for item in answer["items"])

    with ThreadPoolExecutor(2) as people:
        for number, counted in enumerate(people.map(send, requests), start=1):
            outcomes += counted
            peak = max(peak, memory(site.web_pids()))
            if number == len(requests) // 5:
                early = peak
    assert outcomes == {"accepted": MANY, "duplicate": TWICE}
    assert_done_once(site, "many", count=MANY)
    wait_for(site.is_sound, seconds=120, what="the doctor finds something")  # of all that was done here
    grown = max(peak, memory(site.web_pids())) - early
    print(f"web process: {early / MIB:.0f} MiB after a fifth, {grown / MIB:+.0f} MiB later")  # noqa: T201
    print(f"workers: {[round(memory([pid]) / MIB) for pid in site.worker_pids()]} MiB")  # noqa: T201
    assert grown < 60 * MIB


def memory(pids: list[int]) -> int:
    """Bytes of these processes and their children."""
    tree = [p for pid in pids for p in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))]
    return sum(process.memory_info().rss for process in tree)
