"""Where photos lie, and that a file is there whole or not at all."""

import io
import uuid

import pytest
from django.core.files.storage import InMemoryStorage, default_storage

from classifier.intake import durable_files, storage
from classifier.intake.formats import BadImage
from tests import pictures

UID = uuid.UUID("ab3e0000-0000-4000-8000-000000000001")


@pytest.fixture
def other_storage(settings) -> None:
    """A storage without paths of its own, as one in a bucket is."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    }


def test_files_are_named_after_the_photo_in_folders_by_how_its_uid_begins():
    assert storage.file_names(UID) == (f"photos/ab/{UID}.jpg", f"thumbnails/ab/{UID}.jpg")


def test_a_stored_photo_lies_where_its_names_say_and_can_be_removed(media):
    names = storage.file_names(UID)
    storage.store_photo(io.BytesIO(pictures.jpeg()), uid=UID)
    assert sorted(path.relative_to(media).as_posix() for path in media.rglob("*.*")) == sorted(names)
    storage.remove_files(*names)
    storage.remove_files(*names, "")  # once more does no harm
    assert list(media.rglob("*.*")) == []


def test_a_refused_file_leaves_nothing(media):
    with pytest.raises(BadImage):
        storage.store_photo(io.BytesIO(b"text"), uid=UID)
    assert list(media.rglob("*.*")) == []


def test_what_a_killed_child_left_is_removed(media, monkeypatch):
    def write_half(file, *, image, thumbnail, **_):
        image.parent.mkdir(parents=True)
        durable_files.part_of(image).write_bytes(b"half")
        raise BadImage("damaged")

    monkeypatch.setattr("classifier.intake.pool.DecodingPool.store_picture", lambda self, *a, **k: write_half(*a, **k))
    with pytest.raises(BadImage):
        storage.store_photo(io.BytesIO(pictures.jpeg()), uid=UID)
    assert list(media.rglob("*.*")) == []


@pytest.mark.usefixtures("other_storage")
def test_a_storage_without_paths_gets_the_same_files():
    stored = storage.store_photo(io.BytesIO(pictures.jpeg(1024, 768)), uid=UID)
    names = storage.file_names(UID)
    assert stored.stored_bytes == sum(default_storage.size(name) for name in names)
    storage.remove_files(*names)
    assert not any(default_storage.exists(name) for name in names)


@pytest.mark.usefixtures("other_storage")
def test_a_storage_that_fails_halfway_keeps_neither_file(monkeypatch):
    image, thumbnail = storage.file_names(UID)
    save = InMemoryStorage.save

    def fail_on_thumbnails(storage, name, content):
        if name == thumbnail:
            raise OSError(28, "No space left on device")
        return save(storage, name, content)

    monkeypatch.setattr(InMemoryStorage, "save", fail_on_thumbnails)
    with pytest.raises(OSError, match="No space left"):
        storage.store_photo(io.BytesIO(pictures.jpeg()), uid=UID)
    assert not default_storage.exists(image)


def test_files_are_written_whole_private_and_without_a_part_left(tmp_path):
    first, second = tmp_path / "a" / "b" / "one", tmp_path / "two"
    durable_files.write_files({first: b"1", second: b"2"})
    assert (first.read_bytes(), second.read_bytes()) == (b"1", b"2")
    assert first.stat().st_mode & 0o777 == 0o600
    assert first.parent.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in tmp_path.rglob("*")} == {"a", "b", "one", "two"}


def test_when_one_of_two_files_cannot_be_written_neither_is_there(tmp_path):
    first, second = tmp_path / "one", tmp_path / "two"
    durable_files.part_of(second).symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        durable_files.write_files({first: b"1", second: b"2"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("other_storage")
def test_a_thumbnail_is_made_anew_in_a_storage_without_paths():
    storage.store_photo(io.BytesIO(pictures.jpeg(1024, 768)), uid=UID)
    image, thumbnail = storage.file_names(UID)
    before = default_storage.size(thumbnail)
    default_storage.delete(thumbnail)
    storage.restore_thumbnail(image, thumbnail=thumbnail)
    assert default_storage.size(thumbnail) == pytest.approx(before, rel=0.1)
