"""Celery adapters, a few lines each. A message is only a hint: whoever gets one claims what waits in the database."""

import logging
import os
import threading
from contextlib import suppress
from time import monotonic
from typing import Any

from celery import shared_task
from celery.signals import worker_init, worker_shutdown
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from classifier import inference
from classifier.models import ModelVersion
from classifier.models.workers import HEARTBEAT_SECONDS
from classifier.running import hints, memory
from classifier.services import analysis, chores, deletion, disk, exports, jobs, registry, workers

logger = logging.getLogger("facet.worker")

PREPARE_AFTER_SECONDS = 5  # the first photos of a worker do not share its time with imports for explanations
TASK_SECONDS = 20  # a task that finds endless work ends after this and sends the next, well within the lease

_stopping = threading.Event()


@shared_task
def analyze() -> None:
    """Do what waits, photos and jobs; a full first batch wakes one more worker, so that all of them join in."""
    close_old_connections()
    if not disk.has_room():
        return  # results could not be stored; the sweeper sends again
    if analysis.run_once() >= settings.BATCH_PHOTOS:
        hints.wake_workers()
    if _run_until_empty(seconds=TASK_SECONDS):
        hints.wake_workers()
    memory.release_now_and_then()


@shared_task
def sweep() -> None:
    """Send again what is overdue, finish deletions that were cut short, do what is due once a day."""
    disk.hold_reserve()
    if analysis.has_work() or jobs.has_work():
        hints.wake_workers()
    deletion.finish_deletions()
    exports.remove_expired()
    chores.do_what_is_due()


def _run_until_empty(*, seconds: float) -> bool:
    """A job, which somebody may be waiting for, and a batch of photos in turn; whether work is left after so long."""
    end = monotonic() + seconds
    while jobs.run_once() + analysis.run_once():
        if monotonic() > end:
            return analysis.has_work() or jobs.has_work()
    return False


@worker_init.connect
def start_worker(sender: Any, **_: Any) -> None:
    """Load the model once, before the first message, and show signs of life from then on."""
    try:
        pipeline = inference.get_pipeline()
    except inference.UnusableModel as error:
        logger.critical("%s cannot start: %s", sender.hostname, error)
        raise SystemExit(1) from None  # Celery would log any other error, and let photos fail for want of a model
    inference.warm_up()
    version = registry.introduce_version(**inference.describe_model())
    logger.info("%s is ready: model %s on %s", sender.hostname, version.name, pipeline.device)
    with suppress(DatabaseError):  # it cannot be written just now: their day comes all the same
        chores.call_all()
    connection.close()
    sign = {"name": sender.hostname, "device": pipeline.device, "model_version": version}
    threading.Thread(target=_beat_until_stopped, kwargs=sign, name="heartbeat", daemon=True).start()
    prepare = threading.Timer(PREPARE_AFTER_SECONDS, inference.prepare_explanations)
    prepare.daemon = True
    prepare.start()
    hints.wake_workers()


@worker_shutdown.connect
def stop_worker(sender: Any, **_: Any) -> None:
    _stopping.set()
    workers.retire(sender.hostname)


def _beat_until_stopped(*, name: str, device: str, model_version: ModelVersion) -> None:
    while not _stopping.is_set():
        try:
            close_old_connections()
            workers.beat(name, pid=os.getpid(), device=device, model_version=model_version)
        except (DatabaseError, InterfaceError):
            logger.warning("the database cannot be reached; trying again")
            connection.close()
        _stopping.wait(HEARTBEAT_SECONDS)
