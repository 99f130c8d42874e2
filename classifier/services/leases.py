"""Keeps a lease alive while its rows are worked on, and gives up on work that hangs."""

import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from classifier.models import LeasedQuerySet

logger = logging.getLogger("facet.leases")

RENEWALS_PER_LEASE = 3
RETRY_SECONDS = 1.0  # after a renewal that failed: there is time for a few more before the lease is over
HANGS_AFTER_LEASES = 5  # work that takes longer than this many leases is taken to hang


def leave_process() -> None:
    """End a worker whose work hangs; whoever runs it starts another."""
    os._exit(75)


@contextmanager
def keep_lease(
    rows: LeasedQuerySet,
    *,
    token: uuid.UUID,
    alone: bool,
    on_hang: Callable[[], None] = leave_process,
    hangs_after: int = HANGS_AFTER_LEASES,
) -> Iterator[None]:
    """Renew the lease of one claim from a thread until the block ends.

    After `hangs_after` leases a row that was claimed alone is counted a failed attempt (`timed_out`); rows of a
    larger batch are left to run out, so that they come back one by one. Then `on_hang` is called.
    """
    finished = threading.Event()
    thread = threading.Thread(
        target=_renew_until, args=(finished, rows, token, alone, on_hang, hangs_after), name="lease", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        finished.set()


def _renew_until(
    finished: threading.Event,
    rows: LeasedQuerySet,
    token: uuid.UUID,
    alone: bool,
    on_hang: Callable[[], None],
    hangs_after: int,
) -> None:
    deadline = monotonic() + hangs_after * settings.LEASE_SECONDS
    between = pause = settings.LEASE_SECONDS / RENEWALS_PER_LEASE
    try:
        while not finished.wait(pause):
            if monotonic() > deadline:
                logger.error("work under lease %s hangs; giving up", token)
                if alone:
                    _fail_hanging(rows, token=token)
                on_hang()
                return
            try:
                rows.renew(token=token)
                pause = between
            except (DatabaseError, InterfaceError):
                logger.warning("lease %s could not be renewed; trying again", token)
                connection.close()  # a broken one stays broken: the next query opens another
                pause = min(RETRY_SECONDS, between)
    finally:
        connection.close()


def _fail_hanging(rows: LeasedQuerySet, *, token: uuid.UUID) -> None:
    try:
        for pk in rows.filter(token=token).values_list("pk", flat=True):
            rows.fail_attempt(pk=pk, token=token, code="timed_out")
    except (DatabaseError, InterfaceError):
        logger.warning("the attempt under lease %s could not be counted", token)
