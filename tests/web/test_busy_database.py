"""A database that lets something wait too long for what others hold: 503, with a sentence, wherever it is met."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection, transaction
from django.test import Client
from django.urls import reverse

from classifier.models import Collection
from classifier.services import contention, deletion
from tests.meetings import need_postgres


class LockNotAvailable(Exception):
    sqlstate = "55P03"


class DeadlockDetected(Exception):
    sqlstate = "40P01"


class DatabaseIsLocked(Exception):
    sqlite_errorname = "SQLITE_BUSY"


@pytest.fixture(params=[LockNotAvailable, DeadlockDetected, DatabaseIsLocked])
def held_by_others(request, monkeypatch) -> None:
    def give_up(*args, **kwargs):
        raise OperationalError("canceling statement due to lock timeout") from request.param()

    monkeypatch.setattr(deletion, "delete_collection", give_up)


def check(response) -> None:
    assert response.status_code == 503
    assert int(response["Retry-After"]) >= 1
    assert contention.SENTENCE in response.content.decode()


def test_a_page_says_that_others_are_at_it(alice_client, collection, held_by_others):
    page = reverse("collection-delete", args=[collection.uid])
    check(alice_client.post(page))
    part = alice_client.post(page, headers={"HX-Request": "true"})
    check(part)
    assert part["X-Code"] == "unavailable"
    assert part["Content-Type"].startswith("text/plain")


def test_the_api_says_that_others_are_at_it(alice_client, collection, held_by_others):
    response = alice_client.delete(f"/api/v1/collections/{collection.uid}/")
    check(response)
    assert response.json()["error"]["code"] == "unavailable"


def test_what_is_met_outside_of_a_view_is_told_too(alice_client, collection, monkeypatch):
    def give_up(*args, **kwargs):
        raise OperationalError("database is locked") from DatabaseIsLocked()

    alice_client.raise_request_exception = False
    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", give_up)
    check(alice_client.get(reverse("collection-list")))


def test_another_error_of_the_database_stays_one(alice_client, collection, monkeypatch):
    def break_down(*args, **kwargs):
        raise OperationalError("server closed the connection")

    alice_client.raise_request_exception = False
    monkeypatch.setattr(deletion, "delete_collection", break_down)
    assert alice_client.post(reverse("collection-delete", args=[collection.uid])).status_code == 500


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_nobody_waits_without_an_end_for_what_somebody_holds(alice_client: Client, collection, settings):
    need_postgres()
    settings.LOCK_SECONDS = 1

    def ask():
        try:
            connection.ensure_connection()
            contention.limit_waiting(connection)
            return alice_client.post(reverse("collection-delete", args=[collection.uid]))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads, transaction.atomic():
        Collection.objects.filter(pk=collection.pk).hold()
        check(threads.submit(ask).result(timeout=30))
    assert Collection.objects.filter(deleting_at=None).exists()


@pytest.mark.postgres
@pytest.mark.django_db
def test_no_limit_is_none(settings):
    need_postgres()
    with connection.cursor() as cursor:
        for seconds, told in ((7, "7s"), (0, "7s")):
            settings.LOCK_SECONDS = seconds
            contention.limit_waiting(connection)
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == (told,)
        cursor.execute("RESET lock_timeout")
