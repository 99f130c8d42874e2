"""`?wait=` without blocking the site: at most half of a server's threads wait at a time."""

import threading
from collections.abc import Collection
from time import monotonic, sleep

from django.conf import settings
from django.db import connection

from classifier.models import Photo
from classifier.services import seats

SHORTEST_SLEEP, LONGEST_SLEEP = 0.02, 0.5  # seconds
SLEEP_SHARE = 0.1  # sleeps are a tenth of the time waited so far, so an answer comes at most that much late
LONG_SLEEP = 0.25

_slots = threading.BoundedSemaphore(settings.WEB_THREADS // 2)


def wait_until_finished(photo_ids: Collection[int], *, seconds: float) -> bool:
    """Sleep until none of the photos is pending, `seconds` at most; whether they all are finished.

    When as many threads wait already as may, it does not wait at all.
    """
    if not _are_pending(photo_ids):
        return True
    if seconds <= 0 or not _slots.acquire(blocking=False):
        return False
    try:
        if not seats.take_spare_seat():
            return False
        try:
            return _poll(photo_ids, seconds=seconds)
        finally:
            seats.leave_seat()
    finally:
        _slots.release()


def _poll(photo_ids: Collection[int], *, seconds: float) -> bool:
    start = monotonic()
    while (waited := monotonic() - start) < seconds:
        duration = min(max(waited * SLEEP_SHARE, SHORTEST_SLEEP), LONGEST_SLEEP)
        if duration >= LONG_SLEEP:
            _give_connection_back()
        sleep(min(duration, seconds - waited))
        if not _are_pending(photo_ids):
            return True
    return False


def _are_pending(photo_ids: Collection[int]) -> bool:
    return bool(photo_ids) and Photo.objects.filter(pk__in=photo_ids, deleting_at=None).pending().exists()


def _give_connection_back() -> None:
    """A PostgreSQL server has few connections; somebody who only sleeps does not keep one."""
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        connection.close()
