"""Ends a piece of work with SIGKILL at every step towards the disk, one after the other."""

import os
import signal
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

MOST_KILLS = 500


def kill_at_steps(act: Callable[[], object], *, stride: int = 1) -> int:
    """Call `act` again and again, each time killed a step later, until it ends by itself; the number of kills.

    A step is a flush, a rename, a removal, or a program that is called. Each call is a process of its own.
    """
    for kills in range(MOST_KILLS):
        if not is_killed(act, step=1 + kills * stride):
            return kills
    raise AssertionError("it never ends")


def is_killed(act: Callable[[], object], *, step: int, queries: bool = False) -> bool:
    """Call `act` in a process of its own that is killed at a step, statements to the database among them if wanted.

    Whether it came so far; false where it ended by itself.
    """
    connection.close()
    child = os.fork()
    if child == 0:
        _run_until(step, act, queries=queries)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0, "it failed"
        return False
    assert os.WTERMSIG(status) == signal.SIGKILL
    return True


def _run_until(step: int, act: Callable[[], object], *, queries: bool) -> None:
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
    if queries:
        CursorWrapper.execute = counted(CursorWrapper.execute)
        BaseDatabaseWrapper.commit = counted(BaseDatabaseWrapper.commit)
    code = 1
    try:
        act()
        code = 0
    except BaseException:  # noqa: BLE001 - the process ends here
        traceback.print_exc()
    finally:
        os._exit(code)
