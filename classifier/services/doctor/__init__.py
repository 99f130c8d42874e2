"""Looks an instance over: files without rows, rows without files, work that is stuck. Says what to do about each."""

from classifier.services.doctor.files import (
    find_left_over_uploads,
    find_missing_files,
    find_missing_thumbnails,
    find_orphan_files,
)
from classifier.services.doctor.findings import Finding
from classifier.services.doctor.keeping import find_begun_deletions, find_full_disk, find_overdue_photos
from classifier.services.doctor.queue import (
    find_abandoned_jobs,
    find_abandoned_photos,
    find_dead_workers,
    find_missing_model,
    find_stopped_jobs,
    find_stopped_queue,
)

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


def examine() -> list[Finding]:
    """Everything that is wrong with this instance, the urgent first."""
    found = (look() for look in LOOKS)
    return [finding for finding in found if finding]
