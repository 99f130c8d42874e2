"""Room on the disk: every way in which a full one is told, the warning before, and the reserve."""

import errno
import os
import sqlite3
from types import SimpleNamespace

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import DatabaseError, OperationalError
from django.urls import reverse

from classifier import tasks
from classifier.models import Job, Photo
from classifier.services import deletion, disk, explanations, jobs
from tests import factories
from tests.conftest import logged_in

MB = 1024**2


@pytest.fixture(autouse=True)
def folder(tmp_path, settings):
    """A data folder of the test's own."""
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    settings.RESERVE_BYTES = 2 * MB
    return settings.DATA_DIR


def leave(monkeypatch, *, free: int, total: int = 10_000 * MB) -> None:
    """Have the system say that so many bytes of a disk are free."""
    told = SimpleNamespace(f_bavail=free // 1024, f_frsize=1024, f_blocks=total // 1024)
    monkeypatch.setattr(os, "statvfs", lambda path: told)


def no_room(number: int = errno.ENOSPC) -> OSError:
    return OSError(number, "No space left on device")


def full_sqlite() -> sqlite3.Error:
    """SQLite's own error for a database that may not grow."""
    with sqlite3.connect(":memory:") as database:
        database.execute("PRAGMA max_page_count = 2")
        database.execute("CREATE TABLE one (text)")
        with pytest.raises(sqlite3.Error) as caught:
            database.execute("INSERT INTO one VALUES (?)", ["x" * 20_000])
    return caught.value


def wrapped(cause: Exception) -> OperationalError:
    """As Django hands an error of the database on."""
    error = OperationalError(str(cause))
    error.__cause__ = cause
    return error


def from_postgres() -> OperationalError:
    import psycopg

    return wrapped(psycopg.errors.DiskFull("could not extend file"))


@pytest.mark.parametrize(
    "error",
    [no_room(), no_room(errno.EDQUOT), full_sqlite(), wrapped(full_sqlite()), from_postgres()],
    ids=["disk", "quota", "SQLite", "SQLite through Django", "PostgreSQL"],
)
def test_every_way_to_say_full_is_known(error):
    assert disk.is_full(error)
    later = RuntimeError("the session could not be written")
    later.__context__ = error
    assert disk.is_full(later)


@pytest.mark.parametrize("error", [None, OSError(errno.EIO, "broken"), wrapped(sqlite3.OperationalError("locked"))])
def test_another_error_is_not_a_full_disk(error):
    assert not disk.is_full(error)


def test_an_error_that_hides_the_cause_is_not_one():
    error = ValueError("something else")
    error.__context__, error.__suppress_context__ = no_room(), True
    assert not disk.is_full(error)


@pytest.mark.parametrize("name", ["SQLITE_IOERR_SHMSIZE", "SQLITE_CANTOPEN"])
def test_sqlite_that_cannot_open_its_log_is_told_by_the_room_there_is(monkeypatch, name):
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = name
    leave(monkeypatch, free=0)
    assert disk.is_full(wrapped(error))
    leave(monkeypatch, free=500 * MB)
    assert not disk.is_full(wrapped(error))


def test_the_reserve_takes_real_blocks_and_gives_them_back(folder):
    assert disk.hold_reserve()
    assert disk.hold_reserve()
    reserve = folder / "reserve"
    assert reserve.stat().st_blocks * 512 >= 2 * MB
    assert reserve.stat().st_mode & 0o777 == 0o600
    assert os.listdir(folder) == ["reserve"]
    assert disk.give_up_reserve()
    assert not disk.give_up_reserve()
    assert os.listdir(folder) == []


def test_a_reserve_half_made_by_a_process_that_was_killed_is_made_whole(folder):
    (folder / "reserve.part").write_bytes(b"x")
    assert disk.hold_reserve()
    assert os.listdir(folder) == ["reserve"]


def test_the_reserve_waits_until_twice_its_size_is_free(monkeypatch, folder):
    leave(monkeypatch, free=3 * MB)
    assert not disk.hold_reserve()
    leave(monkeypatch, free=4 * MB)
    assert disk.hold_reserve()


def test_a_disk_that_fills_up_while_the_reserve_is_made_keeps_no_part_of_it(monkeypatch, folder):
    def run_full(*_):
        raise no_room()

    monkeypatch.setattr(os, "posix_fallocate", run_full)
    assert not disk.hold_reserve()
    assert os.listdir(folder) == []


def test_no_reserve_is_made_where_none_is_wanted(settings, folder):
    settings.RESERVE_BYTES = 0
    assert not disk.hold_reserve()
    assert os.listdir(folder) == []


def test_what_is_missing_of_the_reserve_is_not_for_photos(monkeypatch, settings):
    settings.LOW_DISK_BYTES = 100 * MB
    leave(monkeypatch, free=50 * MB)
    assert disk.measure() == disk.Disk(free_bytes=50 * MB, kept_bytes=2 * MB)
    assert disk.has_room(for_bytes=44 * MB)
    assert not disk.has_room(for_bytes=45 * MB)
    assert disk.hold_reserve()
    assert disk.measure().kept_bytes == 0


@pytest.mark.parametrize(("free", "state"), [(500, "ok"), (90, "low"), (5, "full"), (0, "full")])
def test_the_state_of_the_disk_is_told_before_it_is_full(client, adam, monkeypatch, settings, free, state):
    settings.LOW_DISK_BYTES = 100 * MB
    leave(monkeypatch, free=free * MB)
    assert client.get(reverse("readyz")).json()["disk"] == state
    said = {"ok": (), "low": ("nearly full", "left for photos"), "full": ("The disk", "full", "Deleting works")}[state]
    for address in (reverse("admin:index"), reverse("collection-list")):
        page = logged_in(adam).get(address).content.decode()
        assert all(words.lower() in page.lower() for words in said)
        assert said or "The disk" not in page


def test_people_who_do_not_run_the_site_are_not_warned(alice_client, monkeypatch):
    leave(monkeypatch, free=0)
    assert "The disk" not in alice_client.get(reverse("collection-list")).content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [no_room(errno.EDQUOT), wrapped(full_sqlite())], ids=["files", "rows"])
def test_a_deletion_that_meets_a_full_disk_has_the_reserve(collection, monkeypatch, error):
    """Also where nothing told beforehand, as with a limit for one user."""
    factories.make_photo(collection)
    assert disk.hold_reserve()
    mark = deletion._mark_photos

    def mark_with_room(photos, *, at):
        if disk._reserve_path().exists():
            raise error
        return mark(photos, at=at)

    monkeypatch.setattr(deletion, "_mark_photos", mark_with_room)
    assert deletion.delete_photos(Photo.objects.all()) == 1
    assert not Photo.objects.exists()


@pytest.mark.django_db
def test_a_sweep_takes_the_reserve_only_when_a_deletion_was_begun(collection, monkeypatch, folder):
    tasks.sweep()  # the chores of the day
    assert disk.hold_reserve()
    leave(monkeypatch, free=0)
    tasks.sweep()
    assert (folder / "reserve").exists()
    factories.make_photo(collection, deleting_at="2026-01-01T00:00Z")
    tasks.sweep()
    assert not (folder / "reserve").exists()
    assert not Photo.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_another_error_does_not_cost_the_reserve(collection, monkeypatch, folder):
    def break_down(*_, **__):
        raise DatabaseError("something else")

    assert disk.hold_reserve()
    monkeypatch.setattr(deletion, "_mark_photos", break_down)
    with pytest.raises(DatabaseError):
        deletion.delete_photos(Photo.objects.all())
    assert os.listdir(folder) == ["reserve"]


@pytest.mark.parametrize("error", [no_room(), wrapped(full_sqlite()), from_postgres()], ids=["file", "row", "server"])
def test_whatever_meets_the_full_disk_answers_507(alice_client, collection, monkeypatch, error):
    def run_full(*_, **__):
        raise error

    monkeypatch.setattr("classifier.services.summaries.count_photos", run_full)
    page = alice_client.get(reverse("collection-detail", args=[collection.uid]))
    assert page.status_code == 507
    assert "Delete photos or collections" in page.content.decode()
    script = alice_client.get(reverse("collection-progress", args=[collection.uid]), headers={"HX-Request": "true"})
    assert (script.status_code, script["X-Code"]) == (507, "storage_full")
    assert script.content.decode() == disk.FULL_SENTENCE
    program = alice_client.get(reverse("api-collection-detail", args=[collection.uid]))
    assert (program.status_code, program.json()["error"]["code"]) == (507, "storage_full")


@pytest.mark.parametrize("raised", [SessionInterrupted, UpdateError])
@pytest.mark.parametrize(
    ("address", "said"), [("/", "Delete photos or collections"), ("/api/v1/photos/", "storage_full")]
)
def test_a_session_that_cannot_be_written_is_507_too(alice, monkeypatch, address, said, raised):
    """Django takes it for a session that is gone, and outside of any view."""

    def run_full(*_):
        raise raised from wrapped(full_sqlite())

    client = logged_in(alice)
    client.raise_request_exception = False
    monkeypatch.setattr(SessionMiddleware, "process_response", run_full)
    answer = client.get(address)
    assert answer.status_code == 507
    assert said in answer.content.decode()


def test_a_heat_map_that_finds_no_room_says_so_and_can_be_asked_again(collection, alice, monkeypatch):
    def run_full(*_, **__):
        raise no_room()

    face = factories.make_face(factories.make_photo(collection))
    monkeypatch.setattr(explanations.hints, "wake_workers", lambda: None)
    explanations.ask(alice, face=face, attribute="race")
    with monkeypatch.context() as patch:
        patch.setitem(jobs.DOERS, Job.Kind.EXPLANATION, run_full)
        assert jobs.run_once() == 1
    answer = explanations.read_answer(face, attribute="race")
    assert (answer.state, answer.can_ask_again) == ("failed", True)
    assert "disk of this site is full" in answer.reason


def test_workers_leave_photos_waiting_while_results_could_not_be_stored(collection, monkeypatch):
    photo = factories.make_photo(collection, state="queued")
    leave(monkeypatch, free=0)
    monkeypatch.setattr(tasks, "close_old_connections", lambda: None)
    tasks.analyze()
    photo.refresh_from_db()
    assert (photo.state, photo.attempts) == ("queued", 0)


def test_whoever_logs_in_while_the_disk_is_full_has_the_reserve(client, alice, monkeypatch, folder):
    assert disk.hold_reserve()
    leave(monkeypatch, free=0)
    client.get(reverse("about"))
    assert os.listdir(folder) == ["reserve"]
    answer = client.post(reverse("account_login"), {"login": "alice", "password": "correct horse battery"})
    assert answer.status_code == 302
    assert os.listdir(folder) == []
