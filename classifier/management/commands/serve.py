"""`manage.py serve`: pages and API, without workers and sweeper. `manage.py run` and the web container start it."""

import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.backends.signals import connection_created

from classifier.http import body_limits, visitors
from classifier.intake import spool
from classifier.services import contention
from classifier.serving import server
from classifier.serving.limits import Limits

BODIES_PER_ADDRESS = 2  # of the largest size, that may lie in the spool at a time


class Command(BaseCommand):
    help = "Serve pages and API until SIGTERM; requests that are under way are finished."
    requires_system_checks: list[str] = []  # `run`, and in containers `check`, have made them, and they take seconds

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bind", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=settings.PORT, help="port to listen on (%(default)s)")

    def handle(self, *args: Any, bind: str, port: int, **options: Any) -> None:
        from webapp.wsgi import application

        connection_created.connect(contention.limit_waiting)
        spool.sweep(settings.SPOOL_DIR)
        tempfile.tempdir = str(settings.SPOOL_DIR)  # whatever a library writes on the way has the same place
        limits = read_limits()
        try:
            listening = server.open_socket(bind, port)
        except OSError as error:
            raise CommandError(f"Port {port} of {bind} cannot be opened: {error.strerror}.") from error
        server.serve(application, listening=listening, limits=limits)


def read_limits() -> Limits:
    """What the settings say, and as many connections as the system gives this process files for."""
    try:
        proxies = visitors.parse_networks(tuple(settings.TRUSTED_PROXIES))
    except ValueError as error:
        raise CommandError(f"FACET_TRUSTED_PROXIES cannot be read: {error}.") from error
    return Limits(
        threads=settings.WEB_THREADS,
        spool=Path(settings.SPOOL_DIR),
        max_body_bytes=body_limits.max_body_bytes_at,
        spooled_bytes_per_address=BODIES_PER_ADDRESS * settings.MAX_REQUEST_BYTES,
        proxies=proxies,
        connections=server.allow_files(Limits.connections),
    )
