"""Places are taken in turn between people, and nobody takes them all."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from classifier.intake.turns import Turns
from tests.site import wait_for


class Queue:
    """Threads that hold a place until they are told to leave; `called` are those that got one, in order."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.called: list[str] = []
        self._leave: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def come(self, person: str, name: str) -> None:
        leave = self._leave[name] = threading.Event()
        waiting = self._count_waiting()

        def hold() -> None:
            with self.turns.hold(person):
                self.called.append(name)
                leave.wait(20)

        self._threads.append(threading.Thread(target=hold))
        self._threads[-1].start()
        wait_for(
            lambda: name in self.called or self._count_waiting() > waiting, seconds=10, what=f"{name} did not come"
        )

    def leave(self, name: str) -> None:
        """Send one away and wait until the next has come, if somebody waits."""
        before, waiting = len(self.called), self._count_waiting()
        self._leave[name].set()
        if waiting:
            wait_for(lambda: len(self.called) > before, seconds=10, what=f"nobody came after {name}")

    def end(self) -> None:
        for leave in self._leave.values():
            leave.set()
        for thread in self._threads:
            thread.join(10)

    def _count_waiting(self) -> int:
        return sum(map(len, self.turns._waiting.values()))


@contextmanager
def queue_for(*, places: int, most_each: int) -> Iterator[Queue]:
    queue = Queue(Turns(places=places, most_each=most_each))
    try:
        yield queue
    finally:
        queue.end()


def test_a_place_goes_round_the_people_who_wait():
    with queue_for(places=1, most_each=1) as queue:
        for person, name in [*(("alice", f"a{n}") for n in range(4)), ("bob", "b0"), ("carol", "c0"), ("bob", "b1")]:
            queue.come(person, name)
        for name in ("a0", "a1", "b0", "c0", "a2", "b1"):
            assert queue.called[-1] == name
            queue.leave(name)
        assert queue.called == ["a0", "a1", "b0", "c0", "a2", "b1", "a3"]


def test_one_person_leaves_a_place_for_others():
    with queue_for(places=3, most_each=2) as queue:
        for n in range(5):
            queue.come("alice", f"a{n}")
        assert queue.called == ["a0", "a1"]
        queue.come("bob", "b0")
        assert queue.called == ["a0", "a1", "b0"]
        queue.come("bob", "b1")
        queue.leave("a0")
        assert set(queue.called[3:]) <= {"a2", "b1"}


def test_a_wait_that_is_interrupted_takes_no_place(monkeypatch):
    turns = Turns(places=1, most_each=1)

    def interrupt(self, timeout=None):
        raise KeyboardInterrupt

    with ExitStack() as held:
        held.enter_context(turns.hold("alice"))
        with monkeypatch.context() as patch:
            patch.setattr(threading.Event, "wait", interrupt)
            with pytest.raises(KeyboardInterrupt), turns.hold("bob"):
                pass
    with turns.hold("carol"):
        pass
    assert (turns._free, dict(turns._held), dict(turns._waiting)) == (1, {}, {})
