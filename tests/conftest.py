"""Standing people and places: alice owns, bob is a stranger, rita reviews, adam administers."""

from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.db import connection
from django.test import Client

from classifier import inference
from classifier.models import Collection, User
from classifier.models.accounts import REVIEWERS
from tests import factories, lock_order, network

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session", autouse=True)
def no_way_out():
    with network.closed():
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings, tmp_path_factory) -> None:
    """SQLite is a file as in production: threads that share one in memory do not wait for each other."""
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "facet.sqlite3")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker) -> None:
    """knox's own table, empty where KNOX_TOKEN_MODEL is set, would keep PostgreSQL from emptying the users' one."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS knox_authtoken")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of data sets and photos beside the checkout, which most people do not have."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared, real data sets and photos beside the checkout")
    return SHARED


@pytest.fixture(autouse=True)
def media(tmp_path, settings) -> Path:
    """Every test stores its files in a folder of its own and starts with a fresh stand-in model and empty cache."""
    settings.PIPELINE = "tests.fakes.FakePipeline"
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": settings.MEDIA_ROOT},
        },
    }
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one is slow on purpose
    cache.clear()  # the memory of the process outlives a test
    inference.get_pipeline.cache_clear()
    return settings.MEDIA_ROOT


@pytest.fixture(autouse=True)
def locks_in_order():
    """No transaction of a test on PostgreSQL locks rows in an order in which another one could wait for it."""
    if connection.vendor != "postgresql":
        yield
        return
    with lock_order.watched() as found:
        yield
    assert not found, "\n".join(found)


@pytest.fixture
def alice(db) -> User:
    return factories.UserFactory(username="alice")


@pytest.fixture
def bob(db) -> User:
    return factories.UserFactory(username="bob")


@pytest.fixture
def rita(db) -> User:
    user = factories.UserFactory(username="rita")
    user.groups.add(Group.objects.get_or_create(name=REVIEWERS)[0])
    return user


@pytest.fixture
def adam(db) -> User:
    return factories.UserFactory(username="adam", is_staff=True, is_superuser=True)


@pytest.fixture
def collection(alice) -> Collection:
    """A collection of alice's whose declaration was made."""
    return factories.CollectionFactory(owner=alice, name="Front pages")


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def alice_client(alice) -> Client:
    return logged_in(alice)


@pytest.fixture
def bob_client(bob) -> Client:
    return logged_in(bob)
