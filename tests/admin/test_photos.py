"""Photos in the admin: reasons, running again, deletion with files, and every look written down."""

from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from classifier.admin import looks
from classifier.models import AuditEvent, Collection, Face, Photo, State
from classifier.services import analysis, audit
from tests.admin.conftest import actions_logged
from tests.conftest import logged_in
from tests.factories import UserFactory, make_photo

LIST = reverse("admin:classifier_photo_changelist")


def page_of(photo):
    return reverse("admin:classifier_photo_change", args=[photo.pk])


def file_of(photo, file="image"):
    return reverse(f"admin:classifier_photo_{file}", args=[photo.pk])


def pictures_in(answer):
    """The addresses of the photos' files on a page."""
    html = answer.content.decode().replace("&amp;", "&")
    quoted = html.split('"')
    return [text for text in quoted if "/image/" in text or "/thumbnail/" in text]


def choose(client, action, *photos, **more):
    return client.post(
        LIST, {"action": action, "_selected_action": [photo.pk for photo in photos], **more}, follow=True
    )


# Lists


def test_a_failed_photo_says_why_in_words(adam_client, instance):
    assert "failed: the analysis broke on this photo" in adam_client.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"state__exact": "failed"}, ["failed.jpg"]),
        ({"code__exact": "crashed"}, ["failed.jpg"]),
        ({"collection__id__exact": "0"}, []),
        ({"q": "alice"}, ["done.jpg", "failed.jpg", "queued.jpg"]),
    ],
)
def test_photos_are_filtered_by_state_reason_and_collection(adam_client, instance, filters, names):
    html = adam_client.get(LIST, filters).content.decode()
    shown = [name for name in ("done.jpg", "failed.jpg", "queued.jpg") if name in html]
    assert shown == names


def test_a_collections_photos_are_one_click_away(adam_client, instance):
    html = adam_client.get(reverse("admin:classifier_collection_changelist")).content.decode()
    assert f"{LIST}?collection__id__exact={instance.collection.pk}&amp;state__exact=failed" in html


def test_a_photo_whose_deletion_began_is_seen_by_nobody(adam_client, instance):
    Photo.objects.filter(pk=instance.done.pk).update(deleting_at=timezone.now())
    assert "done.jpg" not in adam_client.get(LIST).content.decode()
    assert adam_client.get(file_of(instance.done)).status_code == 404


# Looks


def test_looking_at_a_photo_is_written_down(adam, adam_client, instance):
    adam_client.get(page_of(instance.done))
    event = AuditEvent.objects.get()
    assert (event.actor, event.action, event.target) == (adam, "photo viewed", f"photo {instance.done.uid}")
    assert audit.verify() == []


def test_looking_at_a_list_names_every_photo_on_it(adam_client, instance):
    adam_client.get(LIST)
    event = AuditEvent.objects.get()
    assert event.action == "photos viewed"
    assert len(event.details["targets"]) == 3


@pytest.mark.parametrize("file", ["image", "thumbnail"])
def test_a_file_that_is_asked_for_by_itself_is_a_look_of_its_own(adam_client, instance, file):
    assert adam_client.get(file_of(instance.done, file)).status_code == 200
    assert actions_logged() == ["photo viewed"]


def test_the_pictures_of_a_page_belong_to_its_look(adam_client, instance):
    links = pictures_in(adam_client.get(LIST)) + pictures_in(adam_client.get(page_of(instance.done)))
    assert len(links) == 4
    for link in links:
        assert adam_client.get(link).status_code == 200
    assert actions_logged() == ["photos viewed", "photo viewed"]


def test_another_administrators_link_is_a_look_of_ones_own(adam_client, instance):
    [link] = pictures_in(adam_client.get(page_of(instance.done)))
    eve = logged_in(UserFactory(username="eve", is_staff=True, is_superuser=True))
    assert eve.get(link).status_code == 200
    assert [event.actor_name for event in AuditEvent.objects.all()] == ["adam", "eve"]


def test_a_link_to_another_photo_cannot_be_made_from_one(adam_client, instance):
    [link] = pictures_in(adam_client.get(page_of(instance.done)))
    seal = link.partition("?")[2]
    adam_client.get(f"{file_of(instance.failed)}?{seal}")
    assert AuditEvent.objects.last().target == f"photo {instance.failed.uid}"


def test_a_seal_breaks_after_a_while(adam_client, instance, monkeypatch):
    [link] = pictures_in(adam_client.get(page_of(instance.done)))
    monkeypatch.setattr(looks, "SEAL_SECONDS", -1)
    adam_client.get(link)
    assert actions_logged() == ["photo viewed", "photo viewed"]


def test_looking_at_a_face_is_looking_at_its_photo(adam_client, instance):
    face = instance.faces[0]
    html = adam_client.get(reverse("admin:classifier_face_change", args=[face.pk])).content.decode()
    assert AuditEvent.objects.get().target == f"photo {instance.done.uid}"
    assert "perceived as" in html.lower()
    assert f"scale({face.chip_side:.2f})" in html
    assert "not facts" in html


def test_nothing_is_written_down_where_nothing_was_seen(client, alice_client, adam_client, instance):
    for somebody in (client, alice_client):
        somebody.get(page_of(instance.done))
        somebody.get(file_of(instance.done))
    adam_client.get(reverse("admin:classifier_photo_change", args=[987654]))
    assert actions_logged() == []


# Files


@pytest.mark.parametrize("file", ["image", "thumbnail"])
def test_files_are_served_with_the_headers_of_private_files(adam_client, instance, file):
    answer = adam_client.get(file_of(instance.done, file))
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "private" in answer["Cache-Control"]
    assert b"".join(answer.streaming_content).startswith(b"\xff\xd8")


@pytest.mark.parametrize("file", ["image", "thumbnail"])
def test_files_are_for_administrators_who_may_see_photos(client, alice_client, instance, file):
    clerk = logged_in(UserFactory(username="clerk", is_staff=True))
    assert client.get(file_of(instance.done, file)).status_code == 302
    assert alice_client.get(file_of(instance.done, file), follow=True).status_code == 403
    assert clerk.get(file_of(instance.done, file)).status_code == 403


def test_a_missing_file_is_not_found(adam_client, instance):
    default_storage.delete(instance.done.image.name)
    assert adam_client.get(file_of(instance.done)).status_code == 404


# Actions


@pytest.fixture
def calls(monkeypatch):
    made: list[str] = []
    monkeypatch.setattr("classifier.running.hints.wake_workers", lambda: made.append("called"))
    return made


def test_a_failed_photo_is_run_again(adam_client, instance, calls, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        answer = choose(adam_client, "run_again", instance.failed)
    instance.failed.refresh_from_db()
    assert (instance.failed.state, instance.failed.code) == (State.QUEUED, "")
    assert calls == ["called"]
    assert "1 photo is queued again" in answer.content.decode()
    assert AuditEvent.objects.get(action="photo run again").target == f"photo {instance.failed.uid}"


def test_running_again_keeps_the_faces_and_detecting_again_retires_them_once_the_new_look_succeeded(
    adam_client, instance, calls, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        choose(adam_client, "run_again", instance.done)
    assert Face.objects.filter(photo=instance.done, retired_at=None).count() == 2
    Photo.objects.filter(pk=instance.done.pk).update(state=State.DONE)
    with django_capture_on_commit_callbacks(execute=True):
        choose(adam_client, "detect_again", instance.done)
    old = set(Face.objects.filter(photo=instance.done, retired_at=None))
    assert len(old) == 2
    while analysis.run_once():
        pass
    assert old.isdisjoint(Face.objects.filter(photo=instance.done, retired_at=None))
    assert "photo detected again" in actions_logged()


def test_a_photo_that_waits_already_is_left_alone(adam_client, instance, calls):
    answer = choose(adam_client, "run_again", instance.queued)
    assert "waiting or running already" in answer.content.decode()
    assert "photo run again" not in actions_logged()


def test_only_those_who_may_change_photos_run_them_again(instance):
    from django.contrib.auth.models import Permission

    clerk = UserFactory(username="clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_photo"))
    client: Client = logged_in(clerk)
    assert client.get(LIST).status_code == 200
    choose(client, "run_again", instance.failed)
    instance.failed.refresh_from_db()
    assert instance.failed.state == State.FAILED


# Deletion


def test_deleting_a_photo_removes_its_files_too(adam_client, instance, django_capture_on_commit_callbacks):
    delete = reverse("admin:classifier_photo_delete", args=[instance.done.pk])
    assert "done.jpg" in adam_client.get(delete).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        assert adam_client.post(delete, {"post": "yes"}).status_code == 302
    assert not Photo.objects.filter(pk=instance.done.pk).exists()
    assert not default_storage.exists(instance.done.image.name)
    assert not default_storage.exists(instance.done.thumbnail.name)
    assert AuditEvent.objects.last().action == "photo deleted"


def test_several_photos_are_deleted_at_once(adam_client, instance, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        choose(adam_client, "delete_selected", instance.done, instance.failed, post="yes")
    assert list(Photo.objects.all()) == [instance.queued]
    assert not default_storage.exists(instance.failed.image.name)
    assert len(AuditEvent.objects.get(action="photo deleted").details["targets"]) == 2


def test_deleting_a_collection_removes_its_photos_and_files(adam_client, instance, django_capture_on_commit_callbacks):
    delete = reverse("admin:classifier_collection_delete", args=[instance.collection.pk])
    assert adam_client.get(delete).status_code == 200
    with django_capture_on_commit_callbacks(execute=True):
        assert adam_client.post(delete, {"post": "yes"}).status_code == 302
    assert not Collection.objects.exists()
    assert not Photo.objects.exists()
    assert not default_storage.exists(instance.done.image.name)


def test_asking_before_deletion_costs_the_same_for_a_large_collection(
    adam_client, instance, django_assert_max_num_queries
):
    for _ in range(5):
        make_photo(instance.collection)
    with django_assert_max_num_queries(15):
        adam_client.get(reverse("admin:classifier_collection_delete", args=[instance.collection.pk]))


def test_a_collections_declaration_is_its_owners_word(adam_client, instance):
    change = reverse("admin:classifier_collection_change", args=[instance.collection.pk])
    form = {
        "name": "New name",
        "purpose": "another purpose",
        "retention_days": "30",
        "shares-TOTAL_FORMS": "0",
        "shares-INITIAL_FORMS": "0",
    }
    assert adam_client.post(change, form).status_code == 302
    instance.collection.refresh_from_db()
    assert (instance.collection.name, instance.collection.retention_days) == ("New name", 30)
    assert instance.collection.purpose == "a study of representation"
    event = AuditEvent.objects.get(action="collection changed")
    assert event.details["fields"] == ["Name", "Retention days"]
    assert instance.collection.updated_at > timezone.now() - timedelta(minutes=1)


def test_an_administrator_who_changes_the_days_to_keep_is_told_what_goes(adam_client, instance):
    Photo.objects.filter(pk=instance.done.pk).update(received_at=timezone.now() - timedelta(days=40))
    change = reverse("admin:classifier_collection_change", args=[instance.collection.pk])
    form = {"name": "x", "retention_days": "30", "shares-TOTAL_FORMS": "0", "shares-INITIAL_FORMS": "0"}
    assert (
        "With the new days to keep, 1 photo is deleted on"
        in adam_client.post(change, form, follow=True).content.decode()
    )


def test_an_uploads_files_are_one_click_away(adam_client, instance):
    html = adam_client.get(reverse("admin:classifier_upload_changelist")).content.decode()
    items = f"{reverse('admin:classifier_uploaditem_changelist')}?upload__id__exact={instance.upload.pk}"
    assert f'<a href="{items}">2</a>' in html
    listed = adam_client.get(items).content.decode()
    assert "notes.txt" in listed
    assert "not a format Facet reads" in listed
