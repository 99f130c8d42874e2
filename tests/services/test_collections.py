"""How collections come into being."""

import threading

import pytest
from django.db import connection
from django.forms.models import model_to_dict

from classifier.models import AuditEvent, Collection
from classifier.services import collections, predictions
from classifier.services.reports import caching, reading
from classifier.terms import TERMS_VERSION
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_collection_keeps_who_accepted_which_declaration_and_when(alice):
    collection = collections.create_collection(alice, name="Front pages", purpose="who is on them")
    assert collection.terms_version == TERMS_VERSION
    assert collection.terms_accepted_at is not None
    assert collection.terms_accepted_by == alice
    assert collection.terms_accepted()


def test_a_collection_computes_everything_unless_told_otherwise(alice):
    collection = collections.create_collection(alice, name="a", purpose="b")
    assert collection.attributes == ["race", "gender", "age"]
    assert collection.taxonomy == "fairface-7"
    assert collection.retention_days is None
    assert not collection.is_opened_to_reviewers


def test_attributes_keep_their_order_however_they_are_ticked(alice):
    collection = collections.create_collection(
        alice,
        name="a",
        purpose="b",
        attributes=["age", "race"],
        taxonomy="utkface-4",
        retention_days=30,
        is_opened_to_reviewers=True,
    )
    collection.refresh_from_db()
    assert collection.attributes == ["race", "age"]
    assert collection.taxonomy == "utkface-4"
    assert collection.retention_days == 30
    assert collection.is_opened_to_reviewers


def test_what_is_switched_off_is_removed_from_every_prediction_and_the_audit_log_says_so(alice, collection):
    face = factories.make_face(factories.make_photo(collection))
    predictions.store_predictions(
        {face: {"race": [1.0, 0, 0, 0, 0, 0, 0], "gender": [0.5, 0.5]}},
        model_version=factories.ModelVersionFactory(sha256="e" * 64, status="candidate"),
    )
    elsewhere = factories.make_face(factories.make_photo(factories.CollectionFactory(owner=alice)))
    collections.change_collection(collection, actor=alice, attributes=["gender"], name="Back pages")
    collection.refresh_from_db()
    assert (collection.name, collection.attributes) == ("Back pages", ["gender"])
    assert face.predictions.count() == 2
    for prediction in face.predictions.all():
        assert prediction.vectors["gender"]
        assert set(prediction.vectors) == {"gender"}
    assert [guess.attribute for guess in face.guesses.all()] == ["gender"]
    assert list(predictions.describe_prediction(face.prediction)) == ["gender"]
    assert list(predictions.describe_prediction(elsewhere.prediction)) == ["race", "gender", "age"]
    assert elsewhere.guesses.count() == 3
    event = AuditEvent.objects.get()
    assert (event.action, event.target) == ("attributes switched off", f"collection {collection.uid}")
    assert event.details == {"attributes": ["race", "age"], "predictions": 2}


def test_other_changes_leave_predictions_alone(alice, collection):
    face = factories.make_face(factories.make_photo(collection))
    before = model_to_dict(face.prediction)
    collections.change_collection(collection, actor=alice, purpose="another", attributes=["age", "race", "gender"])
    assert model_to_dict(face.predictions.get()) == before
    assert not AuditEvent.objects.exists()


def test_shares_are_not_told_from_memory_after_an_attribute_went_off_and_on(alice, collection):
    factories.make_face(factories.make_photo(collection))
    assert told_attributes(collection, to=alice) == {"race", "gender", "age"}
    for attributes in (["age"], ["race", "age"]):
        collections.change_collection(collection, actor=alice, attributes=attributes)
    assert told_attributes(collection, to=alice) == {"age"}


def told_attributes(collection, *, to):
    collection.refresh_from_db()
    answer = caching.read_answer(collection, question=reading.default_question(collection), user=to)
    return answer.values["attributes"].keys()


def test_an_inbox_is_made_at_its_first_use_and_only_then(alice, bob):
    inbox = collections.get_inbox(alice)
    assert (inbox.name, inbox.purpose, inbox.is_inbox) == ("Inbox", "trying Facet out", True)
    assert collections.get_inbox(alice) == inbox
    assert collections.get_inbox(bob) != inbox


def test_the_terms_of_sign_up_cover_the_inbox(alice):
    assert collections.get_inbox(alice).terms_accepted()
    newcomer = factories.UserFactory(terms_version="", terms_accepted_at=None, terms_accepted_by="")
    assert not collections.get_inbox(newcomer).terms_accepted()


@pytest.mark.django_db(transaction=True)
def test_two_first_uses_of_an_inbox_at_once_get_the_same_one():
    user = factories.UserFactory()
    start = threading.Barrier(2)
    found: list[Collection] = []

    def use() -> None:
        try:
            start.wait(5)
            found.append(collections.get_inbox(user))
        finally:
            connection.close()

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(found) == 2
    assert found[0] == found[1]
