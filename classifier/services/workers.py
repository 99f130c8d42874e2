"""Who is working, and whether the instance is ready to take photos and questions about them."""

from dataclasses import dataclass, field
from datetime import timedelta

from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from classifier.models import Job, LeasedQuerySet, ModelVersion, Photo, State, WorkerHeartbeat

STUCK_AFTER_SECONDS = 120  # with a live worker nothing waits this long before the first claim moves


@dataclass(frozen=True)
class Worker:
    name: str
    pid: int
    device: str
    model: str


@dataclass(frozen=True)
class Readiness:
    database: bool
    photos_moving: bool
    jobs_moving: bool
    model_loaded: bool
    workers: list[Worker] = field(default_factory=list)

    @property
    def queue_moving(self) -> bool:
        """Whether neither photos nor jobs wait while none is started."""
        return self.photos_moving and self.jobs_moving

    @property
    def ready(self) -> bool:
        """What `/readyz` answers: 200 when true, else 503."""
        return self.database and self.queue_moving and self.model_loaded


def readiness() -> Readiness:
    """Database reachable, a live worker with its model loaded, no photo or job left waiting while none is started."""
    try:
        live = list(WorkerHeartbeat.objects.live().select_related("model_version"))
        photos_moving, jobs_moving = _what_is_moving()
    except (DatabaseError, InterfaceError):
        return Readiness(database=False, photos_moving=False, jobs_moving=False, model_loaded=False)
    workers = [
        Worker(beat.name, beat.pid, beat.device, beat.model_version.name if beat.model_version else "") for beat in live
    ]
    return Readiness(
        database=True,
        photos_moving=photos_moving,
        jobs_moving=jobs_moving,
        model_loaded=any(worker.model for worker in workers),
        workers=workers,
    )


def _what_is_moving() -> tuple[bool, bool]:
    """Whether photos do, and whether jobs do."""
    photos, jobs = (_overdue(rows).order_by().values("pk") for rows in (Photo.objects.all(), Job.objects.all()))
    # Every page asks, and nearly always nothing is overdue: one question for both kinds.
    if not photos.union(jobs, all=True).exists():
        return True, True
    return is_moving(Photo.objects.all()), is_moving(Job.objects.all())


def is_moving(rows: LeasedQuerySet) -> bool:
    """Whether rows of one kind get their turn: none waits too long, or one was started or finished meanwhile.

    Workers take photos and jobs in turn, so one kind that moves does not excuse another that stands still.
    """
    if not _overdue(rows).exists():
        return True
    since = timezone.now() - timedelta(seconds=STUCK_AFTER_SECONDS)
    return rows.filter(started_at__gte=since).exists() or rows.filter(finished_at__gte=since).exists()


def _overdue(rows: LeasedQuerySet) -> LeasedQuerySet:
    since = timezone.now() - timedelta(seconds=STUCK_AFTER_SECONDS)
    return rows.claimable().filter(state=State.QUEUED, queued_at__lt=since)


def beat(name: str, *, pid: int, device: str, model_version: ModelVersion) -> None:
    """Write a worker's sign of life; rows of workers long gone are swept away."""
    now = timezone.now()
    known = WorkerHeartbeat.objects.filter(name=name, pid=pid).update(seen_at=now)
    if not known:
        values = {
            "pid": pid,
            "device": device,
            "model_version": model_version,
            "started_at": now,
            "seen_at": now,
        }
        WorkerHeartbeat.objects.update_or_create(name=name, defaults=values)
    WorkerHeartbeat.objects.filter(seen_at__lt=now - timedelta(hours=1)).delete()


def retire(name: str) -> None:
    """Take a worker that stops in good order off the list at once."""
    WorkerHeartbeat.objects.filter(name=name).delete()
