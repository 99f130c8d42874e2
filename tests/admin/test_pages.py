"""Every page of the admin, for those who may and those who may not."""

import re
from datetime import UTC, datetime

import pytest
from django.contrib import admin
from django.core.paginator import Paginator
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from classifier.models import AuditEvent, Collection, Photo, WorkerHeartbeat
from classifier.services import audit
from tests import factories

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
OURS = [model for model in MODELS if model._meta.app_label == "classifier"]
READ_ONLY = [
    "uploaditem",
    "upload",
    "face",
    "prediction",
    "accesstoken",
    "workerheartbeat",
    "auditevent",
    "modelversion",
]
LISTED_ROWS = 12


def address(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def some_row(model):
    """A row of a model, if the instance of these tests has one."""
    return model._default_manager.order_by("pk").first()


@pytest.fixture(autouse=True)
def an_event(db):
    audit.record("something done", target="photo 1", details={"n": 1})


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.model_name)
def test_an_administrator_sees_the_list_and_a_row_of_each_model(adam_client, instance, model):
    assert adam_client.get(address(model, "changelist")).status_code == 200
    if row := some_row(model):
        assert adam_client.get(address(model, "change", row.pk)).status_code == 200
    else:
        assert model not in OURS


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.model_name)
def test_others_get_no_page_of_the_admin(client, alice_client, instance, model):
    pages = [address(model, "changelist"), address(model, "add")]
    if row := some_row(model):
        pages += [address(model, "change", row.pk), address(model, "delete", row.pk), address(model, "history", row.pk)]
    for page in pages:
        assert client.get(page).status_code == 302
        assert alice_client.get(page, follow=True).status_code == 403


def test_the_front_page_lists_the_models_under_our_name(adam_client):
    page = adam_client.get(reverse("admin:index")).content.decode()
    assert "Facet administration" in page
    assert reverse("admin:classifier_photo_changelist") in page


def test_log_in_goes_through_the_same_door_as_everywhere(client):
    """So that the limits on guessing passwords hold for the admin too."""
    answer = client.get(reverse("admin:login"))
    assert answer.status_code == 302
    assert answer.url.startswith(reverse("account_login"))


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_a_row_that_is_not_there_leads_back_to_the_list(adam_client, db, model):
    answer = adam_client.get(address(model, "change", 987654), follow=True)
    assert answer.status_code == 200
    assert "doesn’t exist" in answer.content.decode()


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_every_list_can_be_searched_with_anything(adam_client, instance, model):
    for sought in ("alice", str(instance.done.uid), "'; --", "%"):
        assert adam_client.get(address(model, "changelist"), {"q": sought}).status_code == 200


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_longer_lists_ask_no_more_queries(adam_client, instance, model):
    def count_queries():
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert adam_client.get(address(model, "changelist")).status_code == 200
        return len([query for query in queries if "SAVEPOINT" not in query["sql"]])

    few = count_queries()
    for number in range(LISTED_ROWS):
        another_of_everything(instance, number)
    assert count_queries() <= few + 1  # the list filter of statuses or groups may look once more


def another_of_everything(instance, number):
    owner = factories.UserFactory()
    photo = factories.make_photo(factories.CollectionFactory(owner=owner))
    factories.make_face(photo)
    upload = owner.uploads.create(collection=photo.collection)
    upload.items.create(number=1, name="a.jpg", outcome="accepted", photo=photo)
    WorkerHeartbeat.objects.create(name=f"worker{number}", device="cpu", model_version=photo.model_version)
    audit.record("something done", actor=owner)


@pytest.mark.parametrize("name", READ_ONLY)
def test_what_facet_writes_cannot_be_added_changed_or_deleted(adam_client, instance, name):
    model = next(model for model in OURS if model._meta.model_name == name)
    row = some_row(model)
    before = model._default_manager.filter(pk=row.pk).values().get()
    assert adam_client.post(address(model, "add"), {"name": "x"}).status_code == 403
    assert adam_client.post(address(model, "change", row.pk), {"name": "x", "status": "retired"}).status_code == 403
    assert adam_client.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    adam_client.post(
        address(model, "changelist"), {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
    )
    assert model._default_manager.filter(pk=row.pk).values().get() == before


def test_a_photo_cannot_be_changed_or_added_by_hand(adam_client, instance):
    change = address(Photo, "change", instance.failed.pk)
    assert adam_client.post(change, {"state": "done"}).status_code == 403
    assert adam_client.get(address(Photo, "add")).status_code == 403
    instance.failed.refresh_from_db()
    assert instance.failed.state == "failed"


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_no_page_needs_what_the_csp_forbids(adam_client, instance, model):
    """No inline script, no inline style, no handler in an attribute."""
    pages = [address(model, "changelist")]
    if row := some_row(model):
        pages.append(address(model, "change", row.pk))
    for page in pages:
        answer = adam_client.get(page)
        assert "unsafe-inline" not in answer["Content-Security-Policy"]
        html = answer.content.decode()
        assert not re.search(r"<script(?![^>]*(?:src=|application/json))", html)
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=", html)


def test_the_audit_log_shows_details_and_hash(adam_client):
    event = AuditEvent.objects.get()
    html = adam_client.get(address(AuditEvent, "change", event.pk)).content.decode()
    assert event.hash in html


def test_moments_and_numbers_are_written_as_on_the_site(adam_client, instance, monkeypatch):
    Photo.objects.update(received_at=datetime(2026, 3, 5, 16, 7, tzinfo=UTC))
    assert "5 March 2026, 16:07 UTC" in adam_client.get("/admin/classifier/photo/").content.decode()
    assert "p.m." not in adam_client.get(f"/admin/classifier/photo/{instance.done.pk}/change/").content.decode()
    monkeypatch.setattr(Paginator, "count", 1234)
    assert "1,234 photos" in adam_client.get("/admin/classifier/photo/").content.decode()
    counted = Collection(pk=1)
    counted.photo_count = counted.queued_count = 20_000
    shown = admin.site._registry[Collection]
    assert ">20,000</a>" in shown.photo_count(counted)
    assert shown.queued_count(counted) == "20,000"


def test_the_fields_of_a_moment_have_names(adam_client, instance):
    page = adam_client.get("/admin/classifier/invitation/add/").content.decode()
    assert 'aria-label="Day"' in page
    assert 'aria-label="Time"' in page


def test_no_link_of_a_list_holds_another(adam_client, instance):
    for model in ("photo", "review", "draw", "face", "prediction"):
        page = adam_client.get(f"/admin/classifier/{model}/").content.decode()
        assert not re.search(r"<a [^>]*>(?:(?!</a>).)*<a ", page, re.DOTALL), model
