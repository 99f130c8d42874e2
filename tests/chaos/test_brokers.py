"""Whole sites whose Redis hangs or is killed: nothing waits for it, and work goes on when it is back."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests import pictures
from tests.servers import OwnRedis
from tests.site import ROOT, Site, running_site, wait_for

pytestmark = pytest.mark.skipif(
    bool(os.environ.get("TEST_REDIS_URL")), reason="brings a Redis of its own: once, where the others have none"
)

UPLOAD_SECONDS = 1  # of an upload's answer while Redis is away; with a second to spare for a busy machine
FINISH_SECONDS = 90


@pytest.fixture
def own_redis(tmp_path) -> Iterator[OwnRedis]:
    server = OwnRedis(tmp_path / "redis")
    server.start("--save", "")
    try:
        yield server
    finally:
        server.kill()


def upload_one(site: Site, *, seed: int) -> float:
    """Seconds until one photo was accepted."""
    start = time.monotonic()
    answer = site.upload([(f"{seed}.jpg", pictures.jpeg(200, 150, seed=seed))])
    assert [item["outcome"] for item in answer["items"]] == ["accepted"]
    return time.monotonic() - start


def all_done(site: Site, *, count: int) -> bool:
    return [photo["state"] for photo in site.all_photos()] == ["done"] * count


def settings_for(broker: str) -> dict[str, str]:
    return {"REDIS_URL": broker, "FACET_LEASE_SECONDS": "3", "FACET_PIPELINE": "tests.fakes.FakePipeline"}


@pytest.mark.slow
def test_uploads_do_not_wait_for_a_redis_that_hangs_or_is_gone_and_are_analysed_when_it_is_back(tmp_path, own_redis):
    with running_site(tmp_path, **settings_for(own_redis.url)) as site:
        site.make_user()
        upload_one(site, seed=1)
        wait_for(lambda: all_done(site, count=1), seconds=FINISH_SECONDS, what="the photo waits")
        own_redis.hang()
        assert max(upload_one(site, seed=seed) for seed in (2, 3)) < 1 + UPLOAD_SECONDS
        own_redis.go_on()
        wait_for(lambda: all_done(site, count=3), seconds=FINISH_SECONDS, what="photos wait after it went on")
        own_redis.kill()
        assert max(upload_one(site, seed=seed) for seed in (4, 5)) < 1 + UPLOAD_SECONDS
        own_redis.start("--save", "")
        wait_for(lambda: all_done(site, count=5), seconds=FINISH_SECONDS, what="photos wait after it came back")


@pytest.mark.slow
def test_beat_leaves_one_message_without_a_worker_and_finds_redis_again(tmp_path, own_redis):
    environment = {
        **os.environ,
        "FACET_DATA": str(tmp_path / "data"),
        "REDIS_URL": own_redis.url,
        "FACET_SWEEP_SECONDS": "0.1",
    }
    command = [sys.executable, "-m", "celery", "-A", "webapp", "beat", "--schedule", str(tmp_path / "beat")]
    beat = subprocess.Popen([*command, "--loglevel", "CRITICAL"], cwd=ROOT, env=environment)

    def waiting() -> int:
        return own_redis.client.llen("celery")

    try:
        wait_for(waiting, seconds=60, what="beat sends nothing")
        time.sleep(2)  # twenty sweeps
        assert waiting() == 1
        own_redis.kill()
        time.sleep(1)
        own_redis.start("--save", "")
        wait_for(waiting, seconds=60, what="beat does not find Redis again")
        time.sleep(1)
        assert waiting() == 1
    finally:
        beat.terminate()
        assert beat.wait(timeout=20) is not None
