"""Places that people take in turn: who has waited through fewer turns comes first, and nobody takes them all."""

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager


class Turns:
    """`places` in all, at most `most_each` of them for one person; safe to call from several threads.

    A free place goes round the people who wait, and among what one of them waits for to what came first.
    """

    def __init__(self, *, places: int, most_each: int) -> None:
        self._free = places
        self._most_each = most_each
        self._lock = threading.Lock()
        self._held: Counter[Hashable] = Counter()
        self._waiting: OrderedDict[Hashable, deque[threading.Event]] = OrderedDict()  # who is next comes first

    @contextmanager
    def hold(self, person: Hashable) -> Iterator[None]:
        """Wait for a place and keep it for the block."""
        called = threading.Event()
        with self._lock:
            self._waiting.setdefault(person, deque()).append(called)
            self._call_next()
        try:
            called.wait()
            yield
        finally:
            with self._lock:
                if called.is_set():
                    self._free += 1
                    self._held[person] -= 1
                else:  # the wait was interrupted
                    self._leave_queue(person, called)
                self._held += Counter()  # forgets those who hold nothing
                self._call_next()

    def _call_next(self) -> None:
        while self._free:
            person = next((who for who in self._waiting if self._held[who] < self._most_each), None)
            if person is None:
                return
            called = self._waiting[person][0]
            self._leave_queue(person, called)
            if person in self._waiting:
                self._waiting.move_to_end(person)
            self._free -= 1
            self._held[person] += 1
            called.set()

    def _leave_queue(self, person: Hashable, called: threading.Event) -> None:
        self._waiting[person].remove(called)
        if not self._waiting[person]:
            del self._waiting[person]
