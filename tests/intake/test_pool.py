"""The pool of decoding processes: under limits, replaced when they hang or die, gone when their parent is."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import psutil
import pytest
from PIL import Image

from classifier.intake import pool as intake_pool
from classifier.intake.formats import BadImage
from classifier.intake.pool import DecodingPool, Payer, StoredPicture
from tests import pictures

MEMORY_BYTES = 1400 * 1024**2
ROOT = Path(__file__).resolve().parents[2]


@cache
def large_noise() -> bytes:
    """A PNG of 24 megapixels that takes a child a second."""
    return pictures.encode(Image.effect_noise((6000, 4000), 50), "PNG", compress_level=1)


@pytest.fixture
def pool() -> Iterator[DecodingPool]:
    pool = DecodingPool(size=2, memory_bytes=MEMORY_BYTES)
    yield pool
    pool.close()


@pytest.fixture
def store(pool, tmp_path) -> Callable[..., StoredPicture]:
    """Store bytes as `tmp_path/NAME.jpg` and `tmp_path/NAME-small.jpg`."""

    def store(content: bytes, *, name: str = "photo", seconds: float = 20) -> StoredPicture:
        image, thumbnail = tmp_path / f"{name}.jpg", tmp_path / f"{name}-small.jpg"
        return pool.store_picture(
            io.BytesIO(content), image=image, thumbnail=thumbnail, max_pixels=50_000_000, seconds=seconds
        )

    return store


def own_children() -> list[psutil.Process]:
    """The decoding processes of this process, running ones only."""
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "classifier.intake.child" in child.cmdline()
    ]


@pytest.fixture(autouse=True)
def no_other_children() -> Iterator[None]:
    """Tests before these may have used the pool of this process; its children rest meanwhile."""
    intake_pool.get_pool().close()
    yield
    intake_pool.get_pool().close()


def test_a_photo_and_its_thumbnail_are_written_and_their_sizes_told(store, tmp_path):
    stored = store(pictures.jpeg(1024, 768))
    assert (stored.width, stored.height, stored.note) == (1024, 768, "")
    files = {path.name: path.stat() for path in tmp_path.glob("*.jpg*")}
    assert set(files) == {"photo.jpg", "photo-small.jpg"}
    assert stored.stored_bytes == sum(status.st_size for status in files.values())
    assert all(status.st_mode & 0o777 == 0o600 for status in files.values())
    with Image.open(tmp_path / "photo-small.jpg") as thumbnail:
        assert thumbnail.size == (480, 360)


def test_a_note_crosses(store):
    assert store(pictures.animation("GIF")).note == "Only the first of 3 frames is kept."


def test_a_refusal_crosses_with_its_sentence_and_leaves_no_file(store, tmp_path):
    with pytest.raises(BadImage) as caught:
        store(pictures.png_bytes(30_000, 30_000))
    assert caught.value.code == "too_many_pixels"
    assert "50 megapixels" in caught.value.message
    assert list(tmp_path.glob("*.jpg*")) == []


def test_a_file_on_disk_is_read_in_place_and_from_its_beginning(pool, tmp_path):
    with (tmp_path / "sent").open("w+b") as file:
        file.write(pictures.jpeg(64, 48))
        stored = pool.store_picture(
            file, image=tmp_path / "a.jpg", thumbnail=tmp_path / "b.jpg", max_pixels=10_000, seconds=20
        )
    assert stored.width == 64


def test_a_full_disk_is_told_as_such_and_leaves_no_file(store, tmp_path):
    (tmp_path / "photo-small.jpg.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        store(pictures.jpeg())
    assert list(tmp_path.glob("*.jpg*")) == []
    assert store(pictures.jpeg()).width == 320


def test_a_child_that_hangs_is_killed_after_its_time_and_replaced(store):
    store(pictures.jpeg())
    [child] = own_children()
    child.suspend()
    started = time.monotonic()
    with pytest.raises(BadImage) as caught:
        store(pictures.jpeg(), seconds=0.5)
    assert time.monotonic() - started < 5
    assert caught.value.code == "damaged"
    assert "longer than 0.5 s" in caught.value.message
    assert not child.is_running()
    assert store(pictures.jpeg()).width == 320


def test_a_picture_that_takes_too_long_is_given_up(store):
    with pytest.raises(BadImage) as caught:
        store(large_noise(), seconds=0.05)
    assert caught.value.reason == "too_slow"


def test_a_picture_that_takes_too_much_work_is_given_up_and_paid_for_once(pool, tmp_path):
    paid: list[float] = []
    with pytest.raises(BadImage) as caught:
        pool.store_picture(
            io.BytesIO(large_noise()),
            image=tmp_path / "a.jpg",
            thumbnail=tmp_path / "b.jpg",
            max_pixels=50_000_000,
            seconds=60,
            cpu_seconds=0.1,
            payer=Payer("alice", paid.append),
        )
    assert (caught.value.reason, caught.value.code) == ("too_slow", "damaged")
    assert "longer than 0.1 s" in caught.value.message
    assert len(paid) == 1
    assert 0 < paid[0] <= 0.1


def test_waiting_for_a_core_is_not_work(store, tmp_path, pool):
    store(pictures.jpeg())
    [child] = own_children()
    child.suspend()
    paid: list[float] = []
    paths = {"image": tmp_path / "a.jpg", "thumbnail": tmp_path / "b.jpg", "max_pixels": 10**6, "seconds": 60}
    with ThreadPoolExecutor() as threads:
        payer = Payer("alice", paid.append)
        answer = threads.submit(pool.store_picture, io.BytesIO(pictures.jpeg()), cpu_seconds=0.5, payer=payer, **paths)
        time.sleep(1)
        child.resume()
        assert answer.result(20).width == 320
    assert 0 < sum(paid) < 0.5


def test_a_refused_file_is_paid_for_too(pool, tmp_path):
    paid: list[float] = []
    broken = pictures.encode(Image.effect_noise((3000, 2000), 50), "PNG", compress_level=1)[:-5000]
    paths = {"image": tmp_path / "a.jpg", "thumbnail": tmp_path / "b.jpg", "max_pixels": 10**7, "seconds": 60}
    with pytest.raises(BadImage):
        pool.store_picture(io.BytesIO(broken), payer=Payer("alice", paid.append), **paths)
    assert sum(paid) > 0


def test_the_files_of_one_person_keep_nobody_else_waiting(pool, tmp_path, monkeypatch):
    """However many there are and however long they take: they never have every child."""
    ask, go_on = intake_pool.Child.ask, threading.Event()

    def take_long(self, wishes, **options):
        if "slow" in wishes["image"]:
            go_on.wait(60)
        return ask(self, wishes, **options)

    monkeypatch.setattr(intake_pool.Child, "ask", take_long)

    def store_for(person: str, name: str) -> StoredPicture:
        return pool.store_picture(
            io.BytesIO(pictures.jpeg()),
            image=tmp_path / f"{name}.jpg",
            thumbnail=tmp_path / f"{name}-small.jpg",
            max_pixels=10**6,
            seconds=60,
            payer=Payer(person, lambda _: None),
        )

    with ThreadPoolExecutor(12) as threads:
        slow = [threads.submit(store_for, "alice", f"slow{n}") for n in range(10)]
        try:
            for n in range(3):
                assert threads.submit(store_for, "bob", f"quick{n}").result(20).width == 320
            assert not any(future.done() for future in slow)
        finally:
            go_on.set()
        assert [future.result(60).width for future in slow] == [320] * 10


def test_a_child_that_is_killed_midway_does_not_cost_the_photo(store, caplog):
    store(pictures.jpeg())
    [child] = own_children()
    child.suspend()
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(store, pictures.jpeg(200, 100))
        time.sleep(0.3)
        assert not answer.done()
        child.kill()
        assert answer.result(20).width == 200
    assert "a decoding process died on photo photo" in caplog.text


def test_a_child_that_died_while_idle_is_replaced_without_a_word(store, caplog):
    store(pictures.jpeg())
    [child] = own_children()
    child.kill()
    child.wait(5)
    assert store(pictures.jpeg()).width == 320
    assert caplog.text == ""


def test_a_file_that_kills_its_children_is_damaged_and_others_go_on(store, monkeypatch):
    asked: list[int] = []
    ask = intake_pool.Child.ask

    def crash(self, wishes, **options):
        asked.append(self._process.pid)
        self._process.kill()
        return ask(self, wishes, **options)

    with monkeypatch.context() as patch:
        patch.setattr(intake_pool.Child, "ask", crash)
        with pytest.raises(BadImage) as caught:
            store(pictures.jpeg())
    assert caught.value.code == "damaged"
    assert len(set(asked)) == intake_pool.ATTEMPTS
    assert store(pictures.jpeg()).width == 320


def test_a_picture_beyond_the_memory_limit_is_refused_and_others_go_on(tmp_path):
    pool = DecodingPool(size=1, memory_bytes=180 * 1024**2)
    paths = {"image": tmp_path / "a.jpg", "thumbnail": tmp_path / "b.jpg", "max_pixels": 50_000_000, "seconds": 20}
    large = pictures.encode(Image.new("RGB", (7000, 7000)), "PNG", compress_level=1)
    with pytest.raises(BadImage) as caught:
        pool.store_picture(io.BytesIO(large), **paths)
    assert caught.value.code == "too_many_pixels"
    assert "more memory than Facet allows" in caught.value.message
    assert pool.store_picture(io.BytesIO(pictures.jpeg()), **paths).width == 320
    pool.close()


def test_children_are_light_and_give_large_pictures_back(store):
    with pytest.raises(BadImage):
        store(pictures.png_bytes(30_000, 30_000))
    [child] = own_children()
    assert child.memory_info().rss < 60e6
    store(pictures.encode(Image.effect_noise((5000, 400), 50).resize((5000, 4000)), "JPEG"))
    assert child.memory_info().rss < 100e6


def test_threads_share_the_children(store):
    with ThreadPoolExecutor(8) as threads:
        futures = [threads.submit(store, pictures.jpeg(100 + n, 100, seed=n), name=f"photo{n}") for n in range(24)]
        assert [future.result(60).width for future in futures] == [100 + n for n in range(24)]
    assert 1 <= len(own_children()) <= 2


def test_a_child_knows_neither_secrets_nor_the_database(store, monkeypatch):
    monkeypatch.setenv("FACET_SECRET_KEY", "very secret")
    monkeypatch.setenv("DATABASE_URL", "postgres://facet:secret@localhost/facet")
    store(pictures.jpeg())
    [child] = own_children()
    assert "secret" not in str(child.environ()).lower()
    assert child.num_fds() == 5  # /dev/null twice, the log twice, the socket: nothing of the parent's


def test_a_child_is_limited_in_memory_and_leaves_no_core(store):
    store(pictures.jpeg())
    [child] = own_children()
    assert child.rlimit(psutil.RLIMIT_AS) == (MEMORY_BYTES, MEMORY_BYTES)
    assert child.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert child.rlimit(psutil.RLIMIT_NOFILE) == (64, 64)
    # 20 s for the photo, 5 s more until the kernel steps in, and what the child has worked so far.
    assert 25 <= child.rlimit(psutil.RLIMIT_CPU)[0] <= 30


def test_a_child_ends_itself_when_nobody_stops_it():
    code = (
        "from classifier.intake import child; child.GRACE_SECONDS = 0; child.limit_time(seconds=0.3);\nwhile True: pass"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=20, check=False)
    assert -done.returncode in (signal.SIGALRM, signal.SIGXCPU)


def test_a_child_that_cannot_start_is_an_error_of_the_site_not_of_the_photo(store, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="does not start"):
        store(pictures.jpeg())


SCRIPT = """
import io, os, sys, tempfile, uuid
os.environ["DJANGO_SETTINGS_MODULE"] = "webapp.settings"
import psutil
from pathlib import Path
from classifier.intake import pool as intake_pool
from tests import pictures

def children():
    return [c.pid for c in psutil.Process().children() if "classifier.intake.child" in c.cmdline()]

def store():
    folder = Path(tempfile.mkdtemp(dir=sys.argv[1]))
    paths = {"image": folder / "a.jpg", "thumbnail": folder / "b.jpg"}
    intake_pool.get_pool().store_picture(io.BytesIO(pictures.jpeg()), **paths, max_pixels=10**6, seconds=20)

assert children() == []
store()
"""


def start_script(code: str, folder: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"FACET_DATA": str(folder)}
    command = [sys.executable, "-c", SCRIPT + code, str(folder)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


@pytest.mark.parametrize("ending", ["killed", "finished", "interrupted"])
def test_children_end_with_their_parent(tmp_path, ending):
    wait = "pass" if ending == "finished" else "import time; time.sleep(60)"
    with start_script(f"print(*children(), flush=True)\n{wait}", tmp_path) as process:
        assert process.stdout is not None
        [pid] = [int(word) for word in process.stdout.readline().split()]
        if ending == "killed":
            process.kill()
        elif ending == "interrupted":
            process.send_signal(signal.SIGINT)
        process.wait(20)
    end = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end, "the child outlived its parent"
        time.sleep(0.05)


def test_a_forked_process_starts_children_of_its_own(tmp_path):
    code = """
first = children()
pid = os.fork()
if pid == 0:
    store()
    print("forked", len(children()), children() != first, flush=True)
    intake_pool.get_pool().close()
    os._exit(0)
os.waitpid(pid, 0)
store()
print("parent", children() == first, flush=True)
"""
    with start_script(code, tmp_path) as process:
        output, _ = process.communicate(timeout=60)
    assert output.splitlines() == ["forked 1 True", "parent True"]
    assert process.returncode == 0


def test_a_call_that_is_interrupted_gives_its_place_back(pool, store, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    for _ in range(pool.size + 1):
        with monkeypatch.context() as patch:
            patch.setattr(intake_pool.Child, "ask", interrupt)
            with pytest.raises(KeyboardInterrupt):
                store(pictures.jpeg())
    finished = threading.Event()
    threading.Thread(target=lambda: (store(pictures.jpeg()), finished.set())).start()
    assert finished.wait(20)
