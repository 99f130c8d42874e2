import ctypes
from types import SimpleNamespace

import pytest

from classifier import tasks
from classifier.running import memory


@pytest.fixture(autouse=True)
def never_released(monkeypatch):
    monkeypatch.setattr(memory, "_released_at", float("-inf"))


def test_memory_is_given_back_now_and_then(monkeypatch):
    now, trimmed = [100.0], []
    monkeypatch.setattr(memory, "monotonic", lambda: now[0])
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(malloc_trim=trimmed.append))
    assert memory.release_now_and_then()
    now[0] += memory.RELEASE_SECONDS - 1
    assert not memory.release_now_and_then()
    now[0] += 1
    assert memory.release_now_and_then()
    assert trimmed == [0, 0]


def test_where_the_system_has_no_such_call_nothing_breaks(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert memory.release_now_and_then()


@pytest.mark.django_db
def test_a_worker_gives_memory_back_when_it_has_done_what_waited(monkeypatch):
    released = []
    monkeypatch.setattr(memory, "release_now_and_then", lambda: released.append(1))
    monkeypatch.setattr(tasks, "close_old_connections", lambda: None)  # the test's own connection is one
    tasks.analyze()
    assert released == [1]
