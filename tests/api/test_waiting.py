"""`?wait=`: an answer that waits for its results, and what waiting may not take from others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from classifier.api import waiting
from classifier.models import Photo
from classifier.services import seats

ROOT = Path(__file__).resolve().parents[2]


def test_who_merely_waits_leaves_a_thread_for_an_upload(send, nobody_works):
    taken = 0
    while seats.take_spare_seat():
        taken += 1
    try:
        assert send(1, query="?wait=30").status_code == 202
        assert nobody_works == []
    finally:
        for _ in range(taken):
            seats.leave_seat()
    send(2, query="?wait=1")
    assert nobody_works, "places are free again"


def test_waiting_starts_with_short_sleeps_that_grow_with_the_wait(send, nobody_works):
    response = send(1, query="?wait=30")
    assert response.status_code == 202
    assert response.json()["items"][0]["photo"]["state"] == "queued"
    assert nobody_works[0] == 0.02
    assert max(nobody_works) == 0.5
    assert sum(nobody_works) == pytest.approx(30)


def test_waiting_ends_with_the_photo(send, worker):
    assert send(1, query="?wait=30").status_code == 200
    assert worker == [0.02]


def test_waiting_ends_when_the_photo_fails(send, monkeypatch):
    def fail(seconds):
        Photo.objects.update(state="failed", code="crashed")

    monkeypatch.setattr(waiting, "sleep", fail)
    response = send(1, query="?wait=30")
    assert response.status_code == 200
    assert response.json()["items"][0]["photo"]["code"] == "crashed"


def test_at_most_half_of_the_threads_wait(send, nobody_works, settings, monkeypatch):
    taken = 0
    while waiting._slots.acquire(blocking=False):
        taken += 1
    try:
        assert taken == settings.WEB_THREADS // 2
        assert send(1, query="?wait=30").status_code == 202
        assert nobody_works == []
    finally:
        for _ in range(taken):
            waiting._slots.release()
    send(2, query="?wait=1")
    assert nobody_works, "places are free again"


def test_the_only_thread_never_waits():
    code = "import django; django.setup(); from classifier.api import waiting; print(waiting._slots.acquire(False))"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "webapp.settings", "FACET_WEB_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_places_are_given_back_when_waiting_breaks(send, api, monkeypatch):
    def interrupt(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(waiting, "sleep", interrupt)
    for number in range(waiting._slots._initial_value + 1):
        with pytest.raises(KeyboardInterrupt):
            send(number, query="?wait=1")


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_who_waits_long_keeps_no_connection_of_the_server(send, nobody_works, monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("needs DATABASE_URL to name a PostgreSQL server")
    kept = []

    def sleep(seconds):
        nobody_works.append(seconds)
        kept.append(connection.connection is not None)

    monkeypatch.setattr(waiting, "sleep", sleep)
    assert send(1, query="?wait=10").status_code == 202
    assert kept[0], "a short sleep is not worth a new connection"
    assert not kept[-1]


@pytest.mark.parametrize("wait", ["-1", "31", "soon", "nan", "inf", "", "1e9"])
def test_an_odd_wait_is_400_before_anything_is_stored(send, wait):
    response = send(1, query=f"?wait={wait}")
    assert response.status_code == 400
    assert list(response.json()["error"]["details"]) == ["wait"]
    assert not Photo.objects.exists()
