"""A whole site on a disk that another program fills and frees again, while photos wait and come in."""

import os
import subprocess
import urllib.error
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests import pictures
from tests.site import Site, running_site, wait_for

FULL = os.environ.get("FACET_CHAOS") == "full"
DISK_MB = 64
PHOTOS = 100 if FULL else 12  # that wait when the disk fills
ROUNDS = 5 if FULL else 1
FINISH_SECONDS = 180
SETTINGS = {
    "REDIS_URL": "",
    "FACET_PIPELINE": "tests.fakes.SlowPipeline",
    "FACET_LEASE_SECONDS": "2",
    "FACET_RESERVE_MB": "4",
    "FACET_LOW_DISK_MB": "1",  # or the doctor would find so small a disk alarming
}

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path) -> Iterator[Path]:
    """A small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small file system; tests/services/test_disk.py has the same without one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take every byte that is left; the file that has them."""
    junk = folder / "junk"
    with junk.open("ab", buffering=0) as file:
        for size in (1024**2, 4096, 1):
            with suppress(OSError):
                while file.write(b"x" * size):
                    pass
    return junk


def send(site: Site, *, first: int, count: int) -> list[str]:
    files = [(f"{n}.jpg", pictures.jpeg(64, 48, seed=n)) for n in range(first, first + count)]
    return [item["photo"]["uid"] for item in site.upload(files)["items"]]


def status_of_upload(site: Site, *, seed: int) -> int:
    try:
        site.upload([("one.jpg", pictures.jpeg(200, 150, seed=seed))])
    except urllib.error.HTTPError as refused:
        return refused.code
    return 200


def test_a_disk_that_fills_refuses_photos_and_loses_none_and_goes_on_when_it_is_freed(folder):
    with running_site(folder, **SETTINGS) as site:
        site.make_user()
        uids = []
        for turn in range(ROUNDS):
            uids += send(site, first=1000 * (turn + 1), count=PHOTOS)
            junk = fill(folder)
            assert status_of_upload(site, seed=turn) == 507
            assert site.is_listening()
            assert site.worker_pids()
            junk.unlink()
            wait_for(lambda n=turn: status_of_upload(site, seed=500 + n) == 200, seconds=60, what="no photo is taken")
        wait_for(lambda: states(site) == {"done"}, seconds=FINISH_SECONDS, what="photos wait for ever")
        stored = {str(uid).replace("-", "") for (uid,) in site.ask_database("SELECT uid FROM classifier_photo")}
        assert {uid.replace("-", "") for uid in uids} <= stored
        assert len(stored) == len(uids) + ROUNDS
        assert site.ask_database("SELECT count(*), count(DISTINCT photo_id) FROM classifier_face") == [
            (len(stored), len(stored))
        ]
        wait_for(site.is_sound, seconds=90, what="the doctor finds something")


def states(site: Site) -> set[str]:
    return {state for (state,) in site.ask_database("SELECT DISTINCT state FROM classifier_photo")}
