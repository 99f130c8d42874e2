"""Ends a piece of work with SIGKILL at every step towards the disk, one after the other."""

import os
import signal
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path

from django.db import connection

MOST_KILLS = 500


def kill_at_steps(act: Callable[[], object], *, stride: int = 1) -> int:
    """Call `act` again and again, each time killed a step later, until it ends by itself; the number of kills.

    A step is a flush, a rename, a removal, or a program that is called. Each call is a process of its own.
    """
    step = 1
    for kills in range(MOST_KILLS):
        connection.close()
        child = os.fork()
        if child == 0:
            _run_until(step, act)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, "it failed"
            return kills
        assert os.WTERMSIG(status) == signal.SIGKILL
        step += stride
    raise AssertionError("it never ends")


def _run_until(step: int, act: Callable[[], object]) -> None:
    left = step

    def counted(function):
        def count(*args, **kwargs):
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return count

    os.fsync = counted(os.fsync)
    subprocess.run = counted(subprocess.run)
    for name in ("rename", "unlink"):
        setattr(Path, name, counted(getattr(Path, name)))
    code = 1
    try:
        act()
        code = 0
    except BaseException:  # noqa: BLE001 - the process ends here
        traceback.print_exc()
    finally:
        os._exit(code)
