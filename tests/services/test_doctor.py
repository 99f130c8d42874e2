import os
import time
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.utils import timezone
from PIL import Image

from classifier.models import Collection, Job, Photo, State, WorkerHeartbeat
from classifier.running import hints
from classifier.services import doctor
from tests import factories
from tests.factories import make_photo

HOURS = 3600


@pytest.fixture(autouse=True)
def calls(monkeypatch) -> list[str]:
    """How often the workers were called."""
    made: list[str] = []
    monkeypatch.setattr(hints, "wake_workers", lambda: made.append("called"))
    return made


@pytest.fixture
def healthy(collection):
    """An instance with a live worker, a model and a photo: nothing is wrong with it."""
    version = factories.ModelVersionFactory()
    WorkerHeartbeat.objects.create(name="facet1@here", pid=1, device="cpu", model_version=version)
    return make_photo(collection)


def store(name, *, age_seconds):
    """A file in the storage that was written so long ago."""
    default_storage.save(name, ContentFile(b"x"))
    then = time.time() - age_seconds
    os.utime(default_storage.path(name), (then, then))
    return name


def ago(**span):
    return timezone.now() - timedelta(**span)


def test_nothing_is_wrong_with_a_healthy_instance(healthy):
    assert doctor.examine() == []


def test_a_file_of_no_photo_is_found_and_removed_once_it_is_old(healthy):
    old = store("photos/ab/ab5e2a1c-0000-4000-8000-000000000000.jpg", age_seconds=2 * HOURS)
    young = store("thumbnails/ab/ab5e2a1c-0000-4000-8000-000000000000.jpg", age_seconds=60)
    finding = doctor.find_orphan_files()
    assert finding.subjects == (old,)
    assert finding.remedy() == 1
    assert not default_storage.exists(old)
    assert default_storage.exists(young)
    assert default_storage.exists(healthy.image.name)


@pytest.mark.parametrize("name", ["photos/ab/notes.txt", "photos/stray.jpg"])
def test_a_file_that_is_named_after_no_photo_is_an_orphan(healthy, name):
    assert doctor.find_orphan_files() is None
    store(name, age_seconds=2 * HOURS)
    assert doctor.find_orphan_files().subjects == (name,)


def test_half_a_file_beside_a_photos_own_is_an_orphan(healthy):
    part = store(f"{healthy.image.name}.part", age_seconds=2 * HOURS)
    assert doctor.find_orphan_files().subjects == (part,)


def test_files_whose_deletion_was_begun_are_not_orphans(healthy):
    Photo.objects.update(deleting_at=timezone.now())
    for name in (healthy.image.name, healthy.thumbnail.name):
        os.utime(default_storage.path(name), (0, 0))
    assert doctor.find_orphan_files() is None


@pytest.mark.parametrize(
    ("field", "look"),
    [("image", doctor.find_missing_files), ("thumbnail", doctor.find_missing_thumbnails)],
)
def test_a_photo_without_its_file_is_found(healthy, field, look):
    assert look() is None
    default_storage.delete(getattr(healthy, field).name)
    assert look().subjects == (str(healthy.uid),)


def test_a_lost_photo_cannot_be_mended(healthy):
    default_storage.delete(healthy.image.name)
    assert doctor.find_missing_files().remedy is None


def test_a_lost_thumbnail_is_made_anew_from_the_photo_where_that_can_be_read(healthy, collection):
    gone, damaged = make_photo(collection), make_photo(collection)
    for photo in (healthy, gone, damaged):
        default_storage.delete(photo.thumbnail.name)
    default_storage.delete(gone.image.name)
    with open(default_storage.path(damaged.image.name), "wb") as file:
        file.write(b"no longer a photo")
    content = healthy.image.open("rb").read()
    assert doctor.find_missing_thumbnails().remedy() == 1
    assert doctor.find_missing_thumbnails().subjects == (str(gone.uid), str(damaged.uid))
    assert healthy.image.open("rb").read() == content
    with Image.open(default_storage.path(healthy.thumbnail.name)) as thumbnail:
        assert thumbnail.format == "JPEG"
        assert max(thumbnail.size) <= 320


@pytest.mark.parametrize("lease", [timedelta(hours=-1), None])
def test_a_photo_that_its_worker_left_is_queued_again(healthy, collection, calls, lease):
    photo = make_photo(collection, state=State.RUNNING)
    Photo.objects.filter(pk=photo.pk).update(lease_until=lease and timezone.now() + lease, lost=2)
    finding = doctor.find_abandoned_photos()
    assert finding.subjects == (str(photo.uid),)
    assert finding.remedy() == 1
    photo.refresh_from_db()
    assert (photo.state, photo.lost, photo.token) == (State.QUEUED, 3, None)
    assert calls == ["called"]


def test_a_photo_whose_lease_has_just_run_out_is_left_to_the_workers(healthy, collection):
    photo = make_photo(collection, state=State.RUNNING)
    Photo.objects.filter(pk=photo.pk).update(lease_until=ago(seconds=1))
    assert doctor.find_abandoned_photos() is None


def test_a_queue_that_stands_still_is_found_and_the_workers_called(healthy, collection, calls):
    Photo.objects.update(finished_at=ago(hours=2))
    photo = make_photo(collection, state=State.QUEUED, queued_at=ago(hours=1))
    finding = doctor.find_stopped_queue()
    assert finding.subjects == (str(photo.uid),)
    finding.remedy()
    assert calls == ["called"]


def test_jobs_that_stand_still_are_found_and_the_workers_called(healthy, alice, calls):
    Job.objects.create(owner=alice, kind=Job.Kind.EXPLANATION)
    assert doctor.find_stopped_jobs() is None
    Job.objects.update(queued_at=ago(hours=1))
    finding = doctor.find_stopped_jobs()
    assert finding.what == "1 job is waiting, and for 120 s none was started."
    assert doctor.find_stopped_queue() is None
    finding.remedy()
    assert calls == ["called"]


def test_a_begun_deletion_is_finished(healthy):
    Photo.objects.update(deleting_at=ago(minutes=1))
    assert doctor.find_begun_deletions() is None
    Photo.objects.update(deleting_at=ago(hours=1))
    Collection.objects.update(deleting_at=ago(hours=1))
    finding = doctor.find_begun_deletions()
    assert len(finding.subjects) == 2
    finding.remedy()
    assert not Photo.objects.exists()
    assert not default_storage.exists(healthy.image.name)
    assert doctor.find_begun_deletions() is None


def test_silent_workers_are_named(healthy):
    WorkerHeartbeat.objects.update(seen_at=ago(minutes=5))
    assert "facet1@here" in doctor.find_dead_workers().subjects[0]


def test_an_instance_without_a_model_says_so(db):
    assert "Start a worker" in doctor.find_missing_model().advice


def test_the_command_exits_0_when_nothing_is_wrong(healthy, capsys):
    call_command("doctor")
    assert "Nothing is wrong" in capsys.readouterr().out


def test_the_command_names_what_is_wrong_and_exits_1(healthy, capsys):
    name = store("photos/stray.jpg", age_seconds=2 * HOURS)
    with pytest.raises(SystemExit) as stop:
        call_command("doctor")
    assert stop.value.code == 1
    out = capsys.readouterr().out
    assert name in out
    assert "--fix" in out


def test_the_command_mends_what_is_safe(healthy, collection):
    name = store("photos/stray.jpg", age_seconds=2 * HOURS)
    Photo.objects.filter(pk=make_photo(collection, state=State.RUNNING).pk).update(lease_until=ago(hours=1))
    call_command("doctor", fix=True)
    assert not default_storage.exists(name)
    assert not Photo.objects.filter(state=State.RUNNING).exists()


def test_looking_at_many_files_asks_the_database_little(
    healthy, collection, django_assert_max_num_queries, monkeypatch
):
    for _ in range(5):
        make_photo(collection)
    with django_assert_max_num_queries(15):
        doctor.examine()
