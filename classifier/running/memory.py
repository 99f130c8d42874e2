"""Memory that is free but in pieces: given back to the system, so that a worker does not grow with what it has seen."""

import ctypes
from contextlib import suppress
from time import monotonic

RELEASE_SECONDS = 10  # at most so often: a moment's work, and what is given back must be asked for again

_released_at = float("-inf")


def release_now_and_then() -> bool:
    """Give the free pages of glibc's heap back, unless that was done of late; whether it was done now.

    Photos of many sizes leave it with pages that are free but lie between others. Elsewhere than on glibc the system
    is left to itself.
    """
    global _released_at
    now = monotonic()
    if now - _released_at < RELEASE_SECONDS:
        return False
    _released_at = now
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return True
