"""How collections come into being."""

import threading

import pytest
from django.db import connection

from classifier.models import Collection
from classifier.services import collections
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
