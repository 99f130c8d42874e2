"""Which text somebody agreed to is kept; a new one is asked for anew, of accounts and of collections."""

import hashlib

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from classifier import terms
from classifier.models import AuditEvent, Collection, Photo
from classifier.services import collections
from tests import pictures

EARLIER = "2020-01"
# A text that is changed in its place would say of people that they agreed to what they never read.
FINGERPRINTS = {"2026-11": "e4b1660caf41f920"}


def send(client, collection):
    photo = SimpleUploadedFile("photo.jpg", pictures.jpeg(seed=1), "image/jpeg")
    return client.post(reverse("photo-upload", args=[collection.uid]), {"images": photo}, follow=True)


def test_no_version_is_worded_anew_in_its_place():
    found = {version: hashlib.sha256(repr(texts).encode()).hexdigest() for version, texts in terms.VERSIONS.items()}
    assert {version: found.get(version, "")[:16] for version in FINGERPRINTS} == FINGERPRINTS
    assert found.keys() == FINGERPRINTS.keys()
    assert max(found) == terms.TERMS_VERSION


def test_new_terms_are_asked_for_anew_and_the_log_keeps_which_were_accepted(alice, alice_client):
    inbox = collections.get_inbox(alice)
    alice.accept_terms(version=EARLIER, by="alice")
    assert "once you have accepted the terms of use" in send(alice_client, inbox).content.decode()
    assert not Photo.objects.exists()
    assert "There are new terms" in alice_client.get(reverse("account-detail")).content.decode()
    page = alice_client.post(reverse("terms-accept"), follow=True).content.decode()
    assert "There are new terms" not in page
    alice.refresh_from_db()
    assert alice.terms_version == terms.TERMS_VERSION
    accepted = AuditEvent.objects.get(action="terms accepted")
    assert (accepted.actor_uid, accepted.details) == (alice.uid, {"version": terms.TERMS_VERSION})
    send(alice_client, inbox)
    assert Photo.objects.count() == 1
    alice_client.post(reverse("terms-accept"))
    assert AuditEvent.objects.filter(action="terms accepted").count() == 1


@pytest.mark.parametrize("before", [{"terms_version": EARLIER}, {"terms_version": "", "terms_accepted_at": None}])
def test_a_declaration_in_earlier_words_or_none_is_asked_for_on_the_collections_page(
    alice, alice_client, collection, before
):
    Collection.objects.filter(pk=collection.pk).update(**before)
    page = send(alice_client, collection).content.decode()
    assert not Photo.objects.exists()
    assert terms.DECLARATION[0] in page.replace("&#x27;", "'")
    alice_client.post(reverse("collection-declare", args=[collection.uid]))
    collection.refresh_from_db()
    assert (collection.terms_version, collection.terms_accepted_by) == (terms.TERMS_VERSION, alice)
    assert AuditEvent.objects.get(action="declaration made").details == {"version": terms.TERMS_VERSION}
    send(alice_client, collection)
    assert Photo.objects.count() == 1
