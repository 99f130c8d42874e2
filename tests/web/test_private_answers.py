"""What a page says of somebody is kept by no browser and no proxy."""

import pytest
from django.test import Client
from django.urls import reverse

from tests import factories


def is_private(answer) -> bool:
    told = answer["Cache-Control"]
    return "private" in told and "no-store" in told


def test_no_page_is_kept(alice_client, page_addresses):
    for address in page_addresses:
        assert is_private(alice_client.get(address)), address


def test_nor_is_what_strangers_see_or_where_they_are_sent(open_addresses, page_addresses, db):
    for address in [*open_addresses, *page_addresses]:
        assert is_private(Client().get(address)), address


def test_nor_what_a_form_answers(alice_client, collection):
    for address in (reverse("collection-create"), reverse("collection-edit", args=[collection.uid])):
        assert is_private(alice_client.post(address, {}))
        assert is_private(Client(enforce_csrf_checks=True).post(address, {})), "403"


def test_nor_what_is_answered_before_any_view(db, settings):
    assert is_private(Client().get("/", headers={"Host": "evil.example"})), "400"
    assert is_private(Client().get("/account")), "301 to the address with its slash"
    settings.SECURE_SSL_REDIRECT = True
    assert is_private(Client().get("/")), "301 to TLS"


def test_files_of_photos_are_kept_by_the_browser_alone(alice_client, photo):
    explanation = factories.make_explanation(photo.faces.first())
    for name, uid in (("photo-image", photo.uid), ("explanation-heat", explanation.uid)):
        assert "private" in alice_client.get(reverse(name, args=[uid]))["Cache-Control"]


@pytest.mark.parametrize("name", ["api-photo-list", "api-face-list", "api-schema", "api-docs", "api-unknown"])
def test_the_api_keeps_to_it(alice_client, name):
    address = "/api/v1/nowhere/" if name == "api-unknown" else reverse(name)
    assert is_private(alice_client.get(address))


def test_pages_that_broke_are_not_kept_either(alice_client, monkeypatch):
    from classifier.views import accounts

    def fail(*args, **kwargs):
        raise RuntimeError("alice's secret")

    monkeypatch.setattr(accounts, "render", fail)
    alice_client.raise_request_exception = False
    answer = alice_client.get(reverse("account-detail"))
    assert answer.status_code == 500
    assert is_private(answer)
