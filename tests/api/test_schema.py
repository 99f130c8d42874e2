"""The OpenAPI document: valid, complete, and true."""

import io

import pytest
import yaml
from django.core.management import call_command
from rest_framework.test import APIClient

from classifier.api import examples, serializers
from classifier.services import predictions
from tests import factories


@pytest.fixture(scope="module")
def document() -> dict:
    out = io.StringIO()
    call_command("spectacular", "--format", "openapi-json", stdout=out)
    return yaml.safe_load(out.getvalue())


def test_it_is_valid_and_free_of_warnings(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yaml"))


def test_every_address_is_described(document):
    described = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert described == {
        ("/api/v1/photos/", "get"),
        ("/api/v1/photos/", "post"),
        ("/api/v1/photos/{uid}/", "get"),
        ("/api/v1/photos/{uid}/", "delete"),
        ("/api/v1/faces/", "get"),
        ("/api/v1/collections/", "get"),
        ("/api/v1/collections/", "post"),
        ("/api/v1/collections/{uid}/", "get"),
        ("/api/v1/collections/{uid}/", "delete"),
        ("/api/v1/models/", "get"),
        ("/api/v1/draws/", "get"),
        ("/api/v1/draws/", "post"),
        ("/api/v1/draws/{uid}/", "get"),
        ("/api/v1/draws/{uid}/enlarge/", "post"),
        ("/api/v1/draws/{uid}/next/", "get"),
        ("/api/v1/draws/{uid}/answers/", "post"),
        ("/api/v1/draws/{uid}/results/", "get"),
    }
    for path, method in described:
        operation = document["paths"][path][method]
        assert operation["summary"]
        assert {"401", "429", "503"} <= set(operation["responses"])
        assert operation["security"] == [{"token": []}, {"cookieAuth": []}]


def test_tokens_are_described(document):
    scheme = document["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "Authorization")
    assert "Token" in scheme["description"]


def test_errors_have_one_shape(document):
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    schema = response["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Error"}


@pytest.mark.parametrize("format", ["", "?format=json"])
def test_it_is_open_to_everybody(db, format):
    response = APIClient().get(f"/api/v1/schema/{format}")
    assert response.status_code == 200
    assert yaml.safe_load(response.content)["info"]["title"] == "Facet"


def test_the_page_is_open_to_everybody_and_needs_no_other_host(db, client):
    response = client.get("/api/v1/docs/")
    assert response.status_code == 200
    page = response.content.decode()
    assert "swagger-ui-bundle.js" in page
    assert "http://" not in page.replace("http://testserver/api/v1/photos/", "").replace("http://www.w3.org/", "")
    assert "https://" not in page
    assert "style=" not in page
    script = client.get("/api/v1/docs/?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert b"SwaggerUIBundle(" in script.content


def test_the_examples_have_the_shape_of_the_answers(collection):
    photo = factories.make_photo(collection, timings_ms={"decode": 1.0})
    factories.make_face(photo)
    photo.counted_faces = list(photo.faces.with_current_predictions())
    told = serializers.PhotoSerializer(photo, context={"taxonomy": "fairface-6"}).data
    assert shape_of(examples.PHOTO) == shape_of(told)
    assert shape_of(examples.LISTED_FACE) == shape_of(
        serializers.ListedFaceSerializer(photo.counted_faces[0], context={"taxonomy": "fairface-6"}).data
    )
    assert list(examples.COLLECTION) == serializers.CollectionSerializer.Meta.fields
    assert list(examples.MODEL) == serializers.ModelVersionSerializer.Meta.fields
    assert set(examples.NEW_COLLECTION) < set(serializers.NewCollectionSerializer.Meta.fields)
    assert list(examples.UPLOAD) == serializers.UploadSerializer.Meta.fields
    assert list(examples.REFUSED_ITEM) == serializers.UploadItemSerializer.Meta.fields


def shape_of(value):
    """Keys in order, all the way down; stages of timing are free."""
    if isinstance(value, dict):
        return [(key, shape_of(inner)) for key, inner in value.items() if key != "timings_ms"]
    return [shape_of(inner) for inner in value] if isinstance(value, list) else None


def test_the_examples_tell_possible_numbers():
    for guess in examples.FACE["predictions"].values():
        assert sum(guess["probabilities"].values()) == pytest.approx(1)
        assert guess["probability"] == max(guess["probabilities"].values())


def test_predictions_are_described_by_the_serializer_field_by_field(collection):
    face = factories.make_face(factories.make_photo(collection))
    described = predictions.describe_prediction(face.prediction)
    declared = serializers.PredictionsSerializer().fields
    assert list(declared) == list(described)
    for attribute, guess in described.items():
        assert set(declared[attribute].fields) == set(guess)
