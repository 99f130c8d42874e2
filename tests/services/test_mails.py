"""A mail server that takes connections and says nothing, or refuses one mailbox, keeps nobody waiting for long."""

import socketserver
import threading
from collections.abc import Iterator
from time import monotonic

import pytest
from django.core.mail import get_connection
from django.core.mail.backends.smtp import EmailBackend
from django.db import transaction

from classifier.models import CollectionShare
from classifier.services import accounts
from tests import factories

SMTP = "django.core.mail.backends.smtp.EmailBackend"


class MailServer(socketserver.ThreadingTCPServer):
    """Speaks as much SMTP as one mail takes, or none where it `is_silent`."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, *, is_silent: bool, refused: str = "") -> None:
        super().__init__(("127.0.0.1", 0), Visit)
        self.is_silent, self.refused = is_silent, refused
        self.visits, self.delivered = 0, list[str]()
        self.is_over = threading.Event()


class Visit(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.server.visits += 1
        if self.server.is_silent:
            self.server.is_over.wait(60)
            return
        self.say("220 here")
        to = ""
        while line := self.rfile.readline().decode().strip():
            verb = line[:4].upper()
            if verb == "RCPT":
                to = line.partition("<")[2].partition(">")[0]
                self.say("550 nobody" if to == self.server.refused else "250 so be it")
            elif verb == "DATA":
                self.say("354 go on")
                while self.rfile.readline().strip() != b".":
                    pass
                self.server.delivered.append(to)
                self.say("250 taken")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 so be it")

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture
def start(settings) -> Iterator:
    started = []

    def serve(**how) -> MailServer:
        server = MailServer(**how)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        settings.EMAIL_BACKEND = SMTP
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        return server

    yield serve
    for server in started:
        server.is_over.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def readers(collection) -> list[str]:
    """The addresses of six whom a collection of alice's is shared with."""
    shares = [CollectionShare.objects.create(collection=collection, user=factories.UserFactory()) for _ in range(6)]
    return [share.user.email for share in shares]


def leave(alice, django_capture_on_commit_callbacks) -> None:
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        accounts.ask_to_leave(alice)


def test_no_mail_waits_for_good():
    connection = get_connection(SMTP)
    assert isinstance(connection, EmailBackend)
    assert connection.timeout is not None
    assert 1 <= connection.timeout <= 10


def test_a_silent_mail_server_is_waited_for_once(
    start, settings, alice, readers, caplog, django_capture_on_commit_callbacks
):
    settings.EMAIL_TIMEOUT = 0.3
    server = start(is_silent=True)
    began = monotonic()
    leave(alice, django_capture_on_commit_callbacks)
    assert monotonic() - began < 3
    assert server.visits == 1
    assert "7 mails" in caplog.text
    assert alice.leaving_at


def test_a_mailbox_that_is_refused_costs_the_others_nothing(
    start, alice, readers, caplog, django_capture_on_commit_callbacks
):
    server = start(is_silent=False, refused=readers[2])
    leave(alice, django_capture_on_commit_callbacks)
    assert sorted(server.delivered) == sorted({alice.email, *readers} - {readers[2]})
    assert server.visits == 1
    assert readers[2] not in caplog.text


def test_a_slow_mail_server_is_not_waited_for_without_end(
    start, monkeypatch, alice, readers, caplog, django_capture_on_commit_callbacks
):
    monkeypatch.setattr(accounts, "TELLING_SECONDS", -1)
    server = start(is_silent=False)
    leave(alice, django_capture_on_commit_callbacks)
    assert server.delivered == []
    assert "7 mails" in caplog.text
