"""Threads of this web process that work long for one request: some are always left for pages.

A request that reads photos or waits for results sits on a seat meanwhile. Two threads have none, and the last free
seat is kept for somebody who sits on no other.
"""

import threading
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager

from django.conf import settings

from classifier.models import User
from classifier.services import refusals

PAGE_THREADS = 2


class Seats:
    """`count` seats; safe to call from several threads, none of which ever waits."""

    def __init__(self, count: int) -> None:
        self._free = max(1, count)
        self._most_each = max(1, count // 2)
        self._lock = threading.Lock()
        self._taken: Counter[Hashable] = Counter()

    @contextmanager
    def take(self, person: Hashable) -> Iterator[None]:
        """A seat for the block. Raises TooManyUploads or Busy when there is none for this person."""
        with self._lock:
            taken = self._taken[person]
            if taken >= self._most_each or (taken and self._free == 1):
                raise refusals.TooManyUploads
            if not self._free:
                raise refusals.Busy
            self._free -= 1
            self._taken[person] += 1
        try:
            yield
        finally:
            with self._lock:
                self._free += 1
                self._taken[person] -= 1
                self._taken += Counter()  # forgets those who have none

    def take_spare(self) -> bool:
        """Take any seat but the last one, if there is one; `leave` gives it back."""
        with self._lock:
            if self._free < 2:
                return False
            self._free -= 1
            return True

    def leave(self) -> None:
        """Give back what `take_spare` gave, and nothing else: a seat more than there are would be handed out."""
        with self._lock:
            self._free += 1


_seats = Seats(settings.WEB_THREADS - PAGE_THREADS)


def take_seat(user: User) -> AbstractContextManager[None]:
    """A seat for an upload of `user`, for the block. Raises TooManyUploads or Busy, and never waits."""
    return _seats.take(user.pk)


def take_spare_seat() -> bool:
    """For a request that merely waits; whether there was one. `leave_seat` gives it back."""
    return _seats.take_spare()


def leave_seat() -> None:
    """Give back the seat that `take_spare_seat` said there was."""
    _seats.leave()
