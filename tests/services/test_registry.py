import pytest

from classifier.models import ModelVersion
from classifier.services import registry

pytestmark = pytest.mark.django_db


def register(name):
    return registry.register_version(name=name, sha256=name * 64, card={})


def statuses():
    return dict(ModelVersion.objects.values_list("name", "status"))


def test_a_new_version_becomes_production_and_retires_the_former_one():
    ModelVersion.objects.all().delete()
    register("a")
    register("b")
    assert statuses() == {"a": "retired", "b": "production"}


def test_a_version_that_is_known_takes_no_place_that_is_taken_and_an_empty_one():
    ModelVersion.objects.all().delete()
    first, _ = register("a"), register("b")
    assert register("a").pk == first.pk
    assert statuses() == {"a": "retired", "b": "production"}
    ModelVersion.objects.filter(name="b").delete()
    register("a")
    assert statuses() == {"a": "production"}
