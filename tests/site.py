"""A whole site in processes of its own: web, worker, sweeper on a free port, with a data folder of its own."""

import http.client
import json
import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 90
PORTS = range(20_000, 32_000)


def free_port() -> int:
    """One below those that systems give to outgoing connections: such a one would keep a killed server from its own."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_for(condition: Callable[[], Any], *, seconds: float, what: str) -> Any:
    """The first true answer of `condition`; fails with `what` when the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := condition():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"after {seconds} s: {what}")


def multipart(files: list[tuple[str, bytes]]) -> tuple[bytes, str]:
    """A multipart body with every file in the field `images`, and its content type."""
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="images"; filename="{name}"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, content in files
    ]
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


class Site:
    """`manage.py run` and what tests ask of it."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "run.log"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("FACET_")}
        self.environment = inherited | {
            "FACET_DATA": str(folder / "data"),
            "FACET_PORT": str(self.port),
            "FACET_SWEEP_SECONDS": "1",
            **environment,
        }
        self.workers = 1  # the one whose process a test looks at
        self.patience = 60.0  # seconds that a call waits for its answer
        self.process: subprocess.Popen[bytes] | None = None
        self.token = ""

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def start(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, "manage.py", "run", "--workers", str(self.workers)]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        wait_for(self._is_ready_or_dead, seconds=START_SECONDS, what="the site is not ready")
        if self.process.poll() is not None:
            raise AssertionError(f"the site ended:\n{self.log.read_text()[-3000:]}")

    def serve(self) -> None:
        """The web server alone: no worker, no supervisor."""
        prepare = "from django.core.management import call_command as call; call('migrate', verbosity=0)"
        self.manage("shell", "-v0", "-c", f"{prepare}; call('createcachetable')")
        self.start_serving()
        wait_for(self.is_listening, seconds=START_SECONDS, what="the web server does not answer")

    def start_serving(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, "manage.py", "serve"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)

    def is_listening(self) -> bool:
        """Whether it answers, be it that people should come by TLS."""
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with suppress(OSError, http.client.HTTPException), closing(asked):
            asked.request("GET", "/healthz")
            return asked.getresponse().status < 500
        return False

    def _is_ready_or_dead(self) -> bool:
        return self.is_ready() or (self.process is not None and self.process.poll() is not None)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=40)

    def is_ready(self) -> bool:
        try:
            return self.get("/readyz").get("ready", False)
        except (urllib.error.URLError, ConnectionError):
            return False

    def make_user(self, name: str = "alice") -> None:
        """A user who accepted the terms, and a token for the calls that follow."""
        code = (
            "from django.core.management import call_command; from classifier.models import User; "
            f"User.objects.create_user('{name}', '{name}@example.org', 'correct horse battery'); "
            f"call_command('createtoken', '{name}')"
        )
        self.token = self.manage("shell", "-v0", "-c", code).splitlines()[-1]

    def call(self, path: str, *, body: bytes | None = None, content_type: str = "application/json") -> Any:
        request = urllib.request.Request(self.url + path, data=body)
        request.add_header("Content-Type", content_type)
        if self.token:
            request.add_header("Authorization", f"Token {self.token}")
        with urllib.request.urlopen(request, timeout=self.patience) as answer:
            return json.load(answer)

    def get(self, path: str) -> Any:
        return self.call(path)

    def upload(self, files: list[tuple[str, bytes]], *, query: str = "") -> Any:
        body, content_type = multipart(files)
        return self.call(f"/api/v1/photos/{query}", body=body, content_type=content_type)

    def all_photos(self) -> list[dict[str, Any]]:
        photos, path = [], "/api/v1/photos/"
        while path:
            page = self.get(path)
            photos += page["results"]
            path = (page["next"] or "").removeprefix(self.url)
        return photos

    def ask_database(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows, read past the site itself, which would take seconds to start for it."""
        if url := self.environment.get("DATABASE_URL"):
            with psycopg.connect(url) as server:
                return server.execute(sql).fetchall()
        with closing(sqlite3.connect(Path(self.environment["FACET_DATA"]) / "facet.sqlite3", timeout=60)) as file:
            return file.execute(sql).fetchall()

    def worker_pids(self) -> list[int]:
        """The worker processes that are alive, whether their model is loaded or not."""
        return self._pids_of("celery")

    def web_pids(self) -> list[int]:
        """The web process, if it is alive."""
        return self._pids_of("serve")

    def _pids_of(self, word: str) -> list[int]:
        assert self.process is not None
        living = [p for p in psutil.Process(self.process.pid).children() if p.status() != psutil.STATUS_ZOMBIE]
        return [child.pid for child in living if word in child.cmdline()]

    def is_sound(self) -> bool:
        """Whether the doctor finds nothing wrong."""
        command = [sys.executable, "manage.py", "doctor"]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True).returncode == 0


@contextmanager
def running_site(folder: Path, *, workers: int = 1, **environment: str) -> Iterator[Site]:
    """A started site that is stopped at the end, with a database of its own."""
    with own_database(os.environ.get("DATABASE_URL", "")) as database_url:
        if database_url:
            environment["DATABASE_URL"] = database_url
        site = Site(folder, **environment)
        site.workers = workers
        try:
            site.start()
            yield site
        finally:
            if site.process and site.process.poll() is None:
                site.stop()


@contextmanager
def web_server(folder: Path, **environment: str) -> Iterator[Site]:
    """The web server of a site alone, with a database of its own."""
    with own_database(os.environ.get("DATABASE_URL", "")) as database_url:
        if database_url:
            environment["DATABASE_URL"] = database_url
        site = Site(folder, **environment)
        try:
            site.serve()
            yield site
        finally:
            if site.process and site.process.poll() is None:
                site.stop()


@contextmanager
def own_database(url: str) -> Iterator[str]:
    """A new PostgreSQL database beside the one that `url` names; nothing for SQLite, which lies in the data folder."""
    if not url.startswith("postgres"):
        yield ""
        return
    server, _, _ = url.rpartition("/")
    name = f"facet_site_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        try:
            yield f"{server}/{name}"
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
