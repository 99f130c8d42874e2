"""Two workers at one export, since one was frozen beyond its lease or the export begins anew: one of them stores it."""

import os
import zipfile
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from classifier.intake import storage
from classifier.models import Job, State
from classifier.services import deletion, doctor, exports, jobs
from classifier.services.exports import writing
from tests import factories

OLD_SECONDS = 2 * 3600


@pytest.fixture
def folder(collection, media):
    factories.make_face(factories.make_photo(collection))
    return media / "exports"


def names_in(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_worker_that_wakes_after_its_lease_writes_into_nobodys_file(folder, alice, monkeypatch):
    export = exports.ask_for_export(alice)
    (slept,) = Job.objects.claim(limit=1)
    usual = writing.write_zip

    def sleep_while_writing(user, *, file):
        file.write(b"half of it")
        file.flush()
        monkeypatch.setattr(writing, "write_zip", usual)
        Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert jobs.run_once() == 1
        file.write(b"and the other half")

    monkeypatch.setattr(writing, "write_zip", sleep_while_writing)
    exports.make_export(slept, token=slept.token)
    export.refresh_from_db()
    assert export.is_ready()
    assert names_in(folder) == [f"{export.uid}.zip"]
    stored = folder / f"{export.uid}.zip"
    assert stored.stat().st_size == export.size
    with zipfile.ZipFile(stored) as archive:
        assert archive.testzip() is None


def test_one_that_wakes_before_the_other_is_done_takes_nothing_from_it(folder, alice, monkeypatch):
    export = exports.ask_for_export(alice)
    (slept,) = Job.objects.claim(limit=1)
    Job.objects.update(state=State.QUEUED, token=None, lease_until=None)  # as when it begins anew
    usual = writing.write_zip

    def write(user, *, file):
        usual(user, file=file)
        exports.make_export(slept, token=slept.token)

    monkeypatch.setattr(writing, "write_zip", write)
    assert jobs.run_once() == 1
    export.refresh_from_db()
    assert (export.job.state, export.is_ready()) == (State.DONE, True)
    with zipfile.ZipFile(folder / f"{export.uid}.zip") as archive:
        assert archive.testzip() is None


def test_what_is_stored_last_but_not_published_is_nowhere(folder, alice, media):
    uid = uuid4()
    with storage.writing_export(uid, attempt=uuid4()) as slept:
        slept.file.write(b"old")
        with storage.writing_export(uid, attempt=uuid4()) as made:
            made.file.write(b"new")
            slept.file.write(b"older")
            assert made.flush() == 3
            assert not (folder / f"{uid}.zip").exists()
            made.publish()
    assert (folder / f"{uid}.zip").read_bytes() == b"new"
    assert names_in(folder) == [f"{uid}.zip"]


def test_what_killed_workers_left_goes_with_the_export_and_the_doctor_knows_it(folder, alice):
    export = exports.ask_for_export(alice)
    jobs.run_once()
    left = [folder / f"{export.uid}.zip.{uuid4()}.part" for _ in range(2)]
    strange = folder / f"{uuid4()}.zip.{uuid4()}.part"
    for path in (*left, strange):
        path.write_bytes(b"half")
        old = path.stat().st_mtime - OLD_SECONDS
        os.utime(path, (old, old))
    found = doctor.find_orphan_files()
    assert sorted(found.subjects) == sorted(f"exports/{path.name}" for path in (*left, strange))
    assert deletion.remove_exports(type(export).objects.filter(owner=alice))
    assert names_in(folder) == [strange.name]
    assert found.remedy()
    assert names_in(folder) == []
