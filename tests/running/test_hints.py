"""Hints through the broker of files: one waits at most, and a lost one is sent again."""

import fcntl
import os
import threading
from pathlib import Path

import pytest
from celery import Celery
from kombu.transport.filesystem import Transport

import classifier.running.broker  # noqa: F401 - registers the facetfiles transport
from classifier.running import beat, hints
from webapp.celery import broker_settings


@pytest.fixture
def app(tmp_path, settings):
    settings.REDIS_URL = ""
    settings.DATA_DIR = tmp_path
    Transport.global_state.clear()
    app = Celery("fresh", set_as_current=False)
    app.conf.update(
        **broker_settings(),
        task_ignore_result=True,
        beat_schedule={"sweep": {"task": "sweep", "schedule": 0.001, "options": {"expires": 10}}},
        beat_schedule_filename=str(tmp_path / "beat"),
    )
    yield app
    app.pool.force_close_all()
    app.close()
    Transport.global_state.clear()


@pytest.fixture
def task(app):
    @app.task(name="analyze", shared=False)
    def analyze() -> None:
        """Never called: only its message matters here."""

    return analyze


def messages(folder: Path) -> list[Path]:
    return list((folder / "broker" / "messages").glob("*.msg"))


def test_a_day_of_sweeps_without_a_worker_leaves_one_message(task, tmp_path):
    sent = [hints.send_hint(task) for _ in range(50)]
    assert sent == [True] + [False] * 49
    assert len(messages(tmp_path)) == 1


def test_a_lost_message_is_sent_again(task, tmp_path):
    hints.send_hint(task)
    messages(tmp_path)[0].unlink()
    assert hints.send_hint(task)
    assert len(messages(tmp_path)) == 1


def test_a_process_that_holds_the_broker_and_is_frozen_keeps_nobody_waiting(task, tmp_path):
    control = tmp_path / "broker" / "control"
    control.mkdir(parents=True, exist_ok=True)
    held = os.open(control, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    sent = []
    sender = threading.Thread(target=lambda: sent.append(hints.send_hint(task)), daemon=True)
    sender.start()
    sender.join(20)
    os.close(held)
    assert sent == [False]
    assert hints.send_hint(task)


def test_a_message_of_another_queue_does_not_hold_it_back(task, tmp_path):
    (tmp_path / "broker" / "messages").mkdir(parents=True, exist_ok=True)
    (tmp_path / "broker" / "messages" / "1.worker@box.celery.pidbox.msg").write_bytes(b"{}")
    assert hints.send_hint(task)


def test_beat_sends_nothing_while_a_message_waits(app, tmp_path):
    scheduler = beat.Scheduler(app=app, schedule_filename=str(tmp_path / "beat"))
    entry = scheduler.schedule["sweep"]
    for _ in range(20):
        scheduler.apply_entry(entry, producer=scheduler.producer)
    assert len(messages(tmp_path)) == 1
    messages(tmp_path)[0].unlink()
    scheduler.apply_entry(entry, producer=scheduler.producer)
    assert len(messages(tmp_path)) == 1
    scheduler.close()
