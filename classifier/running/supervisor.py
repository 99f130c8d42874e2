"""Runs the site's processes side by side on one machine, without any server installed: web, worker, sweeper."""

import ctypes
import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

logger = logging.getLogger("facet.run")

FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 30.0
HEALTHY_AFTER_SECONDS = 60.0  # a child that lived this long starts again at once
STOP_SECONDS = 25.0  # a worker may finish the batch it has
PR_SET_PDEATHSIG = 1


class AlreadyRunningError(Exception):
    """Another instance works on this data folder."""


def lock_data_folder(folder: Path) -> Any:
    """Hold the folder for this process; keep the returned file open. Raises AlreadyRunningError."""
    file = open(folder / "run.lock", "w")  # noqa: SIM115 - held until the process ends
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise AlreadyRunningError(f"another Facet is running on {folder}") from None
    return file


def _die_with_parent() -> None:
    """On Linux a child ends when its supervisor is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    """One process, started again with growing delays when it dies."""

    name: str
    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    longest_delay: float = LONGEST_DELAY_SECONDS
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    delay: float = FIRST_DELAY_SECONDS

    def start(self) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own commands
            self.command,
            env={**os.environ, **self.environment},
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops its children in order
            preexec_fn=_die_with_parent,
        )
        self.started_at = monotonic()
        logger.info("%s started (pid %d)", self.name, self.process.pid)

    def look_after(self) -> None:
        """Start the process if it is time to, and note when it died."""
        if self.process is None:
            if monotonic() >= self.start_at:
                self.start()
            return
        code = self.process.poll()
        if code is None:
            return
        lived = monotonic() - self.started_at
        self.delay = FIRST_DELAY_SECONDS if lived > HEALTHY_AFTER_SECONDS else self.delay
        logger.warning("%s ended with %d after %.0f s; starting again in %.0f s", self.name, code, lived, self.delay)
        self.process, self.start_at = None, monotonic() + self.delay
        self.delay = min(2 * self.delay, self.longest_delay)

    def terminate(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()

    def wait(self, *, until: float) -> None:
        if self.process is None:
            return
        try:
            self.process.wait(timeout=max(0.0, until - monotonic()))
        except subprocess.TimeoutExpired:
            logger.warning("%s does not stop; killing it", self.name)
            self.process.kill()
            self.process.wait()


def supervise(
    children: Sequence[Child], *, chore: Callable[[], None], chore_seconds: float, look_seconds: float = 0.3
) -> None:
    """Keep the children running and do the chore now and then, until SIGINT or SIGTERM; then stop all of them."""
    stopping = threading.Event()

    def stop(*_: Any) -> None:
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    chore_at = monotonic() + chore_seconds
    try:
        while not stopping.wait(look_seconds):
            for child in children:
                child.look_after()
            if monotonic() >= chore_at:
                chore()
                chore_at = monotonic() + chore_seconds
    finally:
        logger.info("stopping")
        until = monotonic() + STOP_SECONDS
        for child in children:
            child.terminate()
        for child in children:
            child.wait(until=until)
