"""A disk that is full to the last byte: deleting and logging in work, everything else says 507 and what to do."""

import os
import shutil
import subprocess
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from classifier import tasks
from classifier.models import Collection, Photo
from classifier.running import hints
from classifier.services import disk, tokens
from tests import factories, pictures

DISK_MB = 24
PASSWORD = "correct horse battery"


@pytest.fixture
def small_disk(tmp_path, settings, transactional_db):
    """A file system of its own with the data folder, the photos and, where it is SQLite, the database on it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small file system; tests/services/test_disk.py has the same without one")
    settings.DATA_DIR, settings.MEDIA_ROOT = folder, folder / "media"
    settings.STORAGES = settings.STORAGES | {
        "default": settings.STORAGES["default"] | {"OPTIONS": {"location": settings.MEDIA_ROOT}}
    }
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "small_cache"}}
    usual = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        shutil.copy(usual, folder / "facet.sqlite3")
        connection.settings_dict["NAME"] = str(folder / "facet.sqlite3")
    call_command("createcachetable")
    yield folder
    if connection.vendor == "sqlite":
        connection.close()
        connection.settings_dict["NAME"] = usual
    else:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE small_cache")
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def collection(small_disk) -> Collection:
    """Alice's, with three photos, on a disk that still has room; the reserve is there."""
    owner = factories.UserFactory(username="alice", password=PASSWORD)
    collection = factories.CollectionFactory(owner=owner)
    for _ in range(3):
        factories.make_face(factories.make_photo(collection))
    assert disk.hold_reserve()
    return collection


def fill(folder, *, keep_open: bool = False) -> None:
    """Take every byte that is left, as another program may; unless it is kept open, nobody has the database open."""
    if not keep_open:
        connection.close()
    with open(folder / "junk", "ab", buffering=0) as file:
        size = 1024**2
        while size >= 1:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2
    assert disk.free_bytes() == 0


def ask(client: Client, method: str, address: str, **options):
    """One request as a server answers it: errors are pages, and the database is opened and closed for it."""
    client.raise_request_exception = False
    response = getattr(client, method)(address, **options)
    connection.close()
    return response


def log_in(client: Client):
    return ask(client, "post", reverse("account_login"), data={"login": "alice", "password": PASSWORD})


def files(folder) -> list:
    return [path for path in (folder / "media").rglob("*") if path.is_file()]


def test_somebody_logs_in_and_makes_room(collection, small_disk):
    client = Client()
    photos = list(collection.photos.all())
    fill(small_disk)
    assert log_in(client).status_code == 302
    assert ask(client, "get", reverse("collection-detail", args=[collection.uid])).status_code == 200

    assert ask(client, "post", reverse("photo-delete", args=[photos[0].uid])).status_code == 302
    ticked = {"photos": [str(photos[1].uid)]}
    assert ask(client, "post", reverse("photo-delete-selected", args=[collection.uid]), data=ticked).status_code == 302
    assert list(Photo.objects.all()) == [photos[2]]
    assert ask(client, "post", reverse("collection-delete", args=[collection.uid])).status_code == 302
    assert not Collection.objects.exists()
    assert files(small_disk) == []


def test_a_session_or_a_token_that_is_there_makes_room_too(collection, small_disk):
    client = Client()
    client.force_login(collection.owner)
    _, secret = tokens.create_token(collection.owner, name="laptop")
    first, second, _ = collection.photos.all()
    fill(small_disk)
    key = {"Authorization": f"Token {secret}"}
    assert ask(Client(), "delete", reverse("api-photo-detail", args=[first.uid]), headers=key).status_code == 204
    assert ask(client, "post", reverse("photo-delete", args=[second.uid])).status_code == 302
    assert collection.photos.count() == 1
    assert len(files(small_disk)) == 2


def test_the_account_of_somebody_is_deleted_by_an_administrator(collection, small_disk):
    client = Client()
    client.force_login(factories.UserFactory(is_staff=True, is_superuser=True))
    fill(small_disk)
    address = reverse("admin:classifier_user_delete", args=[collection.owner_id])
    assert ask(client, "post", address, data={"post": "yes"}).status_code == 302
    assert not Photo.objects.exists()
    assert files(small_disk) == []


def test_photos_whose_days_are_over_go_and_make_room(collection, small_disk, monkeypatch):
    monkeypatch.setattr(hints, "wake_workers", lambda: None)
    Collection.objects.update(retention_days=30)
    Photo.objects.update(received_at=timezone.now() - timedelta(days=40))
    fill(small_disk, keep_open=True)
    tasks.sweep()
    assert not Photo.objects.exists()
    assert files(small_disk) == []


def test_the_doctor_says_what_is_wrong(collection, small_disk, capsys):
    fill(small_disk)
    with pytest.raises(SystemExit):
        call_command("doctor")
    assert "The disk is full" in capsys.readouterr().out


def test_what_needs_room_is_507_with_what_to_do(collection, small_disk):
    client = Client()
    client.force_login(collection.owner)
    _, secret = tokens.create_token(collection.owner, name="laptop")
    key = {"Authorization": f"Token {secret}"}
    fill(small_disk)

    def photo():
        return {"images": SimpleUploadedFile("a.jpg", pictures.jpeg(seed=99))}

    named = {"name": "x", "purpose": "y", "attributes": ["age"], "taxonomy": "fairface-7", "declaration": "on"}
    new = named | {"accept_declaration": True}
    signing_up = {"username": "carol", "email": "carol@example.org", "password1": PASSWORD, "password2": PASSWORD}
    page = [
        ask(client, "post", reverse("photo-upload", args=[collection.uid]), data=photo(), headers={"HX-Request": "1"}),
        ask(client, "post", reverse("collection-create"), data=named),
        ask(client, "post", reverse("token-list"), data={"name": "x", "scope": "read", "days": "7"}),
        ask(Client(), "post", reverse("account_signup"), data=signing_up | {"terms": "on"}),
    ]
    api = [
        ask(Client(), "post", reverse("api-photo-list"), data=photo(), headers=key),
        ask(
            Client(),
            "post",
            reverse("api-collection-list"),
            data=new,
            content_type="application/json",
            headers=key,
        ),
    ]
    if connection.vendor == "sqlite":  # elsewhere the rows lie on another disk, and only photos find no room
        assert [answer.status_code for answer in page + api] == [507] * 6
    else:
        assert (page[0].status_code, api[0].status_code) == (507, 507)
    assert api[0].json()["error"] == {"code": "storage_full", "message": disk.FULL_SENTENCE, "details": {}}
    assert page[0]["X-Code"] == "storage_full"
    assert all("elet" in answer.content.decode() for answer in page if answer.status_code == 507)
    assert len(files(small_disk)) == 6
    (small_disk / "junk").unlink()
    assert Photo.objects.count() == 3


def test_a_page_that_cannot_even_be_read_says_so_and_comes_with_the_next_try(collection, small_disk):
    client = Client()
    client.force_login(collection.owner)
    fill(small_disk)
    statuses = [ask(client, "get", reverse("collection-list")).status_code for _ in range(2)]
    assert statuses == ([507, 200] if connection.vendor == "sqlite" else [200, 200])


def test_without_a_reserve_no_error_is_told_as_another_one(collection, small_disk, settings):
    settings.RESERVE_BYTES = 0
    disk.give_up_reserve()
    client = Client()
    client.force_login(collection.owner)
    fill(small_disk)
    if connection.vendor == "sqlite":
        answers = [
            log_in(Client()),
            ask(client, "post", reverse("photo-delete", args=[collection.photos.model().uid])),
            ask(client, "get", reverse("account-detail")),
        ]
        assert [answer.status_code for answer in answers] == [507] * 3
    assert ask(client, "get", reverse("healthz")).status_code == 200


def test_the_reserve_comes_back_once_there_is_room_and_uploads_wait_for_it(collection, small_disk, monkeypatch):
    monkeypatch.setattr(hints, "wake_workers", lambda: None)
    reserve = small_disk / "reserve"
    size = reserve.stat().st_size
    assert size == DISK_MB * 1024**2 // disk.LARGEST_PART
    fill(small_disk)
    disk.make_room()
    assert not reserve.exists()
    assert disk.measure().is_full  # what is free now is for making room, not for photos
    tasks.sweep()
    assert not reserve.exists()
    (small_disk / "junk").unlink()
    tasks.sweep()
    assert reserve.stat().st_size == size
    assert reserve.stat().st_blocks * 512 >= size
    assert not disk.measure().is_full
