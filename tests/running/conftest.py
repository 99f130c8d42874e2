import pytest

from classifier.serving import server
from tests.running.serving import serving


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(server, "LOOK_SECONDS", 0.1)


@pytest.fixture
def site(tmp_path):
    with serving(tmp_path) as started:
        yield started
