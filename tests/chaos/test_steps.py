"""Deleting, exporting, reporting and backing up, killed at each statement and file: what was begun is finished, once.

By default at some of the steps, with FACET_CHAOS=full at each, always from a fresh start.
"""

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from classifier import tasks
from classifier.models import (
    AccountExport,
    AuditPerson,
    Collection,
    CollectionShare,
    ComputedReport,
    Explanation,
    Face,
    Job,
    Photo,
    State,
    Upload,
    User,
)
from classifier.services import accounts, audit, deletion, exports, jobs, tokens
from classifier.services.backups import making
from classifier.services.backups.errors import BackupError
from classifier.services.reports import caching, computing, reading
from ml.shares.resampling import Bootstrap
from tests import factories
from tests.chaos.test_kills import FULL
from tests.kills import is_killed
from tests.services.submissions import stored_files

PHOTOS = 5
MOST_STEPS = 1_000
_numbers = count(1)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch) -> None:
    """Several batches where there are few photos, and quick intervals."""
    monkeypatch.setattr(deletion, "BATCH_PHOTOS", 2)
    monkeypatch.setattr(deletion, "MARKED_AT_ONCE", 3)
    request = computing.Request
    monkeypatch.setattr(computing, "Request", lambda **values: request(bootstrap=Bootstrap(replicates=20), **values))


def make_collection() -> Collection:
    """Somebody's, with photos, faces, a heat map, an upload and a person it is shared with."""
    number = next(_numbers)
    owner = factories.UserFactory(username=f"anna{number}")
    collection = factories.CollectionFactory(owner=owner, name=f"of anna {number}")
    faces = [factories.make_face(factories.make_photo(collection, name="anna.jpg")) for _ in range(PHOTOS)]
    factories.make_explanation(faces[0])
    upload = Upload.objects.create(owner=owner, collection=collection)
    upload.items.create(number=1, name="anna.jpg", outcome="accepted", photo=faces[0].photo)
    CollectionShare.objects.create(collection=collection, user=factories.UserFactory())
    return collection


def kill_at_each(make: Callable[[], object], act: Callable, finish: Callable, *, stride: int) -> int:
    """Make a fresh start, act and be killed, finish; a step later each time until nobody is killed. The kills."""
    stride = 1 if FULL else stride
    for kills in range(MOST_STEPS):
        thing = make()
        was_killed = is_killed(lambda thing=thing: act(thing), step=1 + kills * stride, queries=True)
        finish(thing)
        if not was_killed:
            print(f"{kills} kills, {stride} steps apart")  # noqa: T201
            return kills
    raise AssertionError("it never ends")


def assert_nothing_left(media: Path) -> None:
    for model in (Collection, Photo, Face, Explanation, Upload, AccountExport):
        assert not model.objects.exists(), model
    assert stored_files(media) == set()
    assert audit.verify() == []


def test_a_collection(media):
    def finish(collection: Collection) -> None:
        owner, state = collection.owner, Collection.objects.filter(pk=collection.pk).first()
        if state and state.deleting_at is None:  # killed before it was marked: all is there, and is deleted again
            assert Photo.objects.visible_to(owner).count() == PHOTOS
            assert len(stored_files(media)) == 2 * PHOTOS + 1
            deletion.delete_collection(collection, by=owner)
        else:
            assert not Photo.objects.visible_to(owner).exists()
            tasks.sweep()
        assert_nothing_left(media)

    kills = kill_at_each(make_collection, lambda c: deletion.delete_collection(c, by=c.owner), finish, stride=17)
    assert kills >= (40 if FULL else 3)


def test_an_account(media):
    def make() -> User:
        owner = make_collection().owner
        factories.make_photo(factories.CollectionFactory(owner=owner))
        tokens.create_token(owner, name="laptop")
        exports.ask_for_export(owner)
        jobs.run_once()
        return owner

    def finish(owner: User) -> None:
        state = User.objects.filter(pk=owner.pk).first()
        if state and state.deleting_at is None:
            assert Photo.objects.visible_to(owner).count() == PHOTOS + 1
            assert exports.find_newest(owner).is_ready()
            accounts.delete_account(owner)
        tasks.sweep()
        assert not User.objects.filter(pk=owner.pk).exists()
        assert not AuditPerson.objects.filter(uid=owner.uid).exists()
        assert_nothing_left(media)

    assert kill_at_each(make, accounts.delete_account, finish, stride=29) >= (80 if FULL else 3)


def let_lease_run_out() -> None:
    Job.objects.filter(state=State.RUNNING).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_an_export(media):
    def make() -> User:
        owner = make_collection().owner
        exports.ask_for_export(owner)
        return owner

    def finish(owner: User) -> None:
        let_lease_run_out()
        jobs.run_once()
        export = exports.find_newest(owner)
        assert export.is_ready()
        assert [path.name for path in (media / "exports").iterdir()] == [f"{export.uid}.zip"]
        assert AccountExport.objects.filter(owner=owner).count() == 1
        assert is_killed(lambda: deletion.remove_exports(AccountExport.objects.all()), step=2, queries=True)
        deletion.remove_exports(AccountExport.objects.all())
        assert not list((media / "exports").iterdir())

    assert kill_at_each(make, lambda owner: jobs.run_once(), finish, stride=17) >= (25 if FULL else 2)


def test_a_report(media, monkeypatch):
    monkeypatch.setattr(caching, "AT_ONCE_FACES", 0)

    def make() -> Collection:
        collection = make_collection()
        caching.read_answer(collection, question=reading.default_question(collection), user=collection.owner)
        return collection

    def finish(collection: Collection) -> None:
        let_lease_run_out()
        jobs.run_once()
        question = reading.default_question(collection)
        answer = caching.read_answer(collection, question=question, user=collection.owner)
        assert (answer.state, answer.is_current) == ("done", True)
        assert answer.values["faces"] == PHOTOS
        assert ComputedReport.objects.filter(collection=collection).count() == 1
        assert not Job.objects.pending().exists()

    assert kill_at_each(make, lambda collection: jobs.run_once(), finish, stride=11) >= (20 if FULL else 2)


def test_a_backup(media, settings, tmp_path):
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    make_collection()
    backup = tmp_path / "backup"

    def back_up(_: object = None) -> None:
        making.make_backup(backup, report=lambda *told: None)

    def finish(_: object) -> None:
        try:
            back_up()
        except BackupError as error:
            assert error.code == "exists"  # noqa: PT017 - it was killed after all was done
        assert stored_files(media) <= {str(path.relative_to(backup / "media")) for path in files_of(backup)}
        assert not list(backup.rglob("*.part"))
        shutil.rmtree(backup)

    assert kill_at_each(lambda: None, back_up, finish, stride=23) >= (40 if FULL else 2)
    connection.close()


def files_of(backup: Path) -> list[Path]:
    return [Path(folder, name) for folder, _, names in os.walk(backup / "media") for name in names]
