"""Photos that are analysed once more. Both go batch by batch: not to be called inside a transaction."""

from typing import Any

from django.db import transaction

from classifier.models import Collection
from classifier.models.photos import PhotoQuerySet
from classifier.running import hints


def run_again(photos: PhotoQuerySet) -> int:
    """Failed photos start afresh; done ones get the production model's word on the faces they have.

    Returns how many were queued: photos that are waiting or running already are left alone.
    """
    return _restart(photos)


def detect_again(photos: PhotoQuerySet) -> int:
    """Look for faces anew. Returns how many were queued.

    The old faces are kept with their reviews, and counted until the new look succeeded: then they are retired.
    """
    return _restart(photos, detect_anew=True)


def _restart(photos: PhotoQuerySet, **values: Any) -> int:
    collections = photos.collection_keys()
    try:
        return photos.restart(**values)
    finally:  # what was queued before it broke off is queued
        Collection.objects.note_change(collections)
        transaction.on_commit(hints.wake_workers)
