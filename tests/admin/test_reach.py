"""Nobody changes in the admin what belongs to somebody with more rights, whatever is registered there."""

import pytest
from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, Model
from django.test import RequestFactory
from django.urls import reverse

from classifier.admin.reach import GuardedAdmin, people_of, people_of_all
from classifier.models import AccessToken, Invitation, Photo, Upload, User
from classifier.services import tokens
from tests import factories
from tests.conftest import logged_in

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
NOBODYS = {"ModelVersion", "WorkerHeartbeat"}  # the instance's own


@pytest.fixture
def root(db) -> User:
    return factories.UserFactory(username="root", is_staff=True, is_superuser=True)


@pytest.fixture
def staff(db) -> User:
    """Somebody with every single right, and yet no superuser."""
    staff = factories.UserFactory(username="staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.all())
    return staff


@pytest.fixture
def staff_client(staff):
    return logged_in(staff)


@pytest.fixture
def belongings(root) -> dict[type[Model], Model]:
    """A row of root's of every model that is registered and that rows can be somebody's of."""
    from classifier.models import AuditEvent, Codebook, Draw, Job, Review, State, UploadItem
    from classifier.services import audit

    collection = factories.CollectionFactory(owner=root)
    photo = factories.make_photo(collection, state=State.FAILED, code=Photo.Code.CRASHED)
    face = factories.make_face(photo)
    upload = Upload.objects.create(owner=root, collection=collection)
    audit.record("something done", actor=root)
    codebook = Codebook.objects.create(collection=collection, version=1, text="Look closely.", created_by=root)
    draw = Draw.objects.create(collection=collection, narrowest_px=40, seed=1, size=1, codebook=codebook)
    rows = [
        draw,
        Review.objects.create(face=face, draw=draw, reviewer=root, reviewer_uid=root.uid, was_blind=True),
        *(root, collection, photo, face, face.predictions.get(), upload),
        UploadItem.objects.create(upload=upload, number=1, name="a.jpg", outcome="accepted", photo=photo),
        EmailAddress.objects.create(user=root, email="root@example.org", primary=True),
        tokens.create_token(root, name="laptop")[0],
        Invitation.objects.create(created_by=root, note="for a friend"),
        Job.objects.create(owner=root, kind=Job.Kind.EXPLANATION, photo=photo),
        AuditEvent.objects.get(),
        Group.objects.get_or_create(name="reviewers")[0],  # a test before this one may have emptied the tables
    ]
    return {type(row): row for row in rows}


def address(row: Model | type[Model], page: str) -> str:
    arguments = [row.pk] if page in ("change", "delete") else []
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}", args=arguments)


def stored(row: Model) -> dict | None:
    return type(row)._default_manager.filter(pk=row.pk).values().first()


def test_every_registered_admin_obeys_the_rule_before_its_own(belongings):
    for model, model_admin in admin.site._registry.items():
        assert isinstance(model_admin, GuardedAdmin), model
        assert type(model_admin).__mro__[1] is GuardedAdmin, model
        assert model in belongings or model.__name__ in NOBODYS, f"{model} needs a row in this test"


def test_rows_are_found_to_be_whose_they_are(belongings, root):
    for model, row in belongings.items():
        if model is not Group:
            assert root in set(people_of(row)), model
            assert people_of_all(model._default_manager.filter(pk=row.pk)) == set(people_of(row)), model


@pytest.mark.parametrize("action", ["run_again", "delete_selected"])
def test_asking_whose_rows_are_costs_the_same_for_many(staff_client, collection, django_assert_max_num_queries, action):
    photos = [factories.make_photo(collection) for _ in range(40)]
    chosen = {"action": action, "_selected_action": [photo.pk for photo in photos], "post": "yes"}
    with django_assert_max_num_queries(60):
        assert staff_client.post(reverse("admin:classifier_photo_changelist"), chosen).status_code == 302


@pytest.mark.parametrize("model", [m for m in MODELS if m.__name__ not in NOBODYS], ids=lambda m: m._meta.model_name)
def test_what_is_a_superusers_is_neither_changed_nor_deleted(model, staff, staff_client, belongings):
    row = belongings[model]
    before = stored(row)
    form = {name: "x" for name in before if name not in ("id", "password")} | {"_save": "1"}
    assert staff_client.post(address(row, "change"), form).status_code == 403
    assert staff_client.post(address(row, "delete"), {"post": "yes"}).status_code == 403
    assert stored(row) == before


@pytest.mark.parametrize("model", [m for m in MODELS if m.__name__ not in NOBODYS], ids=lambda m: m._meta.model_name)
def test_no_action_touches_what_is_a_superusers(
    model, staff, staff_client, belongings, django_capture_on_commit_callbacks
):
    row = belongings[model]
    before = stored(row)
    request = RequestFactory().get("/")
    request.user = staff
    actions = admin.site._registry[model].get_actions(request)
    for action in actions:
        with django_capture_on_commit_callbacks(execute=True):
            form = {"action": action, "_selected_action": [row.pk], "post": "yes", "select_across": "1"}
            answer = staff_client.post(address(row, "changelist"), form, follow=True)
        assert answer.status_code == 403 or "Nothing was done." in answer.content.decode(), action
        assert stored(row) == before, action


def test_actions_are_tried_at_all(staff, belongings):
    request = RequestFactory().get("/")
    request.user = staff
    found = {model.__name__: set(admin.site._registry[model].get_actions(request)) for model in belongings}
    assert {"accept_terms", "lift_limits"} <= found["User"]
    assert "make_verified" in found["EmailAddress"]
    assert "revoke" in found["AccessToken"]
    assert "delete_selected" in found["Collection"]


def test_the_takeover_by_a_verified_address_is_closed(staff_client, staff, root, belongings):
    """Root's address as one's own, verified, and a link to reset the password follows."""
    mine = {"user": root.pk, "email": "mallory@example.net", "verified": "on"}
    assert staff_client.post(address(EmailAddress, "add"), mine).status_code == 403
    own = EmailAddress.objects.create(user=staff, email="staff@example.org")
    assert staff_client.post(address(own, "change"), mine).status_code == 403
    assert set(EmailAddress.objects.filter(user=root).values_list("email", flat=True)) == {"root@example.org"}


def test_an_address_that_is_a_superusers_is_given_to_nobody_else(staff_client, staff, alice, belongings):
    taken = {"user": alice.pk, "email": "ROOT@example.org", "verified": "on"}
    assert staff_client.post(address(EmailAddress, "add"), taken).status_code == 403
    own = EmailAddress.objects.create(user=staff, email="staff@example.org")
    assert staff_client.post(address(own, "change"), taken | {"user": staff.pk}).status_code == 403


def test_a_superusers_password_is_set_by_superusers(staff_client, adam_client, root):
    page = reverse("admin:auth_user_password_change", args=[root.pk])
    form = {"password1": "a quite new password", "password2": "a quite new password", "usable_password": "true"}
    assert staff_client.post(page, form).status_code == 403
    assert adam_client.post(page, form).status_code == 302
    root.refresh_from_db()
    assert root.check_password("a quite new password")


def test_a_new_password_by_an_administrator_ends_the_tokens(adam_client, alice):
    tokens.create_token(alice, name="laptop")
    page = reverse("admin:auth_user_password_change", args=[alice.pk])
    form = {"password1": "a quite new password", "password2": "a quite new password", "usable_password": "true"}
    assert adam_client.post(page, form).status_code == 302
    assert not AccessToken.objects.exists()


def test_groups_are_rights_and_for_superusers(staff_client, rita):
    group = rita.groups.get()
    everything = {"name": "reviewers", "permissions": list(Permission.objects.values_list("pk", flat=True))}
    assert staff_client.post(address(group, "change"), everything).status_code == 403
    assert staff_client.post(address(Group, "add"), everything | {"name": "mine"}).status_code == 403
    assert not Group.objects.filter(name="mine").exists()


def test_more_rights_are_more_also_without_being_a_superuser(db, rita):
    """Who may less cannot get at who may more, in office or switched off; who may the same can."""
    clerk = factories.UserFactory(username="clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["change_user", "view_user"]))
    client = logged_in(clerk)
    form = {"username": "renamed", "is_active": "on"}
    assert client.post(address(rita, "change"), form).status_code == 403, "reviewers may more"
    User.objects.filter(pk=rita.pk).update(is_active=False)
    assert client.post(address(rita, "change"), form).status_code == 403, "and may again when switched on"
    other = factories.UserFactory(username="other", is_staff=True)
    assert client.post(address(other, "change"), form).status_code == 302
    other.refresh_from_db()
    assert other.username == "renamed"


def test_rows_of_an_inline_form_obey_too(staff_client, staff, alice, root):
    """A share names somebody; the form of the collection around it is the collection owner's."""
    mine = factories.CollectionFactory(owner=staff)

    def share_with(user):
        form = {"TOTAL_FORMS": "1", "INITIAL_FORMS": "0", "0-user": user.pk, "0-role": "read"}
        return {"name": mine.name} | {f"shares-{name}": value for name, value in form.items()}

    assert staff_client.post(address(mine, "change"), share_with(root)).status_code == 403
    assert not root.collection_shares.exists()
    assert staff_client.post(address(mine, "change"), share_with(alice)).status_code == 302
    assert alice.collection_shares.exists()


def test_ordinary_work_goes_on(staff_client, alice, django_capture_on_commit_callbacks):
    collection = factories.CollectionFactory(owner=alice)
    photo = factories.make_photo(collection)
    with django_capture_on_commit_callbacks(execute=True):
        assert staff_client.post(address(photo, "delete"), {"post": "yes"}).status_code == 302
    assert not Photo.objects.exists()
    own = EmailAddress.objects.create(user=alice, email="alice@example.org")
    answer = staff_client.post(
        address(EmailAddress, "changelist"), {"action": "make_verified", "_selected_action": [own.pk]}, follow=True
    )
    assert answer.status_code == 200
    own.refresh_from_db()
    assert own.verified


def test_a_rule_that_is_asked_at_the_last_moment_refuses_what_slipped_through(staff, root):
    """Whatever a subclass lets through, saving and deleting ask once more."""
    request = RequestFactory().post("/")
    request.user = staff
    for model_admin in admin.site._registry.values():
        with pytest.raises(PermissionDenied):
            model_admin.save_model(request, root, form=None, change=True)
        with pytest.raises(PermissionDenied):
            model_admin.delete_model(request, root)


def test_a_row_that_hangs_on_itself_is_walked_once(db, alice, belongings):
    """As a correction hangs on the row that it corrects."""
    upload = belongings[Upload]
    field = upload._meta.get_field("collection")
    upload._state.fields_cache[field.name] = upload
    assert set(people_of(upload)) == {upload.owner}


def test_the_models_that_name_people_are_known():
    """A registered model without a way to a person belongs to the instance: it is named above on purpose."""

    def names_people(model: type[Model], seen: frozenset[type[Model]] = frozenset()) -> bool:
        targets = {f.related_model for f in model._meta.concrete_fields if isinstance(f, ForeignKey)} - seen
        return model is User or any(names_people(target, seen | {model}) for target in targets)

    assert {model.__name__ for model in MODELS if not names_people(model)} == NOBODYS | {"Group"}
