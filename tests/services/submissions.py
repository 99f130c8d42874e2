"""Submissions for tests: what is sent, what became of it, what lies on the disk."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile

from classifier.models import Photo, Upload
from classifier.services import uploads
from tests import pictures


def sent(name: str = "a.jpg", content: bytes | None = None, *, seed: int = 0) -> UploadedFile:
    return SimpleUploadedFile(name, pictures.jpeg(seed=seed) if content is None else content)


def outcomes(upload: Upload) -> list[str]:
    return list(upload.items.values_list("outcome", flat=True))


def stored_files(media: Path) -> set[str]:
    return {path.relative_to(media).as_posix() for path in media.rglob("*") if path.is_file()}


def files_of(photos: Iterable[Photo]) -> set[str]:
    return {name for photo in photos for name in (photo.image.name, photo.thumbnail.name)}


def during_decoding(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Have `action` happen once, while the next submission decodes its files."""
    store = uploads._store_files

    def store_and_act(files, **options):
        store(files, **options)
        monkeypatch.setattr(uploads, "_store_files", store)
        action()

    monkeypatch.setattr(uploads, "_store_files", store_and_act)
