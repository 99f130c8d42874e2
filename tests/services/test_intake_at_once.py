"""Submissions and deletions at the same time: no photo twice, no file without its row, no row without its file."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from PIL import Image

from classifier import tasks
from classifier.models import Photo, UploadItem
from classifier.services import collections, deletion, uploads
from tests import factories, pictures
from tests.services.submissions import files_of, sent, stored_files

pytestmark = pytest.mark.django_db(transaction=True)

PICTURES = [pictures.encode(Image.new("RGB", (9, 9), (shade, 0, 0)), "PNG") for shade in range(8)]


@pytest.fixture(autouse=True)
def no_broker(monkeypatch) -> None:
    monkeypatch.setattr(tasks.analyze, "apply_async", lambda **_: None)


def run_at_once(*works: Callable[[], None]) -> None:
    """Run each in a thread of its own, all starting together; an error of one is raised here."""
    start = threading.Barrier(len(works))

    def begin(work: Callable[[], None]) -> None:
        try:
            start.wait(10)
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as threads:
        for future in [threads.submit(begin, work) for work in works]:
            future.result()


def test_the_same_photos_sent_four_times_at_once_are_stored_once(media):
    user = factories.UserFactory()
    inbox = collections.get_inbox(user)

    def submit() -> None:
        uploads.submit_photos(user, collection=inbox, files=[sent(content=content) for content in PICTURES])

    run_at_once(submit, submit, submit, submit)
    assert Counter(UploadItem.objects.values_list("outcome", flat=True)) == {"accepted": 8, "duplicate": 24}
    assert sorted(inbox.photos.values_list("turn", flat=True)) == list(range(8))
    assert stored_files(media) == files_of(inbox.photos.all())


def test_photos_sent_while_the_same_ones_are_deleted_leave_no_loose_ends(media):
    user = factories.UserFactory()
    collection = factories.CollectionFactory(owner=user)

    def submit(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(8):
            files = [sent(content=content) for content in chance.sample(PICTURES, 4)]
            upload = uploads.submit_photos(user, collection=collection, files=files)
            assert upload.items.count() == 4

    def delete() -> None:
        chance = random.Random(3)
        for _ in range(30):
            keys = list(collection.photos.values_list("pk", flat=True))
            deletion.delete_photos(collection.photos.filter(pk__in=chance.sample(keys, min(2, len(keys)))))

    def sweep() -> None:
        for _ in range(30):
            deletion.finish_deletions()

    run_at_once(lambda: submit(1), lambda: submit(2), delete, sweep)
    deletion.finish_deletions()
    photos = list(Photo.objects.all())
    assert len({photo.sha256 for photo in photos}) == len(photos)
    assert stored_files(media) == files_of(photos)
