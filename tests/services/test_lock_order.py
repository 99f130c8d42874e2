"""No two actions wait for each other: all lock collections first, then what is in them, people, the audit log last."""

import uuid
from datetime import timedelta
from time import monotonic

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from classifier import tasks
from classifier.models import (
    AccessToken,
    AuditEvent,
    Collection,
    Draw,
    Face,
    Job,
    ModelVersion,
    Photo,
    Review,
    State,
    UploadItem,
    User,
)
from classifier.services import accounts, audit, collections, deletion, exports, tokens, turning, uploads
from classifier.services.reviews import answering, drawing, queues, retiring
from tests import factories
from tests.conftest import logged_in
from tests.meetings import meet, need_postgres
from tests.services.submissions import sent, stored_files

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

HOLDS_COLLECTION = r'SELECT .*"classifier_collection".* FOR NO KEY UPDATE'
HOLDS_CHAIN = r"pg_advisory_xact_lock"


@pytest.fixture(autouse=True)
def postgres(transactional_db, monkeypatch) -> None:
    need_postgres()
    monkeypatch.setattr(tasks.analyze, "apply_async", lambda **_: None)


@pytest.fixture
def pictured(collection):
    """Alice's collection with four faces on four photos."""
    for _ in range(4):
        factories.make_face(factories.make_photo(collection))
    return collection


def begin_draw(collection, *, creator) -> Draw:
    return drawing.begin_draw(collection, creator=creator, attribute="race", size=2)


def test_an_upload_and_a_draw_of_its_owner(alice, pictured):
    meet(
        lambda: begin_draw(pictured, creator=alice),
        lambda: uploads.submit_photos(alice, collection=pictured, files=[sent()]),
        at=HOLDS_COLLECTION,
    )
    assert (Draw.objects.count(), Photo.objects.count()) == (1, 5)


def test_an_export_and_a_declaration_of_the_same_person(alice, collection):
    meet(
        lambda: collections.make_declaration(collection, by=alice),
        lambda: exports.ask_for_export(alice),
        at=HOLDS_CHAIN,
    )
    assert Job.objects.filter(kind=Job.Kind.EXPORT).count() == 1
    assert AuditEvent.objects.count() == 2


def test_a_draw_and_the_deletion_of_its_collection(alice, pictured):
    meet(
        lambda: begin_draw(pictured, creator=alice),
        lambda: deletion.delete_collection(pictured, by=alice),
        at=HOLDS_COLLECTION,
    )
    assert not Collection.objects.exists()
    assert list(actions()) == ["draw begun", "collection deleted"]


def test_a_draw_and_its_owner_who_leaves(alice, pictured):
    meet(lambda: begin_draw(pictured, creator=alice), lambda: accounts.leave_now(alice), at=HOLDS_COLLECTION)
    assert list(actions()) == ["draw begun", "account deleted by its owner"]
    assert audit.verify() == []


def test_a_draw_and_an_account_whose_grace_is_over(alice, pictured):
    User.objects.filter(pk=alice.pk).update(leaving_at=timezone.now() - timedelta(hours=1))
    meet(
        lambda: begin_draw(pictured, creator=alice),
        lambda: accounts.delete_overdue(until=monotonic() + 60),
        at=HOLDS_COLLECTION,
    )
    assert not User.objects.filter(pk=alice.pk).exists()


def test_an_upload_and_its_owner_who_leaves(alice, pictured):
    meet(
        lambda: uploads.submit_photos(alice, collection=pictured, files=[sent()]),
        lambda: accounts.leave_now(alice),
        at=r'UPDATE "classifier_collection"',
    )
    assert list(actions()) == ["account deleted by its owner"]


def test_an_export_and_its_owner_who_leaves(alice, collection):
    meet(lambda: exports.ask_for_export(alice), lambda: accounts.leave_now(alice), at=r'"classifier_user".* FOR ')
    assert list(actions()) == ["data export asked for", "account deleted by its owner"]


def test_an_answer_and_its_reviewer_who_leaves(alice, bob, pictured):
    draw = begin_draw(pictured, creator=alice)
    first, second = (drawn.face for drawn in draw.drawn_faces.select_related("face"))
    said = answering.Answer(answers={"race": "Black", "gender": "Female", "age": "30-39"})
    kept = answering.answer_face(draw, face=first, reviewer=bob, answer=said)
    other = answering.Answer(answers={**said.answers, "race": "White"})
    meet(
        lambda: answering.answer_face(draw, face=first, reviewer=bob, answer=other, replaces=kept.review.uid),
        lambda: accounts.leave_now(bob),
        at=r'UPDATE "classifier_review"',
    )
    assert second not in {review.face for review in Review.objects.all()}
    assert set(Review.objects.values_list("said_by", flat=True)) == {"reviewer 1"}


@pytest.mark.parametrize("model", ["collection", "user", "photo"])
def test_a_draw_and_a_deletion_by_an_administrator(adam, alice, pictured, model):
    row = {"collection": pictured, "user": alice, "photo": pictured.photos.first()}[model]
    page, client = reverse(f"admin:classifier_{model}_delete", args=[row.pk]), logged_in(adam)
    meet(
        lambda: begin_draw(pictured, creator=alice),
        lambda: client.post(page, {"post": "yes"}),
        at=HOLDS_COLLECTION,
    )
    assert list(actions()) == ["draw begun", f"{model} deleted"]
    assert not type(row).objects.filter(pk=row.pk).exists()


def test_a_draw_and_another_model_in_production(adam, alice, pictured):
    version = ModelVersion.objects.create(name="facet-next", sha256="c" * 64)
    chosen = {"action": "promote", "_selected_action": [version.pk]}
    client, page = logged_in(adam), reverse("admin:classifier_modelversion_changelist")
    meet(lambda: begin_draw(pictured, creator=alice), lambda: client.post(page, chosen), at=HOLDS_COLLECTION)
    assert list(actions()) == ["draw begun", "model version changed"]


def test_the_terms_accepted_by_somebody_and_by_an_administrator(adam, alice):
    User.objects.filter(pk=alice.pk).update(terms_version="")
    chosen = {"action": "accept_terms", "_selected_action": [alice.pk]}
    client, page = logged_in(adam), reverse("admin:classifier_user_changelist")
    meet(lambda: accounts.accept_terms(alice), lambda: client.post(page, chosen), at=r'UPDATE "classifier_user"')
    assert list(actions()) == ["terms accepted", "terms accepted"]


def test_the_first_use_of_a_token_that_is_taken_back(alice):
    token, _ = tokens.create_token(alice, name="laptop")
    meet(
        lambda: tokens.note_use(token),
        lambda: tokens.revoke_token(AccessToken.objects.get(), by=alice),
        at=r'UPDATE "classifier_accesstoken"',
    )
    assert list(actions()) == ["token first used", "token revoked"]


def test_a_photo_that_is_turned_back_and_deleted(alice, collection, settings):
    photo = factories.make_photo(collection, turned=90)
    factories.make_face(photo)
    meet(
        lambda: turning.turn_back(Photo.objects.get()),
        lambda: deletion.delete_photos(Photo.objects.filter(pk=photo.pk), by=alice),
        at=r'UPDATE "classifier_photo"',
    )
    assert not Photo.objects.exists()
    assert stored_files(settings.MEDIA_ROOT) == set()


def test_a_draw_of_photos_that_are_deleted(alice, pictured):
    meet(
        lambda: drawing.begin_photo_draw(pictured, creator=alice, size=4),
        lambda: deletion.delete_photos(pictured.photos.all(), by=alice),
        at=r'SELECT .*"classifier_photo"',
    )
    assert list(actions()) == ["draw begun", "photos deleted"]


def test_faces_that_are_retired_while_their_photos_are_deleted(adam, pictured):
    faces = list(Face.objects.all())
    for face in faces:
        Review.objects.create(
            face=face, reviewer=adam, reviewer_uid=adam.uid, was_blind=False, verdict=Review.Verdict.NOT_A_FACE
        )
    meet(
        lambda: retiring.retire_faces(faces=[face.pk for face in faces], actor=adam),
        lambda: deletion.delete_photos(pictured.photos.all(), by=adam),
        at=r'SELECT .*"classifier_face"',
    )
    assert list(actions()) == ["faces retired", "photos deleted"]


@pytest.fixture
def hold_first(pictured):
    """A transaction that holds the first photo, whose row lies last: an update without an order comes to it last."""
    first = pictured.photos.order_by("pk").first()
    Photo.objects.filter(pk=first.pk).update(note="changed last")

    def hold() -> None:
        with transaction.atomic():
            Photo.objects.filter(pk=first.pk).update(note="held")

    return hold


def test_photos_that_are_run_again_and_deleted(pictured, hold_first):
    meet(
        hold_first,
        lambda: pictured.photos.all().restart(),
        lambda: deletion.delete_photos(pictured.photos.all()),
        at=r'UPDATE "classifier_photo"',
    )
    assert not Photo.objects.exists()


def test_photos_that_are_sent_again_while_their_leases_are_renewed(alice, pictured, hold_first):
    token = uuid.uuid4()
    again = [sent(content=photo.image.read()) for photo in pictured.photos.all()]
    Photo.objects.exclude(pk=pictured.photos.order_by("pk").first().pk).update(state=State.RUNNING, token=token)
    Photo.objects.filter(token=None).update(state=State.RUNNING, token=token)
    meet(
        hold_first,
        lambda: uploads.submit_photos(alice, collection=pictured, files=again),
        lambda: Photo.objects.renew(token=token),
        at=r'UPDATE "classifier_photo"',
    )
    assert set(UploadItem.objects.values_list("outcome", flat=True)) == {"duplicate"}


def test_guesses_confirmed_in_several_collections_at_once(alice, bob, pictured):
    other = factories.CollectionFactory(owner=alice)
    faces = [Face.objects.first(), factories.make_face(factories.make_photo(other))]
    meet(
        lambda: queues.confirm_guesses(faces, reviewer=alice),
        lambda: queues.confirm_guesses(faces[::-1], reviewer=bob),
        at=HOLDS_COLLECTION,
    )
    assert Review.objects.count() == 4


def actions():
    return AuditEvent.objects.exclude(action__contains="logged in").order_by("id").values_list("action", flat=True)
