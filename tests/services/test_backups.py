"""Backup and restore: nothing lost whatever ends them, nothing restored that is not as it was."""

import os
import secrets
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from django.conf import settings as all_settings
from django.core.management import CommandError, call_command
from django.db import connection

from classifier.models import Face, Photo
from classifier.services import deletion
from classifier.services.backups import databases, making, manifests, writing
from classifier.services.backups.errors import BackupError
from tests import factories
from tests.kills import kill_at_steps
from tests.site import ROOT, Site, own_database

PHOTOS = 3
KEY = secrets.token_urlsafe(64)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def instance(tmp_path, settings, collection):
    """A folder with a data folder in it: alice's collection of a few photos with faces, one of them explained."""
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    settings.MEDIA_ROOT = settings.DATA_DIR / "media"
    settings.STORAGES = settings.STORAGES | {
        "default": settings.STORAGES["default"] | {"OPTIONS": {"location": settings.MEDIA_ROOT}}
    }
    (settings.DATA_DIR / "secret_key").write_text(KEY)
    faces = [factories.make_face(factories.make_photo(collection=collection)) for _ in range(PHOTOS)]
    factories.make_explanation(faces[0])
    return tmp_path


def back_up(path: Path, **options) -> manifests.Manifest:
    return making.make_backup(path, report=lambda *told: None, **options)


def back_up_unless_done(path: Path) -> None:
    try:
        back_up(path)
    except BackupError as error:
        assert error.code == "exists"  # noqa: PT017 - it was killed after all was done


def stored_files(media: Path) -> dict[str, bytes]:
    return {str(path.relative_to(media)): path.read_bytes() for path in sorted(media.rglob("*")) if path.is_file()}


def assert_sums_hold(folder: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"], cwd=folder, check=True)


@pytest.fixture
def place(tmp_path):
    """Another, empty instance."""
    with own_database(os.environ.get("DATABASE_URL", "")) as url:
        yield Site(tmp_path / "other", **({"DATABASE_URL": url} if url else {"DATABASE_URL": ""}))


def drive(place: Site, what: str, backup: Path) -> str:
    """What `tests.restores` says of a backup in that instance."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.restores", what, str(backup)],
        cwd=ROOT,
        env=place.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


def count_rows(place: Site) -> str:
    code = (
        "from classifier.models import *; from classifier.services.doctor import files; "
        "print(User.objects.get().username, Photo.objects.count(), Face.objects.count(), Explanation.objects.count(), "
        "AuditEvent.objects.last().action, files.find_missing_files(), files.find_orphan_files())"
    )
    return place.manage("shell", "-v0", "-c", code).splitlines()[-1]


def test_a_folder_that_was_killed_at_every_step_is_whole_in_the_end_and_so_is_its_restore(instance, place):
    backup = instance / "backup"
    kills = kill_at_steps(lambda: back_up_unless_done(backup))
    assert kills > 10
    assert_sums_hold(backup)
    assert not list(backup.rglob("*.part"))
    assert {path.stat().st_mode & 0o077 for path in backup.rglob("*")} == {0}

    assert int(drive(place, "killed", backup)) > 3
    assert count_rows(place) == f"alice {PHOTOS} {PHOTOS} 1 backup restored None None"
    restored = Path(place.environment["FACET_DATA"])
    assert stored_files(restored / "media") == stored_files(instance / "data" / "media")
    assert (restored / "secret_key").read_text() == KEY
    assert not (restored / "restoring").exists()
    with pytest.raises(subprocess.CalledProcessError) as refused:
        place.manage("restore", str(backup))
    assert "a restore overwrites nothing" in refused.value.stderr


def test_a_tar_file_is_the_same_and_one_of_the_version_before_is_brought_up_to_date(instance, place, tmp_path):
    backup = instance / "backup.tar"
    assert kill_at_steps(lambda: back_up_unless_done(backup), stride=3) > 3
    assert sorted(path.name for path in instance.glob("backup.tar*")) == ["backup.tar"]
    with tarfile.open(backup) as tar:
        tar.extractall(instance / "unpacked", filter="data")
    assert_sums_hold(instance / "unpacked")

    place.manage("restore", str(backup))
    before = previous_migration()
    place.manage("migrate", "classifier", before, "-v0")
    back_up_there = f"making.make_backup(Path('{instance}/old.tar'), report=print)"
    imports = "from pathlib import Path; from classifier.services.backups import making"
    quiet = "making.audit.record = lambda *args, **details: None"  # this version's log has other columns
    place.manage("shell", "-v0", "-c", f"{imports}; {quiet}; {back_up_there}")
    with own_database(os.environ.get("DATABASE_URL", "")) as url:
        newest = Site(tmp_path / "newest", DATABASE_URL=url)
        newest.manage("restore", f"{instance}/old.tar")
        assert count_rows(newest) == f"alice {PHOTOS} {PHOTOS} 1 backup restored None None"
        newest.manage("migrate", "--check", "-v0")


def previous_migration() -> str:
    from django.db.migrations.loader import MigrationLoader

    graph = MigrationLoader(connection).graph
    (leaf,) = graph.leaf_nodes("classifier")
    return sorted(parent.key for parent in graph.node_map[leaf].parents if parent.key[0] == "classifier")[-1][1]


def test_one_changed_byte_and_one_missing_file_are_told_before_the_database_comes(instance, place):
    back_up(instance / "backup")
    assert drive(place, "damaged", instance / "backup") == "refused"
    photo = next((instance / "backup" / "media" / "photos").rglob("*.jpg"))
    photo.write_bytes(photo.read_bytes()[:-1] + b"x")
    with pytest.raises(subprocess.CalledProcessError) as told:
        place.manage("restore", str(instance / "backup"), "--leave-out-damaged")
    assert told.value.returncode == 3
    assert photo.name in told.value.stdout
    assert photo.stem in count_rows(place)  # the doctor names it


def test_what_people_delete_meanwhile_is_in_no_backup(instance, place, monkeypatch):
    first, *_ = Photo.objects.order_by("pk")
    usual = writing.FolderTarget.put

    def put(self, name, source, *, links=False):
        deletion.delete_photos(Photo.objects.filter(pk=first.pk))
        usual(self, name, source, links=links)

    monkeypatch.setattr(writing.FolderTarget, "put", put)
    manifest = back_up(instance / "backup")
    assert manifest.deleted == [str(first.uid)]
    assert not list((instance / "backup").rglob(f"{first.uid}*"))
    place.manage("restore", str(instance / "backup"))
    assert count_rows(place) == f"alice {PHOTOS - 1} {PHOTOS - 1} 0 backup restored None None"


def test_hard_links_take_no_room_and_outlive_the_photo(instance):
    back_up(instance / "backup", links=True)
    photo = Photo.objects.first()
    copy = instance / "backup" / "media" / photo.image.name
    assert copy.samefile(photo.image.path)
    deletion.delete_photos(Photo.objects.all())
    assert copy.stat().st_nlink == 1
    assert_sums_hold(instance / "backup")
    assert Face.objects.count() == 0


@pytest.mark.skipif(connection.vendor == "postgresql", reason="a database of PostgreSQL is dumped by its own program")
def test_deleted_names_do_not_stand_in_the_free_pages_of_the_copy(instance):
    Photo.objects.update(name="the-secret-name.jpg")
    deletion.delete_photos(Photo.objects.all())
    back_up(instance / "backup")
    assert b"the-secret-name" not in (instance / "backup" / databases.file_name()).read_bytes()


def test_a_full_disk_is_told_and_the_rest_follows_when_there_is_room(instance):
    for photo in Photo.objects.all():
        Path(photo.image.path).write_bytes(os.urandom(2_000_000))
    small = instance / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small file system")
    try:
        with pytest.raises(CommandError, match="What was copied stays"):
            call_command("backup", small / "backup", verbosity=0)
        subprocess.run(["mount", "-o", "remount,size=20m", str(small)], check=True)
        call_command("backup", small / "backup", verbosity=0)
        assert_sums_hold(small / "backup")
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_places_where_no_backup_belongs_are_refused(instance, settings):
    back_up(instance / "whole")
    (instance / "other").mkdir()
    (instance / "other" / "letter.txt").write_text("mine")
    (instance / "there.tar").write_text("mine")
    refused = {
        instance / "whole": "exists",
        instance / "other": "not_empty",
        instance / "there.tar": "exists",
        Path(settings.DATA_DIR) / "backup": "inside",
        instance / "nowhere" / "backup": "no_folder",
    }
    for path, code in refused.items():
        with pytest.raises(BackupError) as error:
            back_up(path)
        assert error.value.code == code
    assert (instance / "other" / "letter.txt").read_text() == "mine"
    with writing.begun(instance / "new"), pytest.raises(BackupError, match="under way"):
        back_up(instance / "new")


def test_a_site_whose_restore_was_cut_short_does_not_start(instance, settings):
    from classifier.checks import security

    assert list(security.check_restore(None)) == []
    (settings.DATA_DIR / "restoring").write_text("0" * 64)
    (message,) = security.check_restore(None)
    assert message.id == "facet.E046"
    assert all_settings.DATA_DIR == settings.DATA_DIR


def test_a_program_of_postgres_that_is_older_than_the_server_is_told_as_that(tmp_path, monkeypatch):
    said = "pg_dump: error: aborting because of server version mismatch\npg_dump: detail: server version: 17.2"
    program = tmp_path / "pg_dump"
    program.write_text(f"#!/bin/sh\n[ \"$LC_ALL\" = C ] && printf '{said}' >&2\nexit 1\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(BackupError, match="older than the server") as refused:
        databases._run_postgres("pg_dump", "--format=custom")
    assert refused.value.code == "old_program"
    assert "server version: 17.2" in str(refused.value)
