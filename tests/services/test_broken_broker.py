"""What is committed is never undone, and a file of the broker that is not whole stops nothing and is replaced."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery import Celery
from django.db import OperationalError, transaction
from kombu.transport.filesystem import Transport

import classifier.running.broker  # noqa: F401 - registers the facetfiles transport
from classifier import tasks
from classifier.intake import storage
from classifier.management.commands import run
from classifier.models import Photo, State
from classifier.running import hints
from classifier.services import explanations, rerun, uploads
from tests import factories
from tests.services.submissions import files_of, outcomes, sent, stored_files
from webapp.celery import broker_settings

pytestmark = pytest.mark.django_db(transaction=True)  # so that what runs at a commit runs there

NOT_WHOLE = {
    "empty": b"",
    "half": b'[["celery", "", "cel',
    "not text": b"\xff\xfe\x00",
    "no list": b'{"celery": 1}',
    "null": b"null",
    "numbers": b"[1, 2, 3]",
    "short rows": b'[["celery", "celery"]]',
    "rows of numbers": b"[[1, 2, 3]]",
}


def do_nothing() -> None:
    """In the place of the task: only its message matters here."""


@pytest.fixture
def broker(tmp_path, settings, monkeypatch) -> Path:
    """The real transport on a folder of its own, in the state of a process that sent nothing yet."""
    settings.REDIS_URL = ""
    settings.DATA_DIR = tmp_path
    app = Celery("fresh", set_as_current=False)
    app.conf.update(**broker_settings(), task_ignore_result=True, task_publish_retry=False)
    monkeypatch.setattr(tasks, "analyze", app.task(name=tasks.analyze.name, shared=False)(do_nothing))
    monkeypatch.setattr(hints, "current_app", SimpleNamespace(tasks={hints.ANALYZE: tasks.analyze}))
    Transport.global_state.clear()
    yield tmp_path / "broker"
    app.pool.force_close_all()
    app.close()
    Transport.global_state.clear()


def messages(broker: Path) -> list[Path]:
    return list((broker / "messages").glob("*.celery.msg"))


def break_table(broker: Path, kind: str) -> Path:
    table = broker / "control" / "celery.exchange"
    if kind == "folder":
        (table / "within").mkdir(parents=True)
    elif kind == "no permission":
        table.write_bytes(b"[]")
        table.chmod(0)
    else:
        table.write_bytes(NOT_WHOLE[kind])
    return table


def assert_all_is_kept(upload, media) -> None:
    assert outcomes(upload) == ["accepted"]
    [photo] = Photo.objects.all()
    assert photo.state == State.QUEUED
    assert stored_files(media) == files_of([photo])


@pytest.mark.parametrize("kind", [*NOT_WHOLE, "folder", "no permission"])
def test_a_table_that_is_not_whole_is_replaced_and_the_first_upload_of_a_process_is_kept(
    alice, collection, media, broker, kind
):
    table = break_table(broker, kind)
    upload = uploads.submit_photos(alice, collection=collection, files=[sent()])
    assert_all_is_kept(upload, media)
    assert len(messages(broker)) == 1
    assert ["celery", "", "celery"] in json.loads(table.read_text())


@pytest.mark.parametrize("kind", ["empty", "folder"])
def test_the_supervisor_sweeps_on_although_a_table_is_not_whole(collection, broker, kind):
    factories.make_photo(collection, state=State.QUEUED)
    break_table(broker, kind)
    run.sweep()
    assert len(messages(broker)) == 1


@pytest.mark.parametrize("missing", ["control", "messages"])
def test_an_upload_is_kept_where_the_broker_has_no_folder(alice, collection, media, broker, missing):
    (broker / missing).rmdir()
    (broker / missing).write_bytes(b"")
    assert_all_is_kept(uploads.submit_photos(alice, collection=collection, files=[sent()]), media)
    run.sweep()


@pytest.fixture(params=[ValueError, RuntimeError, MemoryError, OSError, KeyError])
def broken_hint(request, monkeypatch):
    def break_off(**_):
        raise request.param("unforeseen")

    monkeypatch.setattr(tasks.analyze, "apply_async", break_off)


def test_a_hint_that_fails_in_whatever_way_undoes_no_upload(alice, collection, media, broker, broken_hint):
    assert_all_is_kept(uploads.submit_photos(alice, collection=collection, files=[sent()]), media)


def test_a_hint_that_fails_in_whatever_way_fails_nothing_else_that_was_committed(
    alice, collection, broker, broken_hint
):
    photo = factories.make_photo(collection, state=State.DONE)
    face = factories.make_face(photo)
    assert explanations.ask(alice, face=face, attribute="race").state == State.QUEUED
    assert rerun.run_again(Photo.objects.all()) == 1
    run.sweep()
    Photo.objects.update(state=State.DONE)
    assert rerun.detect_again(Photo.objects.all()) == 1


def test_a_sweep_that_breaks_in_whatever_way_does_not_end_the_site(db, monkeypatch):
    def break_off():
        raise ZeroDivisionError("unforeseen")

    monkeypatch.setattr(tasks, "sweep", break_off)
    run.sweep()


def test_an_interrupt_right_after_the_commit_leaves_the_files(alice, collection, media, monkeypatch):
    def be_interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(hints, "wake_workers", be_interrupted)
    with pytest.raises(KeyboardInterrupt):
        uploads.submit_photos(alice, collection=collection, files=[sent()])
    assert stored_files(media) == files_of(Photo.objects.all()) != set()


def fail_after(monkeypatch, step):
    """The rows are committed, then the database's answer is lost."""
    create = uploads._create_rows

    def create_and_lose_the_answer(*args, **kwargs):
        create(*args, **kwargs)
        step()
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(uploads, "_create_rows", create_and_lose_the_answer)


def test_files_stay_when_the_answer_to_the_commit_is_lost(alice, collection, media, monkeypatch):
    fail_after(monkeypatch, lambda: None)
    with pytest.raises(OperationalError):
        uploads.submit_photos(alice, collection=collection, files=[sent()])
    assert stored_files(media) == files_of(Photo.objects.all()) != set()


def test_files_stay_when_nobody_can_say_whether_they_have_rows(alice, collection, media, monkeypatch):
    def be_away(*_, **__):
        raise OperationalError("no route to the database")

    fail_after(monkeypatch, lambda: monkeypatch.setattr(Photo.objects, "filter", be_away))
    with pytest.raises(OperationalError):
        uploads.submit_photos(alice, collection=collection, files=[sent()])
    assert len(stored_files(media)) == 2


def test_a_rolled_back_submission_leaves_no_files(alice, collection, media, monkeypatch):
    def fail(*_, **__):
        raise OperationalError("deadlock detected")

    monkeypatch.setattr(uploads.UploadItem.objects, "bulk_create", fail)
    with pytest.raises(OperationalError):
        uploads.submit_photos(alice, collection=collection, files=[sent()])
    assert stored_files(media) == set()
    assert not transaction.get_connection().in_atomic_block


def test_a_file_that_cannot_be_removed_does_not_fail_a_committed_upload(alice, collection, media, monkeypatch):
    def resist(*names):
        raise PermissionError(names)

    def come_first():
        uploads.submit_photos(alice, collection=collection, files=[sent()])
        monkeypatch.setattr(storage, "remove_files", resist)

    store = uploads._store_files

    def store_and_be_overtaken(files, **options):
        store(files, **options)
        monkeypatch.setattr(uploads, "_store_files", store)
        come_first()

    monkeypatch.setattr(hints, "wake_workers", lambda: None)
    monkeypatch.setattr(uploads, "_store_files", store_and_be_overtaken)
    upload = uploads.submit_photos(alice, collection=collection, files=[sent()])
    assert outcomes(upload) == ["duplicate"]
