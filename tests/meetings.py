"""Transactions that meet on PostgreSQL: one stands still once it holds something, until the others wait for a lock."""

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


def meet(first: Callable[[], object], *others: Callable[[], object], at: str) -> None:
    """Run `first` up to a statement that matches `at`, then each of the others until it waits for a lock or ends.

    Then all go on. Raises what any of them raises: where each waits for the other, PostgreSQL ends one with "deadlock
    detected".
    """
    begun: list[Future[object]] = []

    def pause(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if not begun and re.search(at, sql):
            for other in others:
                backends: list[int] = []
                begun.append(threads.submit(_run, other, told=backends.append))
                _wait_until_blocked(begun[-1], backends)
        return result

    def begin() -> object:
        with connection.execute_wrapper(pause):
            return first()

    with ThreadPoolExecutor(1 + len(others)) as threads:
        threads.submit(_run, begin).result()
        assert begun, f"no statement of the first matches {at!r}"
        for other in begun:
            other.result()


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
    assert other.done(), "it neither waits for a lock nor ends"
