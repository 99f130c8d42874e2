"""Model versions and workers in the admin."""

import pytest
from django.urls import reverse

from classifier.models import AuditEvent, ModelVersion

LIST = reverse("admin:classifier_modelversion_changelist")


def choose(client, action, *versions):
    return client.post(LIST, {"action": action, "_selected_action": [row.pk for row in versions]}, follow=True)


@pytest.fixture
def production(instance):
    return ModelVersion.objects.get(status="production")


def statuses(*versions):
    return [ModelVersion.objects.get(pk=version.pk).status for version in versions]


def test_one_version_is_put_into_production_and_the_former_retires(adam_client, instance, production):
    choose(adam_client, "promote", instance.candidate)
    assert statuses(instance.candidate, production) == ["production", "retired"]
    event = AuditEvent.objects.get()
    assert event.target == f"model version {instance.candidate.uid}"
    assert (event.details["before"], event.details["after"]) == ("candidate", "production")


def test_only_one_version_can_be_chosen_for_production(adam_client, instance, production):
    assert "Choose one version" in choose(adam_client, "promote", instance.candidate, production).content.decode()
    assert statuses(instance.candidate, production) == ["candidate", "production"]


@pytest.mark.parametrize("action", ["retire", "make_candidate"])
def test_the_version_in_production_cannot_just_go(adam_client, instance, production, action):
    answer = choose(adam_client, action, production)
    assert "Put another version into production first" in answer.content.decode()
    assert statuses(production) == ["production"]
    assert not AuditEvent.objects.exists()


def test_a_candidate_retires_and_comes_back(adam_client, instance):
    choose(adam_client, "retire", instance.candidate)
    assert statuses(instance.candidate) == ["retired"]
    choose(adam_client, "make_candidate", instance.candidate)
    assert statuses(instance.candidate) == ["candidate"]
    assert AuditEvent.objects.count() == 2
