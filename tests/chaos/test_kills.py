"""kill -9 in the middle of the work: every accepted photo finishes, once. FACET_CHAOS=full runs the large sizes."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests import pictures
from tests.site import Site, running_site, wait_for

FULL = os.environ.get("FACET_CHAOS") == "full"
PHOTOS = 500 if FULL else 50
KILLS = 10 if FULL else 2
FINISH_SECONDS = 600 if FULL else 120

BROKERS = [
    pytest.param("", id="embedded"),
    pytest.param(
        os.environ.get("TEST_REDIS_URL", ""),
        id="redis",
        marks=[
            pytest.mark.redis,
            pytest.mark.skipif(not os.environ.get("TEST_REDIS_URL"), reason="TEST_REDIS_URL names no Redis server"),
        ],
    ),
]


def settings_for(broker: str) -> dict[str, str]:
    stand_in = {} if FULL else {"FACET_PIPELINE": "tests.fakes.SlowPipeline"}
    return {"REDIS_URL": broker, "FACET_LEASE_SECONDS": "3", "FACET_BATCH_PHOTOS": "4", **stand_in}


def send_photos(site: Site) -> None:
    for start in range(0, PHOTOS, 25):
        files = [(f"{n}.jpg", pictures.jpeg(200, 150, seed=n + 1)) for n in range(start, min(start + 25, PHOTOS))]
        answer = site.upload(files)
        assert [item["outcome"] for item in answer["items"]] == ["accepted"] * len(files)


def finished(site: Site) -> list[dict]:
    return [photo for photo in site.all_photos() if photo["state"] in ("done", "failed")]


def assert_each_photo_was_done_once(site: Site) -> None:
    wait_for(lambda: len(finished(site)) == PHOTOS, seconds=FINISH_SECONDS, what="photos are left over")
    photos = site.all_photos()
    assert [photo["state"] for photo in photos] == ["done"] * PHOTOS
    assert all(len({face["number"] for face in photo["faces"]}) == len(photo["faces"]) for photo in photos)
    if not FULL:
        assert [len(photo["faces"]) for photo in photos] == [1] * PHOTOS
    doubled = site.manage(
        "shell",
        "-v0",
        "-c",
        "from django.db.models import Count; from classifier.models import Face; "
        "print(Face.objects.annotate(n=Count('predictions')).exclude(n=1).count())",
    )
    assert doubled.splitlines()[-1] == "0"


def break_broker(folder: Path) -> None:
    """A power cut in the middle of writing: no table and no message is whole."""
    for name, content in (("celery", b""), ("celery.pidbox", b'[["'), ("celeryev", b"5"), ("reply.celery.pidbox", b"")):
        (folder / "control" / f"{name}.exchange").write_bytes(content)
    for number, content in enumerate((b"", b"{", b"{}", b"5", b'{"body": "W10=", "headers": {}, "properties": {}}')):
        (folder / "messages" / f"{number}.celery.msg").write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("broker", BROKERS)
def test_every_photo_finishes_once_although_the_worker_is_killed(tmp_path, broker):
    with running_site(tmp_path, **settings_for(broker)) as site:
        site.make_user()
        send_photos(site)
        for kill in range(KILLS):
            at_least = (kill + 1) * PHOTOS // (KILLS + 2)
            wait_for(lambda n=at_least: len(finished(site)) >= n, seconds=FINISH_SECONDS, what="no progress")
            (pid,) = wait_for(site.worker_pids, seconds=60, what="no worker came back")
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda old=pid: set(site.worker_pids()) - {old}, seconds=60, what="no new worker")
        assert_each_photo_was_done_once(site)


@pytest.mark.slow
def test_what_was_accepted_is_finished_after_the_whole_site_was_killed(tmp_path):
    with running_site(tmp_path, **settings_for("")) as site:
        site.make_user()
        send_photos(site)
        site.process.kill()
        site.process.wait()
        time.sleep(1)  # the children follow their parent
        break_broker(Path(site.environment["FACET_DATA"]) / "broker")
        site.start()
        assert "worker 1 ended" not in site.log.read_text()
        assert_each_photo_was_done_once(site)


@pytest.mark.slow
def test_two_starts_on_one_data_folder_refuse_each_other(tmp_path):
    with running_site(tmp_path, **settings_for("")) as site:
        second = Site(tmp_path, **settings_for(""))
        with pytest.raises(AssertionError, match="another Facet is running"):
            second.start()
        assert second.process.wait(timeout=30) != 0
        assert site.is_ready()
        assert site.stop() == 0
