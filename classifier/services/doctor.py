"""Looks an instance over: files without rows, rows without files, work that is stuck. Says what to do about each."""

import math
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import F, Q, Value
from django.utils import timezone

from classifier.intake import spool, storage
from classifier.intake.formats import BadImage
from classifier.models import Collection, Explanation, Job, LeasedQuerySet, Photo, State, User, WorkerHeartbeat
from classifier.running import hints
from classifier.services import deletion, disk, registry, retention, workers

FOLDERS = ("photos", "thumbnails", "heat")
ORPHAN_AFTER = timedelta(hours=1)  # an upload that is under way has stored its files but not yet its rows
DELETION_AFTER = timedelta(minutes=5)  # the sweeper completes deletions long before
OVERDUE_AFTER = timedelta(days=1)  # a photo goes on its day; a site that was down that day begins with it
LEASES_TO_WAIT = 2  # a lease that ran out is taken over by the next worker; after two nobody does
ROWS_AT_ONCE = 500


@dataclass(frozen=True)
class Finding:
    """Something wrong: how often, where (names or uids), what to do, and the remedy if there is a safe one."""

    what: str
    subjects: tuple[str, ...]
    advice: str
    remedy: Callable[[], int] | None = None


def examine() -> list[Finding]:
    """Everything that is wrong with this instance, the urgent first."""
    found = (look() for look in LOOKS)
    return [finding for finding in found if finding]


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
    abandoned = _uids(_abandoned_photos())
    if not abandoned:
        return None
    return Finding(
        f"{_count(abandoned, 'photo')} running, but the worker's lease ran out long ago.",
        abandoned,
        "With --fix they are queued again.",
        remedy=lambda: queue_again(_abandoned_photos()),
    )


def find_abandoned_jobs() -> Finding | None:
    abandoned = _uids(_abandoned_jobs())
    if not abandoned:
        return None
    return Finding(
        f"{_count(abandoned, 'job')} (explanations, say) running, but the worker's lease ran out long ago.",
        abandoned,
        "With --fix they are queued again.",
        remedy=lambda: queue_again(_abandoned_jobs()),
    )


def find_begun_deletions() -> Finding | None:
    begun = Q(deleting_at__lt=timezone.now() - DELETION_AFTER)
    accounts, collections, photos = (
        model._default_manager.filter(begun).order_by().values_list(Value(model._meta.model_name), "uid")
        for model in (User, Collection, Photo)
    )
    subjects = tuple(f"{kind} {uid}" for kind, uid in accounts.union(collections, photos, all=True))
    if not subjects:
        return None
    return Finding(
        f"{_count(subjects, 'deletion')} begun and not finished.",
        subjects,
        "With --fix they are finished. If they come back, the files cannot be removed: look at their permissions.",
        remedy=deletion.finish_deletions,
    )


def find_overdue_photos() -> Finding | None:
    subjects = tuple(
        f"collection {collection.uid}: {count}"
        for collection in Collection.objects.exclude(retention_days=None).filter(deleting_at=None)
        if (count := retention.overdue_photos(collection, since=OVERDUE_AFTER).count())
    )
    if not subjects:
        return None
    return Finding(
        "Photos are kept longer than their collections promise.",
        subjects,
        "With --fix they are deleted. If they come back, nothing sweeps: see that the site or Celery's beat runs.",
        remedy=_delete_overdue,
    )


def find_full_disk() -> Finding | None:
    room = disk.measure()
    if not room.is_low:
        return None
    return Finding(
        "The disk is full: nothing can be added." if room.is_full else "The disk is nearly full.",
        (f"{room.usable_bytes // 1024**2} MB are left for photos",),
        "Make room: delete what is no longer needed (that works all the same), or give the data folder a larger disk.",
    )


def find_missing_files() -> Finding | None:
    lacking = _photos_without("image")
    if not lacking:
        return None
    return Finding(
        f"{_count(lacking, 'photo')} without the stored file: an analysis fails with file_missing.",
        lacking,
        "Restore the folder of photos from a backup, or delete these photos.",
    )


def find_missing_thumbnails() -> Finding | None:
    lacking = _photos_without("thumbnail")
    if not lacking:
        return None
    return Finding(
        f"{_count(lacking, 'photo')} without a thumbnail: galleries show a gap.",
        lacking,
        "With --fix they are made anew. Where that fails, the photo is gone or damaged, or the disk is full.",
        remedy=lambda: restore_thumbnails(lacking),
    )


def find_orphan_files() -> Finding | None:
    orphans = tuple(name for folder in FOLDERS for name in _orphans_in(folder))
    if not orphans:
        return None
    return Finding(
        f"{_count(orphans, 'file')} left over by a process that died: no photo owns them.",
        orphans,
        "With --fix they are removed.",
        remedy=lambda: _remove_files(orphans),
    )


def find_left_over_uploads() -> Finding | None:
    left_over = tuple(path.name for path in spool.find_left_over(settings.SPOOL_DIR))
    if not left_over:
        return None
    return Finding(
        f"{_count(left_over, 'file or folder')} left in the spool by an upload whose process died.",
        left_over,
        "With --fix they are removed; so they are whenever the web server starts.",
        remedy=lambda: spool.sweep(settings.SPOOL_DIR),
    )


def queue_again(abandoned: LeasedQuerySet) -> int:
    """Queue rows whose worker is gone, counting the loss, so that each is next tried alone; the number of them."""
    count = abandoned.update(state=State.QUEUED, token=None, lease_until=None, started_at=None, lost=F("lost") + 1)
    return _call_workers(count)


def restore_thumbnails(uids: Sequence[str]) -> int:
    """Make thumbnails anew from the stored photos, where these can be read; the number of them."""
    count = 0
    for start in range(0, len(uids), ROWS_AT_ONCE):
        named = Photo.objects.filter(uid__in=uids[start : start + ROWS_AT_ONCE], deleting_at=None)
        for image, thumbnail in named.exclude(thumbnail="").values_list("image", "thumbnail"):
            try:
                storage.restore_thumbnail(image, thumbnail=thumbnail)
            except (OSError, BadImage):
                continue  # the finding stays, with its advice
            count += 1
    return count


LOOKS = (
    find_missing_model,
    find_dead_workers,
    find_stopped_queue,
    find_stopped_jobs,
    find_abandoned_photos,
    find_abandoned_jobs,
    find_begun_deletions,
    find_overdue_photos,
    find_full_disk,
    find_missing_files,
    find_missing_thumbnails,
    find_orphan_files,
    find_left_over_uploads,
)


def _find_stopped(rows: LeasedQuerySet, *, noun: str) -> Finding | None:
    if workers.is_moving(rows):
        return None
    waiting = _uids(rows.claimable().filter(state=State.QUEUED))
    return Finding(
        f"{_count(waiting, noun)} waiting, and for {workers.STUCK_AFTER_SECONDS} s none was started.",
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
    return Q(state=State.RUNNING) & (Q(lease_until__lt=long_ago) | Q(lease_until=None))


def _delete_overdue() -> int:
    before = Photo.objects.count()
    retention.delete_overdue(until=math.inf)
    return before - Photo.objects.count()


def _call_workers(count: int) -> int:
    hints.wake_workers()
    return count


def _photos_without(field: str) -> tuple[str, ...]:
    """The uids of photos whose file of this kind is not there."""
    kept = Photo.objects.filter(deleting_at=None)
    rows = kept.values_list("uid", field).iterator(chunk_size=ROWS_AT_ONCE)
    uids: list[str] = []
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        lacking = [uid for uid, name in batch if not name or not default_storage.exists(name)]
        # A photo that was deleted while this looked has neither file nor row by now.
        uids += _uids(kept.filter(uid__in=lacking)) if lacking else ()
    return tuple(uids)


def _orphans_in(folder: str) -> Iterator[str]:
    """Names of old enough files in a folder of the storage that no photo, and no explanation, calls its own."""
    names = _files_below(folder)
    while batch := list(islice(names, ROWS_AT_ONCE)):
        uids = {uid for name in batch if (uid := _uid_in(name))}
        own: set[str] = set()
        for row in Photo.objects.filter(uid__in=uids).values_list("image", "thumbnail"):
            own.update(row)
        explained = Explanation.objects.filter(uid__in=uids).values_list("uid", flat=True)
        own.update(storage.heat_name(uid) for uid in explained)
        for name in batch:
            if name not in own and _is_old(name):
                yield name


def _files_below(folder: str) -> Iterator[str]:
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in files:
        yield f"{folder}/{name}"
    for name in folders:
        yield from _files_below(f"{folder}/{name}")


def _uid_in(name: str) -> uuid.UUID | None:
    """The uid that a stored file is named after, if it is."""
    stem = name.rpartition("/")[2].partition(".")[0]
    try:
        return uuid.UUID(stem)
    except ValueError:
        return None


def _is_old(name: str) -> bool:
    try:
        return default_storage.get_modified_time(name) < timezone.now() - ORPHAN_AFTER
    except FileNotFoundError:
        return False


def _remove_files(names: tuple[str, ...]) -> int:
    for name in names:
        default_storage.delete(name)
    return len(names)


def _uids(rows: LeasedQuerySet) -> tuple[str, ...]:
    return tuple(str(uid) for uid in rows.order_by("id").values_list("uid", flat=True))


def _count(subjects: Sequence[str], noun: str) -> str:
    """How a sentence about them begins: "1 photo is", "3 photos are"."""
    return f"1 {noun} is" if len(subjects) == 1 else f"{len(subjects)} {noun}s are"
