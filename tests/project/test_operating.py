"""The configurations of docs/operating.md, run by the programs they are for."""

import http.client
import os
import re
import select
import shutil
import socket
import ssl
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from django.conf import settings

from tests import pictures
from tests.site import Site, free_port, multipart, wait_for, web_server

ROOT = Path(settings.BASE_DIR)
TEXT = (ROOT / "docs" / "operating.md").read_text()
HOST = "facet.example.org"
HALF_OPEN = 20
PROXIES = {"nginx": "nginx", "caddy": "caddyfile"}  # program -> the language of its block

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ }}
http {{
    access_log off;
    client_body_temp_path {temporary};
    proxy_temp_path {temporary};
    fastcgi_temp_path {temporary};
    uwsgi_temp_path {temporary};
    scgi_temp_path {temporary};
    include {folder}/facet.conf;
}}
"""


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return found


def replaced(text: str, **changes: str) -> str:
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


def environment() -> dict[str, str]:
    return dict(line.split("=", 1) for line in block("sh").splitlines())


class Proxy:
    """The proxy in front of a site, and a visitor of it."""

    def __init__(self, site: Site, port: int, temporary: Path) -> None:
        self.site, self.port, self.temporary = site, port, temporary

    def connect(self) -> ssl.SSLSocket:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), 20), server_hostname=HOST)

    def ask(self, head: str, body: bytes = b"") -> tuple[http.client.HTTPResponse, bytes]:
        method, path, *fields = head.split("\n")
        lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", "Connection: close", *fields]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        with self.connect() as sock:
            sock.sendall("\r\n".join([*lines, "", ""]).encode() + body)
            response = http.client.HTTPResponse(sock)
            response.begin()
            return response, response.read()

    def is_there(self) -> bool:
        try:
            return self.ask("GET\n/healthz")[0].status == 200
        except OSError:
            return False


@contextmanager
def running(program: str, site: Site, folder: Path):
    """A proxy that is configured as the page says, but for ports and certificates."""
    temporary = folder / "temporary"
    temporary.mkdir()
    port, plain_port = free_port(), free_port()
    certificate, key = make_certificate(folder)
    text = replaced(block(PROXIES[program]), **{"127.0.0.1:8000": f"127.0.0.1:{site.port}"})
    if program == "nginx":
        changes = {
            "listen 80;": f"listen 127.0.0.1:{plain_port};",
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "/etc/ssl/facet.pem": str(certificate),
            "/etc/ssl/facet.key": str(key),
        }
        (folder / "facet.conf").write_text(replaced(text, **changes))
        user = "user root;" if os.getuid() == 0 else ""
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, temporary=temporary, user=user))
        command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    else:
        changes = {
            "{\n    servers {": "{\n    admin off\n    auto_https off\n    servers {",
            f"{HOST} {{": f"https://{HOST}:{port} {{\n    bind 127.0.0.1\n    tls {certificate} {key}",
        }
        (folder / "Caddyfile").write_text(replaced(text, **changes))
        command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    home = os.environ | {"HOME": str(temporary), "XDG_DATA_HOME": str(temporary), "TMPDIR": str(temporary)}
    log = folder / "proxy.log"
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file, env=home) as process:
        try:
            proxy = Proxy(site, port, temporary)
            wait_for(proxy.is_there, seconds=20, what=log.read_text())
            yield proxy
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "facet.pem", folder / "facet.key"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    names = ("-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}")
    command = ["openssl", "req", "-x509", *curve, "-nodes", *names, "-out", certificate, "-keyout", key]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with web_server(tmp_path_factory.mktemp("site"), **environment()) as started:
        started.make_user()
        yield started


@pytest.fixture(scope="module", params=PROXIES)
def proxy(request, site, tmp_path_factory):
    if not shutil.which(request.param):
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI installs {request.param}")
        pytest.skip(f"{request.param} is not installed")
    with running(request.param, site, tmp_path_factory.mktemp(request.param)) as started:
        yield started


def test_people_come_by_tls_and_facet_knows_it(proxy):
    response, _ = proxy.ask("GET\n/accounts/login/")
    assert response.status == 200
    assert "; Secure" in response.getheader("Set-Cookie")
    assert response.getheader("Strict-Transport-Security")


def test_a_photo_larger_than_a_form_comes_through_and_nothing_of_it_stays_with_the_proxy(proxy):
    content = pictures.jpeg(400, 300, seed=1) + os.urandom(3 * 1024**2)
    body, content_type = multipart([("large.jpg", content)])
    before = sorted(proxy.temporary.rglob("*"))
    with proxy.connect() as sock:
        head = (
            f"POST /api/v1/photos/ HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Token {proxy.site.token}\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        sock.sendall(head.encode() + body[: len(body) // 2])
        time.sleep(0.5)
        assert sorted(proxy.temporary.rglob("*")) == before
        sock.sendall(body[len(body) // 2 :])
        response = http.client.HTTPResponse(sock)
        response.begin()
        assert response.status == 202
        assert b'"accepted"' in response.read()  # other bytes through each proxy
    assert sorted(proxy.temporary.rglob("*")) == before


def test_a_form_that_is_too_large_is_told_in_facets_words(proxy):
    response, page = proxy.ask("POST\n/accounts/login/", bytes(1_200_000))
    assert response.status == 413
    assert b"A form may hold 1 MB" in page


def test_more_than_an_upload_may_hold_ends_at_the_proxy(proxy):
    with proxy.connect() as sock:
        head = f"POST /api/v1/photos/ HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 450000000\r\n\r\n"
        sock.sendall(head.encode())
        with suppress(ConnectionError):  # Caddy answers while more comes in, and no sooner
            for _ in range(100):
                sock.sendall(bytes(65536))
                if select.select([sock], [], [], 0.05)[0]:
                    break
        response = http.client.HTTPResponse(sock)
        response.begin()
        assert response.status == 413


def test_half_open_connections_at_the_proxy_keep_nobody_waiting(proxy):
    head = f"POST /accounts/login/ HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 100000\r\n\r\nlogin="
    with ExitStack() as opened:
        for _ in range(HALF_OPEN):
            opened.enter_context(closing(proxy.connect())).sendall(head.encode())
        start = time.monotonic()
        assert proxy.ask("GET\n/healthz")[1] == b"ok"
        assert proxy.ask("GET\n/accounts/login/")[0].status == 200
        assert time.monotonic() - start < 5


def test_plain_http_leads_to_tls(proxy):
    with closing(http.client.HTTPConnection("127.0.0.1", proxy.site.port, timeout=20)) as plain:
        plain.request("GET", "/about/", headers={"Host": HOST, "X-Forwarded-Proto": "http"})
        response = plain.getresponse()
        assert (response.status, response.getheader("Location")) == (301, f"https://{HOST}/about/")


def test_the_units_are_what_systemd_reads(tmp_path):
    verify = shutil.which("systemd-analyze")
    if not verify:
        pytest.skip("systemd-analyze is not installed")
    units = dict(re.findall(r"`/etc/systemd/system/([\w.-]+)`.*?```ini\n(.*?)```", TEXT, re.DOTALL))
    assert units.keys() == {"facet.service", "facet-backup.service", "facet-backup.timer"}
    for name, text in units.items():
        here = text.replace("/opt/facet/.venv/bin/python", sys.executable).replace("/opt/facet", str(ROOT))
        (tmp_path / name).write_text(here.replace("User=facet\n", ""))
    command = [verify, "verify", "--man=no", "--recursive-errors=no", *(tmp_path / name for name in units)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_setting_that_is_named_exists():
    example = (ROOT / ".env.example").read_text()
    assert {"FACET_URL", "FACET_TRUSTED_PROXIES", "FACET_HOSTS"} == environment().keys()
    assert all(f"# {name}=" in example for name in re.findall(r"FACET_[A-Z_]+", TEXT))
