"""Children are started again with growing delays; one instance per data folder."""

import sys
import time

import pytest

from classifier.running import supervisor


def wait_until_dead(child):
    child.process.wait(timeout=20)
    child.look_after()


def test_a_dead_child_starts_again_later_and_later():
    child = supervisor.Child("short", [sys.executable, "-c", "raise SystemExit(3)"])
    child.look_after()
    wait_until_dead(child)
    assert child.process is None
    assert child.start_at > time.monotonic()
    first_delay = child.delay
    child.start_at = 0.0
    child.look_after()
    wait_until_dead(child)
    assert child.delay == 2 * first_delay


def test_delays_have_a_ceiling():
    child = supervisor.Child("short", [sys.executable, "-c", "pass"], delay=supervisor.LONGEST_DELAY_SECONDS)
    child.look_after()
    wait_until_dead(child)
    assert child.delay == supervisor.LONGEST_DELAY_SECONDS


def test_a_child_that_people_wait_for_is_never_away_for_long():
    child = supervisor.Child("web", [sys.executable, "-c", "raise SystemExit(3)"], longest_delay=0.2)
    delays = []
    for _ in range(4):
        child.start_at = 0.0
        child.look_after()
        wait_until_dead(child)
        delays.append(round(child.start_at - time.monotonic(), 1))
    assert delays[0] <= supervisor.FIRST_DELAY_SECONDS
    assert delays[1:] == [0.2] * 3


def test_a_child_that_does_not_stop_is_killed():
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    child = supervisor.Child("stubborn", [sys.executable, "-c", stubborn])
    child.start()
    time.sleep(1)
    child.terminate()
    child.wait(until=time.monotonic() + 0.5)
    assert child.process.poll() == -9


def test_a_data_folder_is_held_by_one_instance(tmp_path):
    held = supervisor.lock_data_folder(tmp_path)
    with pytest.raises(supervisor.AlreadyRunningError, match="another Facet"):
        supervisor.lock_data_folder(tmp_path)
    held.close()
    supervisor.lock_data_folder(tmp_path).close()
