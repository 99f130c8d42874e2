"""What pages and mails advise: it fits what was sent or what happened, and two places never tell two things."""

import re
from zipfile import ZipFile

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from classifier.models import State, User
from tests import factories
from tests.conftest import logged_in


def read(client, name, *args):
    page = client.get(reverse(name, args=args)).content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", page.replace("\N{NO-BREAK SPACE}", " ")).split())


def test_who_sends_an_archive_is_told_to_unpack_it(alice_client, collection, tmp_path):
    with ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("1.jpg", b"a photo")
    file = SimpleUploadedFile("photos.zip", (tmp_path / "photos.zip").read_bytes(), "application/zip")
    answer = alice_client.post(reverse("photo-upload", args=[collection.uid]), {"images": file}, follow=True)
    page = answer.content.decode()
    assert "Unpack it and send the photos" in page
    assert "as JPEG" not in page


@pytest.mark.parametrize(
    ("code", "is_safe"),
    [("file_missing", False), ("crashed", True), ("timed_out", True), ("worker_lost", True), ("internal", True)],
)
def test_a_photo_is_called_safe_only_where_its_file_is_there(alice_client, collection, code, is_safe):
    photo = factories.make_photo(collection, state=State.FAILED, code=code)
    page = read(alice_client, "photo-detail", photo.uid)
    assert ("The photo itself is safe" in page) is is_safe
    assert ("from a backup" in page) is not is_safe


@pytest.mark.parametrize("own", [None, 3_500_000_000])
def test_the_quota_is_the_same_number_wherever_it_is_told(alice, alice_client, adam, settings, own):
    User.objects.filter(pk=alice.pk).update(quota_bytes=own)
    said = "3.5 GB" if own else "20 GB"
    assert f"0 bytes of {said}" in read(alice_client, "account-detail")
    assert f"0 bytes of {said}" in read(logged_in(adam), "admin:classifier_user_changelist")
    assert f"0 bytes of {said}" in read(logged_in(adam), "admin:classifier_user_change", alice.pk)


def test_the_account_page_and_the_page_of_its_address_tell_the_same_address(alice, alice_client):
    """Also of an address that nobody confirmed: one that an administrator typed, say."""
    assert "E-mail alice@example.org" in read(alice_client, "account-detail")
    page = read(alice_client, "account_email")
    assert "Now alice@example.org" in page
    assert "Changing to" not in page
    assert "Send a link to confirm it" in page
    alice_client.post(reverse("account_email"), {"email": "new@example.org", "action_add": ""})
    page = read(alice_client, "account_email")
    assert "Now alice@example.org Changing to new@example.org" in page
    EmailAddress.objects.filter(email="new@example.org").first().set_verified()
    alice.refresh_from_db()
    assert f"E-mail {alice.email}" in read(alice_client, "account-detail")
    assert f"Now {alice.email}" in read(alice_client, "account_email")


@pytest.mark.parametrize(
    ("address", "subject", "says"),
    [
        ("alice@example.org", "Choose a new password for Facet", "the account “alice”"),
        ("nobody@example.org", "No account with this address at Facet", "There is no account with this address"),
    ],
)
def test_mails_are_in_our_own_words(client, alice, address, subject, says):
    client.post(reverse("account_reset_password"), {"email": address})
    sent = mail.outbox[-1]
    assert sent.subject == subject
    assert says in sent.body
    assert "Facet at http://testserver/" in sent.body
    assert "Hello from" not in sent.body
    assert "Thank you for using" not in sent.body


def test_a_mail_that_confirms_an_address_is_in_our_own_words(alice, alice_client):
    alice_client.post(reverse("account_email"), {"email": "new@example.org", "action_add": ""})
    sent = mail.outbox[-1]
    assert sent.subject == "Confirm your e-mail address for Facet"
    assert "alice gave this address" in sent.body
    assert "Hello from" not in sent.body
