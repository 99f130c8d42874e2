import pytest

from classifier.models import ModelVersion, WorkerHeartbeat
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
        "workers": [{"device": "cpu", "model": "facet-test"}],
    }
    assert ModelVersion.objects.exists()
    assert WorkerHeartbeat.objects.get().name.encode() not in response.content


@pytest.mark.parametrize("missing", ["database", "queue_moving", "model_loaded"])
def test_readyz_says_what_is_missing(client, monkeypatch, missing):
    found = Readiness(**{"database": True, "queue_moving": True, "model_loaded": True, missing: False})
    monkeypatch.setattr(workers, "readiness", lambda: found)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()[missing] is False


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_only_reading_is_allowed(client, path):
    assert client.post(path).status_code == 405
