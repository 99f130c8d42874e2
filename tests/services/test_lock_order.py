"""No two actions wait for each other: all lock collections first, then what is in them, people, the audit log last."""

import pytest

from classifier import tasks
from classifier.models import AuditEvent, Draw, Job, Photo
from classifier.services import collections, exports, uploads
from classifier.services.reviews import drawing
from tests import factories
from tests.meetings import meet, need_postgres
from tests.services.submissions import sent

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
