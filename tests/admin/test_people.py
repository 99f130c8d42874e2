"""Accounts, tokens and invitations in the admin."""

from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.urls import reverse
from django.utils import timezone

from classifier.models import AccessToken, AuditEvent, Invitation, Photo, User
from classifier.services import audit
from tests.admin.conftest import actions_logged
from tests.conftest import logged_in
from tests.factories import UserFactory

USERS = reverse("admin:classifier_user_changelist")


def choose(client, model, action, *rows):
    address = reverse(f"admin:classifier_{model}_changelist")
    return client.post(address, {"action": action, "_selected_action": [row.pk for row in rows]}, follow=True)


def test_the_list_of_users_tells_terms_quota_and_who_reviews(adam_client, instance, alice, rita):
    User.objects.filter(pk=alice.pk).update(quota_bytes=2 * 1000**3)
    html = adam_client.get(USERS).content.decode()
    assert alice.terms_version in html
    assert "of 2\xa0GB" in html
    answer = adam_client.get(USERS, {"groups__id__exact": rita.groups.get().pk}).content.decode()
    assert "rita@example.org" in answer
    assert "bob@example.org" not in answer


def test_reviewers_are_made_and_unmade(adam_client, alice):
    choose(adam_client, "user", "make_reviewers", alice)
    assert alice.is_reviewer()
    choose(adam_client, "user", "end_reviewing", alice)
    assert not alice.is_reviewer()
    assert actions_logged() == ["reviewer made", "reviewing ended"]


def test_an_administrator_records_that_terms_were_accepted(adam_client, db):
    carol = UserFactory(username="carol", terms_version="", terms_accepted_at=None, terms_accepted_by="")
    choose(adam_client, "user", "accept_terms", carol)
    carol.refresh_from_db()
    assert carol.terms_accepted_by == "adam"
    assert carol.terms_accepted_at is not None
    answer = choose(adam_client, "user", "accept_terms", carol)
    assert "accepted these terms already" in answer.content.decode()


def test_a_user_is_added_and_can_log_in(adam_client, client, db):
    password = "a long enough pass phrase"
    form = {"username": "carol", "email": "carol@example.org", "password1": password, "password2": password}
    answer = adam_client.post(reverse("admin:classifier_user_add"), form | {"usable_password": "true"})
    assert answer.status_code == 302
    assert client.login(username="carol", password=password)
    assert actions_logged() == ["user added"]


def test_a_changed_quota_is_written_down(adam_client, alice):
    change = reverse("admin:classifier_user_change", args=[alice.pk])
    form = {"username": "alice", "email": alice.email, "is_active": "on", "quota_bytes": "1000"}
    assert adam_client.post(change, form).status_code == 302
    alice.refresh_from_db()
    assert alice.quota_bytes == 1000
    assert AuditEvent.objects.get(action="user changed").details["fields"] == ["Quota bytes"]


@pytest.fixture
def clerk_client(db):
    """Staff who may view and change users, and no more."""
    from django.contrib.auth.models import Permission

    clerk = UserFactory(username="clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user", "delete_user"]))
    return logged_in(clerk)


def test_nobody_gives_himself_rights(clerk_client):
    clerk = User.objects.get(username="clerk")
    change = reverse("admin:classifier_user_change", args=[clerk.pk])
    form = {"username": "clerk", "email": "c@example.org", "is_active": "on", "is_superuser": "on", "is_staff": "on"}
    assert clerk_client.post(change, form).status_code == 302
    clerk.refresh_from_db()
    assert (clerk.email, clerk.is_superuser) == ("c@example.org", False)
    choose(clerk_client, "user", "make_reviewers", clerk)
    assert not clerk.is_reviewer()


def test_lesser_staff_cannot_touch_an_administrator(clerk_client, adam):
    change = reverse("admin:classifier_user_change", args=[adam.pk])
    password = reverse("admin:auth_user_password_change", args=[adam.pk])
    assert clerk_client.post(change, {"username": "mallory"}).status_code == 403
    assert clerk_client.get(password).status_code == 403
    assert clerk_client.post(reverse("admin:classifier_user_delete", args=[adam.pk])).status_code == 403


def test_deleting_somebody_removes_photos_files_and_tokens(
    adam_client, instance, alice, django_capture_on_commit_callbacks
):
    delete = reverse("admin:classifier_user_delete", args=[alice.pk])
    assert "Photos: 3" in adam_client.get(delete).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        assert adam_client.post(delete, {"post": "yes"}).status_code == 302
    assert not User.objects.filter(username="alice").exists()
    assert not Photo.objects.exists()
    assert not AccessToken.objects.exists()
    assert not default_storage.exists(instance.done.image.name)
    assert AuditEvent.objects.last().target == f"user {alice.uid}"


def test_nobody_deletes_himself(adam, adam_client):
    assert adam_client.post(reverse("admin:classifier_user_delete", args=[adam.pk]), {"post": "yes"}).status_code == 403


def test_a_token_shows_no_secret(adam_client, instance):
    pages = [
        reverse("admin:classifier_accesstoken_changelist"),
        reverse("admin:classifier_accesstoken_change", args=[instance.token.pk]),
    ]
    for page in pages:
        html = adam_client.get(page).content.decode()
        assert "laptop" in html
        assert instance.secret not in html


def test_a_token_is_revoked(adam_client, instance, client):
    header = {"Authorization": f"Token {instance.secret}"}
    assert client.get(reverse("api-photo-list"), headers=header).status_code == 200
    choose(adam_client, "accesstoken", "revoke", instance.token)
    assert client.get(reverse("api-photo-list"), headers=header).status_code == 401
    event = AuditEvent.objects.exclude(action="token first used").get()
    assert event.target == f"access token {instance.token.uid}"


def test_an_invitation_is_made_and_its_link_lets_somebody_in(adam, adam_client, client, settings):
    settings.FACET_SIGNUP = "invite"
    settings.SITE_URL = "https://facet.example.org/"
    answer = adam_client.post(reverse("admin:classifier_invitation_add"), {"note": "for carol"}, follow=True)
    invitation = Invitation.objects.get()
    link = f"https://facet.example.org{reverse('account_signup')}?invite={invitation.code}"
    assert link in answer.content.decode()
    assert invitation.created_by == adam
    assert client.get(link.removeprefix("https://facet.example.org")).status_code == 200
    assert actions_logged() == ["invitation added"]


@pytest.mark.parametrize("change", [{"used_at": timezone.now()}, {"expires_at": timezone.now() - timedelta(days=1)}])
def test_a_link_that_leads_nowhere_is_not_shown(adam_client, instance, change):
    Invitation.objects.update(**change)
    html = adam_client.get(reverse("admin:classifier_invitation_changelist")).content.decode()
    assert instance.invitation.code not in html


def test_a_used_invitation_stays(adam_client, instance, bob):
    Invitation.objects.update(used_at=timezone.now(), used_by=bob)
    delete = reverse("admin:classifier_invitation_delete", args=[instance.invitation.pk])
    assert adam_client.post(delete, {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("state", ["open", "used", "expired"])
def test_invitations_are_filtered_by_state(adam_client, instance, state):
    html = adam_client.get(reverse("admin:classifier_invitation_changelist"), {"state": state}).content.decode()
    assert ("for carol" in html) == (state == "open")


def test_what_a_group_may_do_is_written_down(adam_client, rita):
    group = rita.groups.get()
    change = reverse("admin:auth_group_change", args=[group.pk])
    assert adam_client.post(change, {"name": "reviewers"}).status_code == 302
    assert AuditEvent.objects.get().target == f"group {group.pk}"


def test_the_log_of_all_this_is_whole(adam_client, alice):
    choose(adam_client, "user", "make_reviewers", alice)
    assert audit.verify() == []
