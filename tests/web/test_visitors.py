"""Whose address counts: the last one in X-Forwarded-For that is no trusted proxy's."""

import pytest
from allauth.account.adapter import get_adapter
from django.test import RequestFactory

from classifier.http import visitors

PROXIES = ["127.0.0.1", "10.0.0.0/8", "fd00::/8"]


def request_from(peer: str, forwarded: str | None = None):
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return RequestFactory().get("/", REMOTE_ADDR=peer, **headers)


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # who connects is no proxy: the header is the visitor's own
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        (
            "127.0.0.1",
            "1.1.1.1, 2.2.2.2, 198.51.100.1",
            "198.51.100.1",
        ),  # before it: the visitor's own words
        ("127.0.0.1", "198.51.100.1, 10.1.2.3", "198.51.100.1"),  # two proxies
        ("127.0.0.1", "127.0.0.1, 198.51.100.1, 10.1.2.3", "198.51.100.1"),  # a forged proxy among them
        ("127.0.0.1", "10.9.9.9", "10.9.9.9"),  # somebody inside
        ("127.0.0.1", None, "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1, nonsense", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1:51234", "198.51.100.1"),
        ("::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("fd00::1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("fd00::1", "[2001:db8:1:2:aaaa::1]:443", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::7", None, "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "198.51.100.1", "fe80::/64"),
        ("", "198.51.100.1", "unknown"),
    ],
)
def test_the_address_of_a_visitor(settings, peer, forwarded, address):
    settings.TRUSTED_PROXIES = PROXIES
    request = request_from(peer, forwarded)
    assert visitors.find_address(request) == address
    assert get_adapter().get_client_ip(request) == address


def test_without_named_proxies_nobody_is_believed(settings):
    settings.TRUSTED_PROXIES, settings.TRUST_PROXY = [], True
    assert visitors.find_address(request_from("127.0.0.1", "198.51.100.1")) == "127.0.0.1"


def test_a_setting_that_cannot_be_read_trusts_nobody(settings):
    settings.TRUSTED_PROXIES = ["127.0.0.1", "nginx"]
    assert visitors.find_address(request_from("127.0.0.1", "198.51.100.1")) == "127.0.0.1"


def test_a_long_header_is_read_only_as_far_as_it_is_trusted(settings):
    settings.TRUSTED_PROXIES = PROXIES
    read = []

    class Counted(str):
        def rpartition(self, separator):
            read.append(separator)
            before, comma, after = super().rpartition(separator)
            return Counted(before), comma, after

    request = request_from("127.0.0.1")
    request.META["HTTP_X_FORWARDED_FOR"] = Counted("10.0.0.1, " * 5000 + "198.51.100.1")
    assert visitors.find_address(request) == "198.51.100.1"
    assert len(read) == 1


@pytest.mark.parametrize(("peer", "status"), [("203.0.113.9", 301), ("127.0.0.1", 200)])
def test_the_scheme_is_believed_from_named_proxies_alone(client, db, settings, peer, status):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.TRUSTED_PROXIES, settings.SECURE_SSL_REDIRECT = PROXIES, True
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.1"}
    assert client.get("/about/", REMOTE_ADDR=peer, headers=headers).status_code == status
