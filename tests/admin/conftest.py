from types import SimpleNamespace

import pytest
from django.test import Client

from classifier.models import (
    AuditEvent,
    Codebook,
    CollectionShare,
    Draw,
    Invitation,
    Job,
    ModelVersion,
    Photo,
    Review,
    State,
    Upload,
    UploadItem,
    User,
    WorkerHeartbeat,
)
from classifier.services import tokens
from tests import factories
from tests.conftest import logged_in


@pytest.fixture
def adam_client(adam) -> Client:
    return logged_in(adam)


@pytest.fixture
def instance(collection, alice, bob, adam) -> SimpleNamespace:
    """One row, or a few, of everything the admin shows."""
    done = factories.make_photo(collection, name="done.jpg")
    failed = factories.make_photo(collection, name="failed.jpg", state=State.FAILED, code=Photo.Code.CRASHED)
    queued = factories.make_photo(collection, name="queued.jpg", state=State.QUEUED)
    faces = [factories.make_face(done, number=number, x1=40.0 * number) for number in (1, 2)]
    upload = Upload.objects.create(owner=alice, collection=collection)
    UploadItem.objects.create(upload=upload, number=1, name="done.jpg", outcome="accepted", photo=done)
    UploadItem.objects.create(upload=upload, number=2, name="notes.txt", outcome="unsupported", message="No photo.")
    CollectionShare.objects.create(collection=collection, user=bob)
    token, secret = tokens.create_token(alice, name="laptop")
    WorkerHeartbeat.objects.create(
        name="facet1@here", pid=1, device="cpu", model_version=factories.ModelVersionFactory()
    )
    codebook = Codebook.objects.create(collection=collection, version=1, text="Look closely.", created_by=alice)
    draw = Draw.objects.create(collection=collection, narrowest_px=40, seed=1, size=2, codebook=codebook)
    by_alice = {"draw": draw, "reviewer": alice, "reviewer_uid": alice.uid, "was_blind": True}
    Review.objects.create(face=faces[0], answers={"gender": "Male"}, **by_alice)
    Review.objects.create(face=faces[1], verdict=Review.Verdict.NOT_A_FACE, **by_alice)
    Job.objects.create(owner=alice, kind=Job.Kind.EXPLANATION, photo=done, state=State.QUEUED)
    candidate = ModelVersion.objects.create(name="facet-next", sha256="c" * 64)
    return SimpleNamespace(
        collection=collection,
        done=done,
        failed=failed,
        queued=queued,
        faces=faces,
        upload=upload,
        token=token,
        secret=secret,
        candidate=candidate,
        invitation=Invitation.objects.create(note="for carol", created_by=adam),
    )


def actions_logged() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


def without_rights(user: User, **flags: bool) -> User:
    """The same person, read from the database once more."""
    User.objects.filter(pk=user.pk).update(**flags)
    return User.objects.get(pk=user.pk)
