from datetime import timedelta

import pytest
from django.utils import timezone

from classifier.models import Job, ModelVersion, Photo, State, WorkerHeartbeat
from classifier.services import workers
from classifier.services.workers import Readiness
from tests import factories


def test_healthz_answers_without_a_database(client):
    response = client.get("/healthz")  # this test may not touch the database at all
    assert (response.status_code, response.content) == (200, b"ok")
    assert "no-store" in response["Cache-Control"]


def test_readyz_is_503_while_no_worker_has_its_model(client, db):
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {
        "ready": False,
        "database": True,
        "queue_moving": True,
        "model_loaded": False,
        "disk": "ok",
        "workers": [],
    }


def test_readyz_is_200_with_a_live_worker_and_names_nobody(client, db):
    version = factories.ModelVersionFactory()
    workers.beat("facet1@some-host", pid=1234, device="cpu", model_version=version)
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {
        "ready": True,
        "database": True,
        "queue_moving": True,
        "model_loaded": True,
        "disk": "ok",
        "workers": [{"device": "cpu", "model": "facet-test"}],
    }
    assert ModelVersion.objects.exists()
    assert WorkerHeartbeat.objects.get().name.encode() not in response.content


def make_rows(kind, collection, count):
    """Queued photos, or questions of their owner."""
    if kind is Photo:
        return [factories.make_photo(collection, state=State.QUEUED) for _ in range(count)]
    return [Job.objects.create(owner=collection.owner, kind=Job.Kind.EXPLANATION) for _ in range(count)]


@pytest.mark.parametrize("kind", [Photo, Job])
def test_the_queue_moves_while_rows_of_each_kind_get_their_turn(collection, kind):
    long_ago = timezone.now() - timedelta(seconds=workers.STUCK_AFTER_SECONDS + 1)
    make_rows(kind, collection, 2)
    assert workers.readiness().queue_moving  # they have only just come
    kind.objects.update(queued_at=long_ago)
    assert not workers.readiness().queue_moving
    (claimed,) = kind.objects.claim(limit=1)
    assert workers.readiness().queue_moving
    kind.objects.filter(pk=claimed.pk).update(started_at=long_ago)
    assert not workers.readiness().queue_moving
    kind.objects.finish(pk=claimed.pk, token=claimed.token)
    assert workers.readiness().queue_moving


def test_photos_that_move_do_not_hide_jobs_that_stand_still(client, collection):
    make_rows(Job, collection, 1)
    Job.objects.update(queued_at=timezone.now() - timedelta(hours=1))
    make_rows(Photo, collection, 1)
    Photo.objects.claim(limit=1)
    response = client.get("/readyz")
    assert (response.status_code, response.json()["queue_moving"]) == (503, False)


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("database", "database"),
        ("photos_moving", "queue_moving"),
        ("jobs_moving", "queue_moving"),
        ("model_loaded", "model_loaded"),
    ],
)
def test_readyz_says_what_is_missing(client, monkeypatch, missing, told):
    there = dict.fromkeys(("database", "photos_moving", "jobs_moving", "model_loaded"), True)
    monkeypatch.setattr(workers, "readiness", lambda: Readiness(**{**there, missing: False}))
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()[told] is False


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_only_reading_is_allowed(client, path):
    assert client.post(path).status_code == 405
