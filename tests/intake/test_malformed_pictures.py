"""Pictures that broke a decoder once: Pillow tests itself with them, and here they are sent to the site's decoders.

They come with Pillow's source distribution, which is fetched once through pip, or lies where FACET_PILLOW_SOURCE says.
"""

import os
import re
import subprocess
import sys
import tarfile
import time
from contextlib import suppress
from pathlib import Path

import PIL
import psutil
import pytest

from classifier.intake.formats import BadImage
from classifier.intake.pool import DecodingPool, StoredPicture
from tests import pictures

MEMORY_BYTES = 1024**3
SECONDS = 10  # of work that one may take
FETCH_SECONDS = 120
NAME = re.compile(
    r"Tests/images/(.*/)?(crash|oom|timeout|ossfuzz|sgi_crash|.*(bad|broken|invalid|malform|truncated|typeerror|error))"
    r"[^/]*$|Tests/images/bmp/b/[^/]+$"
)
FEWEST = 70  # files of such names; there were 76 in Pillow 13


@pytest.fixture(scope="module")
def source(request) -> Path:
    folder = Path(os.environ.get("FACET_PILLOW_SOURCE") or request.config.cache.mkdir("pillow-source"))
    name = f"pillow-{PIL.__version__}.tar.gz"
    if not (folder / name).exists() and "FACET_PILLOW_SOURCE" not in os.environ:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "pillow"]
        options = ["--timeout", "5", "--retries", "0", "--dest", str(folder), f"pillow=={PIL.__version__}"]
        try:
            subprocess.run([*command, *options], capture_output=True, timeout=FETCH_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.skip("Pillow's source distribution cannot be fetched in time")
    if not (folder / name).exists():
        pytest.skip("needs Pillow's source distribution, which pip could not fetch")
    return folder / name


def list_decoders() -> set[int]:
    """The process ids of the children that decode; other tests leave some that have ended and were not asked for."""
    found = set()
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # that it is a zombie, too
            if "classifier.intake.child" in child.cmdline():
                found.add(child.pid)
    return found


def test_none_of_them_ends_a_process_takes_long_or_takes_much_memory(source, tmp_path, caplog):
    pool = DecodingPool(size=2, memory_bytes=MEMORY_BYTES)
    outcomes: dict[str, str] = {}
    most = 0

    def store(file, name: str) -> StoredPicture:
        image, thumbnail = tmp_path / f"{name}.jpg", tmp_path / f"{name}-small.jpg"
        return pool.store_picture(file, image=image, thumbnail=thumbnail, max_pixels=50_000_000, seconds=SECONDS)

    try:
        store(open_picture(tmp_path), "first")
        children = list_decoders()
        started = time.monotonic()
        with tarfile.open(source) as archive:
            for member in archive:
                if not (member.isfile() and NAME.search(member.name)):
                    continue
                sent = tmp_path / "sent"
                sent.write_bytes(archive.extractfile(member).read())
                with sent.open("rb") as file:
                    try:
                        outcomes[member.name] = store(file, f"{len(outcomes)}").note or "read"
                    except BadImage as refused:
                        outcomes[member.name] = refused.code
                most = max(most, *(psutil.Process(pid).memory_info().rss for pid in children if psutil.pid_exists(pid)))
        took = time.monotonic() - started
        assert store(open_picture(tmp_path), "last").width == 320
    finally:
        pool.close()
    assert len(outcomes) >= FEWEST
    assert len({*outcomes.values()} & {"unsupported", "damaged", "read"}) >= 2
    assert "died" not in caplog.text
    assert "took" not in caplog.text  # longer than it may
    assert took < SECONDS + len(outcomes) / 2
    assert most < MEMORY_BYTES


def open_picture(folder: Path):
    (folder / "good").write_bytes(pictures.jpeg())
    return (folder / "good").open("rb")
