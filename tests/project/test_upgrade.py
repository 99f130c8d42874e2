"""The database of an earlier version, with people, photos and one that a worker has, brought up to this one."""

import hashlib
import json
import uuid
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.urls import reverse
from django.utils import timezone

from classifier.models import Face, Photo, State, User
from classifier.services import analysis, audit, doctor
from classifier.terms import TERMS_VERSION
from tests import pictures
from tests.conftest import logged_in
from tests.project.test_guess_migration import AGES, GENDERS, RACES, make_version, store_as_then

EARLIER = ("classifier", "0006_indexes_of_large_collections")  # as of 23 November 2026


@pytest.fixture
def earlier(transactional_db):
    """The tables of then, by the models of then; afterwards they are as the models say again."""
    call_command("migrate", *EARLIER, verbosity=0)
    yield MigrationExecutor(connection).loader.graph.make_state([EARLIER]).apps
    call_command("migrate", verbosity=0)


def make_photo(apps, collection, *, name: str, **values):
    content, uid = pictures.jpeg(seed=len(name)), uuid.uuid4()
    files = [default_storage.save(f"{kind}/{uid}.jpg", ContentFile(content)) for kind in ("photos", "thumbnails")]
    return apps.get_model("classifier", "Photo").objects.create(
        uid=uid,
        owner=collection.owner,
        collection=collection,
        name=name,
        sha256=hashlib.sha256(name.encode()).hexdigest(),
        width=320,
        height=240,
        stored_bytes=2 * len(content),
        image=files[0],
        thumbnail=files[1],
        **values,
    )


def make_face(apps, photo):
    place = dict.fromkeys(("x1", "y1", "chip_angle"), 10.0)
    place |= dict.fromkeys(("x2", "y2", "size_px", "chip_cx", "chip_cy", "chip_side"), 90.0)
    seen = {"detection": 0.99, "sharpness": 100.0, "brightness": 0.5, "detector_version": "mtcnn-1"}
    return apps.get_model("classifier", "Face").objects.create(photo=photo, number=1, **place, **seen)


def test_an_earlier_site_comes_up_with_everything_and_what_an_old_worker_had_is_done_by_a_new_one(earlier, media):
    agreed = {"terms_version": TERMS_VERSION, "terms_accepted_at": timezone.now()}
    owner = earlier.get_model("classifier", "User").objects.create(
        username="alice", email="alice@example.org", password="!", **agreed
    )
    collection = earlier.get_model("classifier", "Collection").objects.create(
        owner=owner, name="Front pages", purpose="to see", terms_accepted_by=owner, **agreed
    )
    version = make_version(earlier)
    done = make_photo(earlier, collection, name="page 10.jpg", state="done", model_version=version, face_count=1)
    store_as_then(earlier, make_face(earlier, done), version=version, race=RACES, gender=GENDERS, age=AGES)
    running = {"state": "running", "token": uuid.uuid4(), "lease_until": timezone.now() + timedelta(seconds=60)}
    held = make_photo(earlier, collection, name="page 9.jpg", turn=1, **running)
    waiting = make_photo(earlier, collection, name="page 8.jpg", turn=2, state="queued")

    call_command("migrate", verbosity=0)

    alice = User.objects.get()
    client = logged_in(alice)
    assert analysis.run_once() == 1  # the one that waited; the other is the old worker's until its lease is over
    assert Photo.objects.get(uid=waiting.uid).state == State.DONE
    Photo.objects.filter(uid=held.uid).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert analysis.run_once() == 1
    assert set(Photo.objects.values_list("state", flat=True)) == {State.DONE}
    face = Face.objects.get(photo__uid=done.uid)
    assert face.prediction.vectors == {"race": RACES, "gender": GENDERS, "age": AGES}
    assert set(face.guesses.values_list("attribute", flat=True)) == {"race", "gender", "age"}
    listed = client.get(reverse("api-photo-list"), {"sort": "name"}).json()["results"]
    assert [photo["name"] for photo in listed] == ["page 8.jpg", "page 9.jpg", "page 10.jpg"]
    assert json.dumps(listed).count('"probabilities"') == 9
    for name, args in (("collection-detail", [collection.uid]), ("photo-detail", [done.uid]), ("account-detail", [])):
        assert client.get(reverse(name, args=args)).status_code == 200
    assert audit.verify() == []
    assert doctor.find_missing_files() is None
    assert doctor.find_orphan_files() is None
