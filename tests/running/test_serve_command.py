"""`manage.py serve`: the settings become the web server's limits."""

import socket

import pytest
from django.core.management import CommandError, call_command

from classifier.management.commands import serve
from classifier.serving import server


@pytest.fixture(autouse=True)
def leave_files_alone(monkeypatch):
    monkeypatch.setattr(server, "allow_files", lambda connections: connections)


def test_the_settings_are_the_limits(settings):
    settings.WEB_THREADS = 3
    settings.TRUSTED_PROXIES = ["127.0.0.1", " 10.1.2.3/8", "2001:db8::/32"]
    limits = serve.read_limits()
    assert limits.threads == 3
    assert limits.spool == settings.DATA_DIR / "spool"
    assert limits.spooled_bytes_per_address == 2 * settings.MAX_REQUEST_BYTES
    assert limits.is_proxy("127.0.0.1")
    assert limits.is_proxy("10.9.9.9")
    assert limits.is_proxy("2001:db8::7")
    assert not limits.is_proxy("127.0.0.2")
    assert not limits.is_proxy("unix")
    assert limits.max_body_bytes("/api/v1/photos/") == settings.MAX_REQUEST_BYTES


def test_a_proxy_that_is_no_address_is_named(settings):
    settings.TRUSTED_PROXIES = ["proxy.example.org"]
    with pytest.raises(CommandError, match=r"FACET_TRUSTED_PROXIES cannot be read: 'proxy\.example\.org'"):
        serve.read_limits()


def test_a_port_that_is_taken_is_named(settings, monkeypatch):
    monkeypatch.setattr(server, "serve", lambda *args, **options: pytest.fail("it was served"))
    monkeypatch.setattr(serve.tempfile, "tempdir", None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"Port {port} of 127.0.0.1 cannot be opened"):
            call_command("serve", port=port)
