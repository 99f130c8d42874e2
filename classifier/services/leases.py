"""Keeps a lease alive while its rows are worked on, and gives up on work that hangs."""

import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from django.conf import settings
from django.db import DatabaseError, connection

from classifier.models import LeasedQuerySet

logger = logging.getLogger("facet.leases")

RENEWALS_PER_LEASE = 3
HANGS_AFTER_LEASES = 5  # work that takes longer than this many leases is taken to hang


def leave_process() -> None:
    """End a worker whose work hangs; whoever runs it starts another."""
    os._exit(75)


@contextmanager
def keep_lease(
    rows: LeasedQuerySet, *, token: uuid.UUID, alone: bool, on_hang: Callable[[], None] = leave_process
) -> Iterator[None]:
    """Renew the lease of one claim from a thread until the block ends.

    After `HANGS_AFTER_LEASES` leases a row that was claimed alone is counted a failed attempt (`timed_out`); rows of a
    larger batch are left to run out, so that they come back one by one. Then `on_hang` is called.
    """
    finished = threading.Event()
    thread = threading.Thread(
        target=_renew_until, args=(finished, rows, token, alone, on_hang), name="lease", daemon=True
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
) -> None:
    deadline = monotonic() + HANGS_AFTER_LEASES * settings.LEASE_SECONDS
    try:
        while not finished.wait(settings.LEASE_SECONDS / RENEWALS_PER_LEASE):
            if monotonic() > deadline:
                logger.error("work under lease %s hangs; giving up", token)
                if alone:
                    for pk in rows.filter(token=token).values_list("pk", flat=True):
                        rows.fail_attempt(pk=pk, token=token, code="timed_out")
                on_hang()
                return
            try:
                rows.renew(token=token)
            except DatabaseError:
                logger.warning("lease %s could not be renewed; trying again", token)
    finally:
        connection.close()
