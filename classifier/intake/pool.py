"""A small pool of child processes that decode untrusted files, under limits of memory and time.

A child gets an open file and two paths and hands back sizes; no pixels cross. It knows neither database nor secrets,
starts when it is first needed, and ends with its parent, whose end of the socket closes then. One that hangs or dies
is replaced. Threads may call at once; the people they work for take the children in turn.
"""

import atexit
import io
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import monotonic
from typing import IO, Any

from django.conf import settings

from classifier.intake import spool
from classifier.intake.formats import BadImage
from classifier.intake.turns import Turns

logger = logging.getLogger("facet.decoding")

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30
STOP_SECONDS = 2
ATTEMPTS = 2  # children that one file may cost: one may be killed by others, a file that kills two is to blame
BASE_BYTES = 400 * 1024**2  # address space of a child before it reads anything, libraries included
RESERVE = 1  # children beyond those that one person may keep busy, for somebody else's photo meanwhile
OUT_OF_CPU = (-signal.SIGPROF, -signal.SIGXCPU)  # how a child ends that has worked for longer than it may
BYTES_PER_PIXEL = 20  # a picture in memory takes 4; a conversion holds two or three, and decoders have buffers

# All that a child learns of its parent's environment, and an allocator that gives large pictures back at once.
INHERITED = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(4 * 1024**2), "MALLOC_ARENA_MAX": "2"}


@dataclass(frozen=True)
class StoredPicture:
    """What was written: the upright photo's size in pixels, bytes of photo and thumbnail together, and a note.

    `captured_on` is the day on which it was taken, where that was asked for and the file tells it.
    """

    width: int
    height: int
    stored_bytes: int
    note: str
    captured_on: date | None = None


@dataclass(frozen=True)
class Payer:
    """In whose turn a file is decoded, and what is told the seconds of CPU time that this took."""

    person: Hashable
    spend: Callable[[float], object]


SITE = Payer("site", lambda _: None)


class ChildDied(Exception):
    """A child closed its socket: a decoder crashed in it, it used its time up, or somebody killed it.

    `status` is that of its end, as subprocess tells it; None when it does not end.
    """

    def __init__(self, status: int | None) -> None:
        self.status = status
        super().__init__(f"ended with {status}")


class Child:
    """One decoding process and the socket to it."""

    def __init__(self, *, memory_bytes: int) -> None:
        self._socket, theirs = socket.socketpair()
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ} | ALLOCATOR
        environment["TMPDIR"] = str(settings.SPOOL_DIR)
        command = [sys.executable, "-m", "classifier.intake.child", str(memory_bytes)]
        with theirs:
            self._process = subprocess.Popen(command, cwd=ROOT, stdin=theirs.fileno(), env=environment)  # noqa: S603
        try:
            self._receive(seconds=START_SECONDS)
        except (ChildDied, TimeoutError) as error:
            self.kill()
            raise RuntimeError("A decoding process does not start; its own words are in the log.") from error

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, wishes: dict[str, Any], *, descriptor: int, seconds: float) -> dict[str, Any]:
        """Have one open file decoded. Raises ChildDied, or TimeoutError when no answer comes in time."""
        try:
            socket.send_fds(self._socket, [json.dumps(wishes).encode()], [descriptor])
        except ConnectionError as error:
            raise self._tell_end() from error
        return self._receive(seconds=seconds)

    def stop(self) -> None:
        """Let an idle child end by itself."""
        self._socket.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._socket.close()

    def forget(self) -> None:
        """After a fork: the child is the other process's, so only our copy of the socket goes."""
        self._socket.close()
        self._process.returncode = 0

    def _receive(self, *, seconds: float) -> dict[str, Any]:
        deadline = monotonic() + seconds
        answer = b""
        while not answer.endswith(b"\n"):
            self._socket.settimeout(max(deadline - monotonic(), 0.001))
            try:
                received = self._socket.recv(65_536)
            except ConnectionError as error:
                raise self._tell_end() from error
            if not received:
                raise self._tell_end()
            answer += received
        content: dict[str, Any] = json.loads(answer)
        return content

    def _tell_end(self) -> ChildDied:
        try:
            return ChildDied(self._process.wait(STOP_SECONDS))
        except subprocess.TimeoutExpired:
            return ChildDied(None)


class DecodingPool:
    """Children with an address space of `memory_bytes` each; safe to call from several threads.

    One person keeps at most `size` of them busy. There is one more, so that whoever comes meanwhile waits for no file
    of that person, however slow.
    """

    def __init__(self, *, size: int, memory_bytes: int) -> None:
        self.size = size
        self._memory_bytes = memory_bytes
        self._turns = Turns(places=size + RESERVE, most_each=size)
        self._idle: list[Child] = []  # the last one back is the first to go, so that others may rest
        self._children: set[Child] = set()

    def store_picture(
        self,
        file: IO[bytes],
        *,
        image: Path,
        thumbnail: Path,
        max_pixels: int,
        seconds: float,
        cpu_seconds: float | None = None,
        payer: Payer = SITE,
        keeps_date: bool = False,
        turned: int = 0,
    ) -> StoredPicture:
        """Decode an untrusted file and write it durably as the JPEGs `image` and `thumbnail`.

        It is turned clockwise by 0, 90, 180 or 270 degrees.

        A child may work for `cpu_seconds` (for as long as `seconds` when left out) and is waited for `seconds`.
        Raises BadImage when the file is refused and OSError when the disk does not take it; neither leaves a whole
        file, and both are paid for.
        """
        most = seconds if cpu_seconds is None else cpu_seconds
        paths = {"image": str(image), "thumbnail": str(thumbnail)}
        limits = {"max_pixels": max_pixels, "seconds": seconds, "cpu_seconds": most}
        wishes = paths | limits | {"keeps_date": keeps_date, "turned": turned}
        with open_descriptor(file) as descriptor:
            for _ in range(ATTEMPTS):
                os.lseek(descriptor, 0, os.SEEK_SET)
                started = monotonic()
                try:
                    with self._borrow_child(payer.person) as child:
                        started = monotonic()
                        answer = child.ask(wishes, descriptor=descriptor, seconds=seconds)
                except TimeoutError:
                    payer.spend(min(seconds, most))
                    logger.warning("photo %s took longer than %s s to decode", image.stem, seconds)
                    raise BadImage("too_slow", seconds=seconds) from None
                except ChildDied as died:
                    payer.spend(min(monotonic() - started, most))
                    if died.status in OUT_OF_CPU:
                        logger.warning("photo %s took more than %s s of work to decode", image.stem, most)
                        raise BadImage("too_slow", seconds=most) from None
                    logger.warning("a decoding process died on photo %s", image.stem)
                else:
                    payer.spend(min(answer.pop("cpu_seconds"), most))
                    return read_answer(answer)
        raise BadImage("damaged")

    def close(self) -> None:
        """End the children that are idle; they start again when needed."""
        while child := self._pop_idle():
            self._children.discard(child)
            child.stop()

    def forget_children(self) -> None:
        """Called in a forked process, to which the children do not belong."""
        for child in self._children:
            child.forget()

    @contextmanager
    def _borrow_child(self, person: Hashable) -> Iterator[Child]:
        """A child for one file. After anything but an answer its state is unknown, so it is killed."""
        with self._turns.hold(person):
            child = self._take_child()
            is_whole = False
            try:
                yield child
                is_whole = True
            finally:
                if is_whole:
                    self._idle.append(child)
                else:
                    self._children.discard(child)
                    child.kill()

    def _take_child(self) -> Child:
        while child := self._pop_idle():
            if child.is_alive():
                return child
            self._children.discard(child)
            child.stop()
        child = Child(memory_bytes=self._memory_bytes)
        self._children.add(child)
        return child

    def _pop_idle(self) -> Child | None:
        try:
            return self._idle.pop()
        except IndexError:  # asking first whether there is one would leave room for another thread in between
            return None


def read_answer(answer: dict[str, Any]) -> StoredPicture:
    """What a child said, as a result or as the exception that it stands for."""
    if "reason" in answer:
        raise BadImage(answer["reason"], **answer["values"])
    if "errno" in answer:
        raise OSError(answer["errno"], os.strerror(answer["errno"]))
    day = answer.pop("captured_on", None)
    return StoredPicture(**answer, captured_on=day and date.fromisoformat(day))


@contextmanager
def open_descriptor(file: IO[bytes]) -> Iterator[int]:
    """A descriptor of a file's bytes: its own, or that of a nameless copy where the file lies in memory."""
    try:
        descriptor = file.fileno()
    except io.UnsupportedOperation:
        with spool.open_nameless(settings.SPOOL_DIR) as copy:
            file.seek(0)
            shutil.copyfileobj(file, copy)
            copy.flush()
            yield copy.fileno()
    else:
        file.flush()
        yield descriptor


_pool: DecodingPool | None = None
_pool_lock = threading.Lock()


def get_pool() -> DecodingPool:
    """The pool of this process; its children start when they are first needed."""
    global _pool
    with _pool_lock:
        if _pool is None:
            memory_bytes = BASE_BYTES + BYTES_PER_PIXEL * settings.MAX_PIXELS
            _pool = DecodingPool(size=settings.DECODE_PROCESSES, memory_bytes=memory_bytes)
            atexit.register(_pool.close)
        return _pool


def _start_afresh_after_fork() -> None:
    global _pool, _pool_lock
    _pool_lock = threading.Lock()
    if _pool is not None:
        _pool.forget_children()
        _pool = None


os.register_at_fork(after_in_child=_start_afresh_after_fork)
