"""Deletions in the admin: what the log says and what was done are one."""

import pytest
from django.contrib.admin.models import LogEntry
from django.db import OperationalError
from django.urls import reverse

from classifier.models import AuditEvent
from classifier.services import deletion


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["page", "action"])
@pytest.mark.parametrize(
    ("model", "part"), [("photo", "mark_photos"), ("collection", "mark_collections"), ("user", "mark_collections")]
)
def test_the_log_tells_of_no_deletion_that_failed(adam_client, instance, alice, monkeypatch, model, part, way):
    def fail(*args, **kwargs):
        raise OperationalError("the database went away")

    monkeypatch.setattr(deletion, part, fail)
    adam_client.raise_request_exception = False
    row = {"photo": instance.done, "collection": instance.collection, "user": alice}[model]
    if way == "page" or model == "user":  # people go one by one
        answer = adam_client.post(reverse(f"admin:classifier_{model}_delete", args=[row.pk]), {"post": "yes"})
    else:
        chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        answer = adam_client.post(reverse(f"admin:classifier_{model}_changelist"), chosen)
    assert answer.status_code == 500
    row.refresh_from_db()
    assert row.deleting_at is None
    assert not AuditEvent.objects.filter(action=f"{model} deleted").exists()
    assert not LogEntry.objects.exists()
