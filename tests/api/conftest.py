"""Clients of the API: a token in the header, nothing else."""

from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from classifier.api import waiting
from classifier.models import User
from classifier.services import analysis, tokens
from tests import pictures


def client_of(user: User, *, scope: str = "upload") -> APIClient:
    _, secret = tokens.create_token(user, name="test", scope=scope)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {secret}")
    return client


@pytest.fixture
def api(alice) -> APIClient:
    """Alice with a token that may read and upload."""
    return client_of(alice)


@pytest.fixture
def reader(alice) -> APIClient:
    """Alice with a token that may only read."""
    return client_of(alice, scope="read")


@pytest.fixture
def stranger(bob) -> APIClient:
    return client_of(bob)


@pytest.fixture
def send(api) -> Callable:
    """Post files; a number stands for a picture made from it."""

    def post(*files, query="", client=api, **fields):
        images = [photo(file) if isinstance(file, int) else file for file in files]
        return client.post(f"/api/v1/photos/{query}", {"images": images, **fields}, format="multipart")

    return post


@pytest.fixture
def worker(monkeypatch):
    """A worker that does its work whenever somebody sleeps; the list of sleeps."""
    sleeps = []

    def work(seconds):
        sleeps.append(seconds)
        analysis.run_once()

    monkeypatch.setattr(waiting, "sleep", work)
    return sleeps


@pytest.fixture
def nobody_works(monkeypatch):
    """Time passes only by sleeping, and nothing else happens; the list of sleeps."""
    sleeps = []
    monkeypatch.setattr(waiting, "sleep", sleeps.append)
    monkeypatch.setattr(waiting, "monotonic", lambda: sum(sleeps))
    return sleeps


def photo(seed: int, *, name: str | None = None) -> SimpleUploadedFile:
    content = pictures.jpeg(320, 240, seed=seed)
    return SimpleUploadedFile(name or f"photo{seed}.jpg", content, content_type="image/jpeg")


def text_file(name: str = "b.txt") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, b"no picture at all", content_type="text/plain")
