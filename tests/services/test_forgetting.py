"""Names go at once with what they name, wherever they stand; of a file that resists only the path is kept."""

from importlib import import_module

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.core import serializers
from django.db import connection
from django.urls import reverse

from classifier.intake import storage
from classifier.models import (
    AccessToken,
    AuditEvent,
    Collection,
    CollectionShare,
    Invitation,
    Photo,
    Upload,
    UploadItem,
    User,
)
from classifier.services import accounts, deletion, doctor, tokens, uploads
from tests import factories
from tests.conftest import logged_in
from tests.services.submissions import outcomes, sent, stored_files

NAME = "Anna Schmidt at the protest.jpg"
pytestmark = pytest.mark.django_db


@pytest.fixture
def upload(alice, collection) -> Upload:
    """A photo under a telling name, the same one again under another, and a file that was refused."""
    uploads.submit_photos(alice, collection=collection, files=[sent(NAME)])
    return uploads.submit_photos(
        alice, collection=collection, files=[sent("Anna again.jpg"), sent("notes.txt", b"text"), sent("b.jpg", seed=1)]
    )


@pytest.fixture
def resisting(monkeypatch):
    """Files cannot be removed until this is undone."""

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "remove_files", refuse)
        yield patch


def everything_stored() -> str:
    """All rows of all tables but the audit log, as text."""
    models = [model for model in apps.get_models(include_auto_created=True) if model is not AuditEvent]
    return "".join(
        serializers.serialize("json", model._base_manager.all(), ensure_ascii=False)
        for model in models
        if model._meta.managed and model._meta.db_table in connection.introspection.table_names()
    )


def test_the_names_of_a_deleted_photo_are_nowhere_any_more(upload, collection):
    assert NAME in everything_stored()
    assert "as “Anna" in everything_stored()
    deletion.delete_photos(collection.photos.filter(name=NAME))
    assert "Anna" not in everything_stored()
    assert "b.jpg" in everything_stored()
    assert outcomes(upload) == ["duplicate", "unsupported", "accepted"]  # what became of the files stays told


def test_the_upload_s_page_says_that_the_photo_is_gone(upload, collection, alice_client):
    address = reverse("upload-detail", args=[upload.uid])
    assert "Anna again.jpg" in alice_client.get(address).content.decode()
    deletion.delete_photos(collection.photos.filter(name=NAME))
    page = alice_client.get(address).content.decode()
    assert "Anna" not in page
    assert "A photo that was deleted since: already in this collection." in page
    assert "notes.txt" in page
    for number in ("<strong>3</strong> files", "1 added", "1 already here", "1 refused"):
        assert number in page


def test_nothing_stands_in_the_place_of_a_name_that_went(upload, collection, resisting):
    deletion.delete_photos(collection.photos.all())
    left = Photo.objects.filter(collection=collection).exclude(deleting_at=None)
    assert set(left.values_list("name", "note")) == {("", "")}
    assert set(UploadItem.objects.filter(photo__in=left).values_list("name", "message")) == {("", "")}


def test_names_do_not_wait_for_files_that_resist(upload, collection, resisting, media):
    deletion.delete_photos(collection.photos.filter(name=NAME))
    assert "Anna" not in everything_stored()
    (kept,) = Photo.objects.exclude(deleting_at=None)
    assert kept.image.name in stored_files(media)
    resisting.undo()
    assert deletion.finish_deletions() == 1
    assert kept.image.name not in stored_files(media)


def test_a_file_that_resists_does_not_keep_the_same_photo_from_being_sent_again(upload, alice, collection, resisting):
    deletion.delete_photos(collection.photos.filter(name=NAME))
    again = uploads.submit_photos(alice, collection=collection, files=[sent("new.jpg")])
    assert outcomes(again) == ["accepted"]


def test_a_file_that_resists_is_told_once_and_not_at_every_sweep(collection, resisting, caplog):
    factories.make_photo(collection)
    deletion.delete_photos(collection.photos.all())
    for _ in range(3):
        deletion.finish_deletions()
    assert caplog.text.count("Operation not permitted") == 1


def test_what_was_written_about_a_collection_does_not_wait_either(upload, collection, resisting):
    Collection.objects.update(name="Protests of May", purpose="Who was there")
    deletion.delete_collection(collection)
    kept = everything_stored()
    assert all(words not in kept for words in ("Anna", "notes.txt", "Protests", "Who was there"))
    assert Photo.objects.count() == 2
    resisting.undo()
    deletion.finish_deletions()
    assert not Collection.objects.exists()


@pytest.fixture
def anna(adam) -> User:
    """Somebody with a name, an address and everything that an account can have."""
    user = factories.UserFactory(username="anna.schmidt", email="anna@example.org", first_name="Anna")
    EmailAddress.objects.create(user=user, email="anna@example.org", verified=True, primary=True)
    Invitation.objects.create(note="for Anna", used_by=user)
    tokens.create_token(user, name="Anna's laptop")
    collection = factories.CollectionFactory(owner=user, name="Anna's photos", purpose="Anna's study")
    factories.make_explanation(factories.make_face(factories.make_photo(collection, name=NAME)))
    uploads.submit_photos(user, collection=collection, files=[sent("Anna.txt", b"text")])
    CollectionShare.objects.create(collection=factories.CollectionFactory(owner=adam), user=user)
    entry = {"user_id": adam.pk, "queryset": [user, collection], "action_flag": CHANGE, "change_message": ""}
    LogEntry.objects.log_actions(**entry)
    return user


def assert_nothing_says_anna() -> None:
    kept = everything_stored()
    for words in ("anna", "Anna"):
        assert words not in kept


def test_name_and_address_of_a_deleted_account_do_not_wait_for_a_file(anna, resisting, media):
    assert not accounts.delete_account(anna)
    assert_nothing_says_anna()
    assert not AccessToken.objects.exists()
    (kept,) = User.objects.exclude(deleting_at=None)
    assert not kept.is_active
    assert not kept.has_usable_password()
    assert Photo.objects.get().image.name in stored_files(media)
    assert not deletion.finish_deletions()
    resisting.undo()
    deletion.finish_deletions()
    assert not User.objects.filter(pk=anna.pk).exists()
    assert stored_files(media) == set()


def test_the_name_can_be_taken_again_at_once(anna, resisting):
    accounts.delete_account(anna)
    assert factories.UserFactory(username="anna.schmidt", email="anna@example.org").pk != anna.pk


def test_nobody_is_logged_in_with_a_deleted_account(anna, resisting):
    client = logged_in(anna)
    accounts.delete_account(anna)
    assert client.get(reverse("collection-list")).status_code == 302
    assert not client.login(username="anna.schmidt", password="correct horse battery")


@pytest.mark.parametrize("step", ["finish_collection", "_finish_photos", "finish_account"])
def test_a_deletion_of_an_account_that_is_killed_is_finished_later(anna, monkeypatch, media, step):
    def be_killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(deletion, step, be_killed)
        with pytest.raises(KeyboardInterrupt):
            accounts.delete_account(anna)
    assert not User.objects.filter(email=anna.email).exists()
    deletion.finish_deletions()
    assert_nothing_says_anna()
    assert not User.objects.filter(pk=anna.pk).exists()
    assert stored_files(media) == set()


def test_a_deletion_of_an_account_that_never_began_changes_nothing(anna, monkeypatch, media):
    def be_killed(*_, **__):
        raise KeyboardInterrupt

    before = everything_stored()
    monkeypatch.setattr(deletion, "mark_collections", be_killed)
    with pytest.raises(KeyboardInterrupt):
        accounts.delete_account(anna)
    assert everything_stored() == before


def test_the_doctor_finds_an_account_whose_deletion_does_not_end(anna, resisting):
    accounts.delete_account(anna)
    User.objects.exclude(deleting_at=None).update(deleting_at="2026-01-01T00:00Z")
    assert f"user {anna.uid}" in doctor.find_begun_deletions().subjects


def test_an_account_under_deletion_is_not_in_the_administration(anna, adam, resisting):
    accounts.delete_account(anna)
    page = logged_in(adam).get(reverse("admin:classifier_user_changelist")).content.decode()
    assert "adam" in page
    assert f"deleted-{anna.uid}" not in page


@pytest.mark.parametrize("kind", ["photo", "collection", "user"])
def test_the_log_of_the_administration_keeps_no_names(anna, adam, kind, django_capture_on_commit_callbacks):
    row = {"photo": Photo, "collection": Collection, "user": User}[kind].objects.get(
        **({"pk": anna.pk} if kind == "user" else {"owner": anna})
    )
    address = reverse(f"admin:classifier_{kind}_delete", args=[row.pk])
    with django_capture_on_commit_callbacks(execute=True):
        assert logged_in(adam).post(address, {"post": "yes"}).status_code == 302
    entries = LogEntry.objects.filter(object_id=row.pk, content_type__model=kind)
    assert {entry.object_repr for entry in entries} == {"deleted"}
    assert DELETION in {entry.action_flag for entry in entries}


def test_names_that_earlier_versions_left_behind_are_forgotten(upload, collection, adam):
    photo = Photo.objects.get(name=NAME)
    LogEntry.objects.log_actions(user_id=adam.pk, queryset=[photo], action_flag=DELETION, change_message="")
    Photo.objects.filter(pk=photo.pk).delete()  # as it was done then
    assert UploadItem.objects.filter(photo=None, name=NAME).exists()
    import_module("classifier.migrations.0009_keeping_and_forgetting").forget_names(apps, None)
    assert "Anna" not in everything_stored()
    assert UploadItem.objects.filter(name="notes.txt", outcome="unsupported").exists()
