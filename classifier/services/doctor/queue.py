"""Work that is stuck: no model, no worker, rows that nobody takes."""

from datetime import timedelta

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from classifier.models import Job, LeasedQuerySet, Photo, State, WorkerHeartbeat
from classifier.models.leases import ran_out
from classifier.running import hints
from classifier.services import registry, workers
from classifier.services.doctor.findings import Finding, count_subjects, list_uids

LEASES_TO_WAIT = 2  # a lease that ran out is taken over by the next worker; after two nobody does


def find_missing_model() -> Finding | None:
    if registry.production_version():
        return None
    return Finding(
        "No model is in production.", (), "Start a worker: it registers the model it loads and puts it to work."
    )


def find_dead_workers() -> Finding | None:
    if WorkerHeartbeat.objects.live().exists():
        return None
    silent = tuple(
        f"{beat.name}, last seen {beat.seen_at:%Y-%m-%d %H:%M:%S} UTC" for beat in WorkerHeartbeat.objects.all()
    )
    return Finding(
        "No worker is alive: photos wait.",
        silent,
        "Start one (`make run` starts the site with a worker) and read its log if it ends again.",
    )


def find_stopped_queue() -> Finding | None:
    return _find_stopped(Photo.objects.all(), noun="photo")


def find_stopped_jobs() -> Finding | None:
    return _find_stopped(Job.objects.all(), noun="job")


def find_abandoned_photos() -> Finding | None:
    abandoned = list_uids(_abandoned_photos())
    if not abandoned:
        return None
    return Finding(
        f"{count_subjects(abandoned, 'photo')} running, but the worker's lease ran out long ago.",
        abandoned,
        "With --fix they are queued again.",
        remedy=lambda: queue_again(_abandoned_photos()),
    )


def find_abandoned_jobs() -> Finding | None:
    abandoned = list_uids(_abandoned_jobs())
    if not abandoned:
        return None
    return Finding(
        f"{count_subjects(abandoned, 'job')} (explanations, say) running, but the worker's lease ran out long ago.",
        abandoned,
        "With --fix they are queued again.",
        remedy=lambda: queue_again(_abandoned_jobs()),
    )


def queue_again(abandoned: LeasedQuerySet) -> int:
    """Queue rows whose worker is gone, counting the loss, so that each is next tried alone; the number of them."""
    count = abandoned.update(state=State.QUEUED, token=None, lease_until=None, started_at=None, lost=F("lost") + 1)
    return _call_workers(count)


def _find_stopped(rows: LeasedQuerySet, *, noun: str) -> Finding | None:
    if workers.is_moving(rows):
        return None
    waiting = list_uids(rows.claimable().filter(state=State.QUEUED))
    return Finding(
        f"{count_subjects(waiting, noun)} waiting, and for {workers.STUCK_AFTER_SECONDS} s none was started.",
        waiting,
        "With --fix the workers are called again; without a live worker nothing can move.",
        remedy=lambda: _call_workers(len(waiting)),
    )


def _abandoned_photos() -> LeasedQuerySet:
    return Photo.objects.filter(_ran_out(), deleting_at=None)


def _abandoned_jobs() -> LeasedQuerySet:
    return Job.objects.filter(_ran_out())


def _ran_out() -> Q:
    long_ago = timezone.now() - timedelta(seconds=LEASES_TO_WAIT * settings.LEASE_SECONDS)
    return Q(state=State.RUNNING) & (ran_out(long_ago) | Q(lease_until=None))


def _call_workers(count: int) -> int:
    hints.wake_workers()
    return count
