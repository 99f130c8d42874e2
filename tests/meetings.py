"""Two transactions that meet on PostgreSQL: one stands still once it holds something, until the other waits for it."""

import re
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

SECONDS = 20.0


def need_postgres() -> None:
    """SQLite has one writer at a time, and so no two that could wait for each other."""
    if connection.vendor != "postgresql":
        pytest.skip("needs a DATABASE_URL of PostgreSQL: SQLite has one writer at a time")


def meet(first: Callable[[], object], second: Callable[[], object], *, at: str) -> None:
    """Run `first` up to a statement that matches `at`, then `second` until it waits for a lock or ends, then both on.

    Raises what either of them raises: where each waits for the other, PostgreSQL ends one with "deadlock detected".
    """
    others: list[Future[object]] = []

    def pause(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if not others and re.search(at, sql):
            others.append(threads.submit(_run, second, told=backends.append))
            _wait_until_blocked(others[0], backends)
        return result

    def begin() -> object:
        with connection.execute_wrapper(pause):
            return first()

    backends: list[int] = []
    with ThreadPoolExecutor(2) as threads:
        threads.submit(_run, begin).result()
        assert others, f"no statement of the first matches {at!r}"
        others[0].result()


def _run(work: Callable[[], object], *, told: Callable[[int], object] = lambda _: None) -> object:
    try:
        connection.ensure_connection()
        told(connection.connection.info.backend_pid)
        return work()
    finally:
        connection.close()


def _wait_until_blocked(other: Future[object], backends: list[int]) -> None:
    """Asked over a connection of its own, in the thread that stands still: its own is in the midst of something."""
    watcher = connection.copy()
    try:
        with watcher.cursor() as cursor:
            end = time.monotonic() + SECONDS
            while not other.done() and time.monotonic() < end:
                cursor.execute("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
                if {pid for (pid,) in cursor.fetchall()} & set(backends):
                    return
                time.sleep(0.005)
    finally:
        watcher.close()
    assert other.done(), "the second neither waits for a lock nor ends"
