"""Photos that are analysed once more."""

from django.db import transaction
from django.utils import timezone

from classifier import tasks
from classifier.models import Collection, Face, State
from classifier.models.photos import PhotoQuerySet

FINISHED = (State.DONE, State.FAILED)


def run_again(photos: PhotoQuerySet) -> int:
    """Failed photos start afresh; done ones get the production model's word on the faces they have.

    Returns how many were queued: photos that are waiting or running already are left alone.
    """
    collections = photos.collection_keys()
    with transaction.atomic():
        count = photos.restart()
        transaction.on_commit(tasks.wake_workers)
    Collection.objects.note_change(collections)
    return count


def detect_again(photos: PhotoQuerySet) -> int:
    """Look for faces anew: the old ones are kept with their reviews but retired. Returns how many were queued."""
    collections = photos.collection_keys()
    with transaction.atomic():
        finished = photos.filter(state__in=FINISHED)
        ids = list(finished.values_list("pk", flat=True))
        Face.objects.filter(photo_id__in=ids, retired_at=None).update(retired_at=timezone.now())
        count = photos.model.objects.filter(pk__in=ids).restart()
        transaction.on_commit(tasks.wake_workers)
    Collection.objects.note_change(collections)
    return count
