"""Requests made up from the OpenAPI document: whatever comes, the answers are those that the document promises."""

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as budget

from classifier.services import tokens
from tests import factories
from webapp.wsgi import application

EXAMPLES = 15
OPERATIONS = [
    ("GET", "/api/v1/photos/"),
    ("POST", "/api/v1/photos/"),
    ("GET", "/api/v1/photos/{uid}/"),
    ("DELETE", "/api/v1/photos/{uid}/"),
    ("GET", "/api/v1/faces/"),
    ("GET", "/api/v1/collections/"),
    ("POST", "/api/v1/collections/"),
    ("GET", "/api/v1/collections/{uid}/"),
    ("DELETE", "/api/v1/collections/{uid}/"),
    ("GET", "/api/v1/models/"),
    ("GET", "/api/v1/draws/"),
    ("POST", "/api/v1/draws/"),
    ("GET", "/api/v1/draws/{uid}/"),
    ("POST", "/api/v1/draws/{uid}/enlarge/"),
    ("GET", "/api/v1/draws/{uid}/next/"),
    ("POST", "/api/v1/draws/{uid}/answers/"),
    ("GET", "/api/v1/draws/{uid}/results/"),
]


@pytest.fixture
def one_connection(db):
    """The site as a WSGI application inside a test's transaction: its connection outlives the requests."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def document(one_connection, alice, collection, settings) -> schemathesis.BaseSchema:
    """The document of a site with a little of everything in it, and without limits."""
    framework = settings.REST_FRAMEWORK
    settings.REST_FRAMEWORK = {**framework, "DEFAULT_THROTTLE_RATES": {"api": "off", "user": "off"}}
    settings.UPLOAD_RATE = "off"
    settings.ALLOWED_HOSTS = ["*"]
    factories.make_face(factories.make_photo(collection))
    factories.make_photo(collection, state="queued")
    return schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", application)


def test_every_operation_is_tried(document):
    described = {(found.ok().method.upper(), found.ok().path) for found in document.get_all_operations()}
    assert described == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_answers_are_as_promised(document, alice, monkeypatch, method, path, mode):
    monkeypatch.setattr("classifier.api.waiting._poll", lambda photo_ids, *, seconds: False)
    _, secret = tokens.create_token(alice, name="made up")

    @budget(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=document[path][method].as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(headers={"Authorization": f"Token {secret}"})

    check()
