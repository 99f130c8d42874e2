"""The web server on real sockets, before an application of a few lines: what clients may do, and for how long."""

import http.client
import io
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from classifier.serving import server
from classifier.serving.answers import REFUSED
from classifier.serving.limits import Limits, address_group, plain_address

ROOT = Path(__file__).resolve().parents[2]
MIB = 1024**2
FILE_BYTES = 24 * MIB  # more than the system holds between two sockets
STRANGER = "127.0.0.2"  # the loopback network has many addresses


class Application:
    """Answers by path; counts how many threads are in it at a time."""

    def __init__(self):
        self.go_on = threading.Event()
        self.asked = []
        self.inside = 0

    def __call__(self, environ, start_response):
        self.inside += 1
        try:
            return self.answer(environ, start_response)
        finally:
            self.inside -= 1

    def answer(self, environ, start_response):
        path = environ["PATH_INFO"]
        self.asked.append((environ["REQUEST_METHOD"], path, environ["REMOTE_ADDR"]))
        if path == "/slow":
            assert self.go_on.wait(20)
        if path == "/nothing":
            start_response("304 Not Modified", [("Content-Length", "0")])
            return [b""]
        if path == "/file":
            start_response("200 OK", [("Content-Length", str(FILE_BYTES))])
            return environ["wsgi.file_wrapper"](io.BytesIO(bytes(FILE_BYTES)))
        if path == "/stream":
            start_response("200 OK", [])
            return (bytes(MIB) for _ in range(FILE_BYTES // MIB))
        body = environ["wsgi.input"].read()
        told = {"path": path, "bytes": len(body), "start": body[:20].decode("latin-1"), "refused": environ.get(REFUSED)}
        content = json.dumps(told).encode()
        start_response("413 Too Large" if told["refused"] else "200 OK", [("Content-Length", str(len(content)))])
        return [content]


def max_body_bytes(path):
    return 20 * MIB if path == "/upload" else MIB


@contextmanager
def serving(folder, **changes):
    """A server in a thread of this process: the application, the server, and its port."""
    limits = Limits(threads=4, spool=folder, max_body_bytes=max_body_bytes, spooled_bytes_per_address=40 * MIB)
    application = Application()
    made = server.WebServer(
        application, listening=server.open_socket("127.0.0.1", 0), limits=replace(limits, stop_seconds=5, **changes)
    )
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        yield application, made, int(made.effective_port)
    finally:
        application.go_on.set()
        made.stop()
        thread.join(20)
        assert not thread.is_alive()
        assert made.account._held == {}


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(server, "LOOK_SECONDS", 0.1)


@pytest.fixture
def site(tmp_path):
    with serving(tmp_path) as started:
        yield started


def connect(port, *, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0))


def talk(port, *pieces, pause=0.0):
    """Everything the server says to these bytes until it hangs up."""
    with connect(port) as sock:
        for piece in pieces:
            sock.sendall(piece)
            time.sleep(pause)
        return read_all(sock)


def read_all(sock):
    answer = b""
    try:
        while received := sock.recv(65536):
            answer += received
    except ConnectionResetError:
        pass
    return answer


def read_answer(sock):
    response = http.client.HTTPResponse(sock)
    response.begin()
    return response, response.read()


def ask(port, path="/", *, source="127.0.0.1"):
    """One plain request, and how long its answer took."""
    start = time.monotonic()
    with connect(port, source=source) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        response, _ = read_answer(sock)
    assert response.status == 200
    return time.monotonic() - start


def is_closed(sock):
    sock.setblocking(False)
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def drip(sock, *, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sock.sendall(b"x")
        time.sleep(0.05)


def wait_until(condition, *, seconds=15):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


UNFINISHED = {
    "head": b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    "body": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nusername=",
    "chunks": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf",
    "nothing": b"",
    "reader": b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n",
    "streams": b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
}


# Requests that are never whole, and answers that nobody takes


@pytest.mark.parametrize("kind", UNFINISHED)
def test_no_thread_is_given_to_somebody_who_waits(site, kind):
    application, _, port = site
    strangers = [connect(port, source=STRANGER) for _ in range(20)]
    for stranger in strangers:
        stranger.sendall(UNFINISHED[kind])
    assert ask(port) < 5
    wait_until(lambda: application.inside == 0)
    for stranger in strangers:
        stranger.close()


def test_connections_of_one_address_are_limited_and_the_silent_make_room(tmp_path):
    with serving(tmp_path, connections_per_address=10) as (_, made, port):
        strangers = [connect(port, source=STRANGER) for _ in range(40)]
        for stranger in strangers:
            stranger.sendall(UNFINISHED["head"])
        wait_until(lambda: sum(map(is_closed, strangers)) == 30)
        assert len(made.active_channels) <= 10
        ask(port, source=STRANGER)
        ask(port)
        for stranger in strangers:
            stranger.close()


def test_a_connection_whose_request_is_in_hand_is_never_closed_for_another(tmp_path):
    with serving(tmp_path, connections_per_address=4) as (application, _, port), connect(port) as first:
        first.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: application.inside == 1)
        for _ in range(5):
            ask(port)
        application.go_on.set()
        assert read_answer(first)[0].status == 200


def test_the_address_with_the_most_connections_makes_room_for_the_others(tmp_path):
    with serving(tmp_path, connections=12) as (_, made, port):
        honest = connect(port, source="127.0.0.3")
        honest.sendall(UNFINISHED["body"])
        wait_until(lambda: len(made.active_channels) == 1)
        strangers = [connect(port, source=STRANGER) for _ in range(30)]
        wait_until(lambda: sum(map(is_closed, strangers)) == 19)
        assert not is_closed(honest)
        ask(port)
        for sock in (honest, *strangers):
            sock.close()


def test_the_limit_of_an_address_is_not_that_of_a_proxy(tmp_path):
    with serving(tmp_path, connections_per_address=5, proxies=(ip_network("127.0.0.2/32"),)) as (_, made, port):
        people = [connect(port, source=STRANGER) for _ in range(20)]
        wait_until(lambda: len(made.active_channels) == 20)
        for person in people:
            person.close()


@pytest.mark.parametrize("kind", UNFINISHED)
def test_heads_bodies_and_answers_have_a_time_limit(tmp_path, kind):
    with serving(tmp_path, head_seconds=0.3, silence_seconds=0.3) as (_, made, port), connect(port) as stranger:
        stranger.sendall(UNFINISHED[kind])
        wait_until(lambda: len(made.active_channels) == 1)
        wait_until(lambda: len(made.active_channels) == 0)


@pytest.mark.parametrize("kind", ["head", "body"])
def test_a_byte_now_and_then_wins_no_time(tmp_path, kind):
    limits = {"head_seconds": 0.5, "silence_seconds": 0.5, "least_bytes_per_second": 1000}
    with serving(tmp_path, **limits) as (_, made, port), connect(port) as stranger:
        stranger.sendall(UNFINISHED[kind])
        wait_until(lambda: len(made.active_channels) == 1)
        with pytest.raises(ConnectionError):
            drip(stranger)


def test_a_body_that_keeps_coming_may_take_long(tmp_path):
    limits = {"head_seconds": 0.5, "silence_seconds": 0.5, "least_bytes_per_second": 10}
    with serving(tmp_path, **limits) as (_, _, port), connect(port) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n")
        for _ in range(40):
            sock.sendall(bytes(100))
            time.sleep(0.04)
        assert json.loads(read_answer(sock)[1])["bytes"] == 4000


def test_addresses_take_turns(tmp_path):
    with serving(tmp_path, threads=1) as (application, made, port):
        crowd = [connect(port, source=STRANGER) for _ in range(20)]
        crowd[0].sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: application.inside == 1)
        for sock in crowd[1:]:
            sock.sendall(b"GET /crowd HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: len(made.task_dispatcher.queue) == 19)
        with connect(port) as single:
            single.sendall(b"GET /single HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_until(lambda: len(made.task_dispatcher.queue) == 20)
            application.go_on.set()
            read_answer(single)
        assert [path for _, path, _ in application.asked].index("/single") <= 2
        for sock in crowd:
            sock.close()


# Bodies


def test_a_body_over_the_limit_of_its_path_is_refused_with_its_head(site):
    _, _, port = site
    answer = talk(port, b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 500000000\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close" in answer
    assert b'"refused": "too_large"' in answer


@pytest.mark.parametrize("path", ["/form", "/upload"])
@pytest.mark.parametrize("head", ["Content-Length: 1000000000", "Transfer-Encoding: chunked"])
def test_somebody_who_sends_on_after_a_refusal_is_not_heard_for_long(site, path, head):
    """The client hears 413 although it never stops sending, and little more than the limit is taken from it."""
    _, made, port = site
    most = max_body_bytes(path) if "chunked" in head else 0
    with connect(port) as sock:
        sock.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
        assert send_on(sock) < most + 8 * MIB
    wait_until(lambda: made.active_channels == {})


def test_a_refusal_is_heard_by_a_client_that_sends_first_and_listens_then(site):
    _, _, port = site
    with connect(port) as sock:
        sock.sendall(b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 1500000\r\n\r\n")
        sock.sendall(bytes(1_500_000))
        assert read_answer(sock)[0].status == 413


def test_a_body_of_the_largest_size_arrives(site):
    _, _, port = site
    with connect(port) as sock:
        sock.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (20 * MIB))
        sock.sendall(bytes(20 * MIB))
        assert json.loads(read_answer(sock)[1])["bytes"] == 20 * MIB


def test_chunks_arrive_however_they_are_cut(site):
    _, _, port = site
    body = b"5\r\nhello\r\n6;name=value\r\n world\r\n0\r\nX-After: 1\r\n\r\n"
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    for pieces in ([head + body], [head, *(body[n : n + 1] for n in range(len(body)))]):
        answer = talk(port, *pieces)
        assert b'"bytes": 11, "start": "hello world"' in answer


@pytest.mark.parametrize(
    "chunks",
    [
        b"5\r\nhello!\r\n0\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"\r\n5\r\nhello\r\n0\r\n\r\n",
        b"5;\nx\r\nhello\r\n0\r\n\r\n",
        b"fffffffffffffffffff\r\nhello",
        b"5" * 100_000,
        b"0\r\n" + b"X: y\r\n" * 1000,
        b"1\r\nx\r\n" * 20_000,
    ],
)
def test_chunks_that_are_none_are_refused(site, chunks):
    _, _, port = site
    answer = talk(port, b"POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_one_address_cannot_fill_the_spool(tmp_path):
    with serving(tmp_path, spooled_bytes_per_address=MIB) as (_, made, port):
        head = b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n"
        with connect(port, source=STRANGER) as first, connect(port, source=STRANGER) as second:
            for sock in (first, second):
                sock.sendall(head + bytes(700_000))
            answers = [read_all(sock) if not is_waiting(sock) else b"" for sock in (first, second)]
            assert sorted(answer[:12] for answer in answers) == [b"", b"HTTP/1.1 413"]
            assert b"too_much_at_once" in b"".join(answers)
            ask(port)
        wait_until(lambda: made.account._held == {})


def send_on(sock):
    """Send chunks until the server hangs up; the bytes that it, and the system on its way, took."""
    sent, piece = 0, b"10000\r\n" + bytes(0x10000) + b"\r\n"
    sock.settimeout(0.5)
    try:
        while sent < 200 * MIB:
            sock.sendall(piece)
            sent += len(piece)
    except (ConnectionError, TimeoutError):
        return sent
    raise AssertionError("all of it was taken")


def is_waiting(sock):
    sock.settimeout(1)
    try:
        return sock.recv(1, socket.MSG_PEEK) == b"never"
    except TimeoutError:
        return True
    finally:
        sock.settimeout(20)


def test_a_full_disk_is_told(site, monkeypatch):
    _, _, port = site

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("classifier.serving.bodies.spool.open_nameless", full)
    answer = talk(port, b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + bytes(200_000))
    assert b'"refused": "no_room"' in answer
    ask(port)


def test_the_last_of_the_disk_is_not_for_bodies(site, monkeypatch):
    _, _, port = site
    monkeypatch.setattr("classifier.serving.bodies.FREE_BYTES", 2**70)
    monkeypatch.setattr("classifier.serving.bodies.FREE_SHARE", 1.0)
    answer = talk(port, b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + bytes(200_000))
    assert b'"refused": "no_room"' in answer


def test_bodies_have_no_names_in_the_spool(site, tmp_path):
    _, _, port = site
    with connect(port) as sock:
        sock.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n" + bytes(2_000_000))
        wait_until(lambda: nameless_bytes(tmp_path) >= 1_900_000)
        assert list(tmp_path.iterdir()) == []
        sock.sendall(bytes(1_000_000))
        assert read_answer(sock)[0].status == 200
    wait_until(lambda: nameless_bytes(tmp_path) == 0)


def nameless_bytes(folder):
    """How large the files without names are that this process has open in a folder."""
    total = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = str(descriptor.readlink())
            if target.startswith(str(folder)) and target.endswith("(deleted)"):
                total += descriptor.stat().st_size
        except FileNotFoundError:
            continue
    return total


# Heads


def test_a_client_that_asks_first_is_told_to_go_on_or_not(site):
    _, _, port = site
    head = b"POST /%s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with connect(port) as sock:
        sock.sendall(head % (b"form", 5))
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"hello")
        assert json.loads(read_answer(sock)[1])["start"] == "hello"
        sock.sendall(head % (b"form", 0))
        assert read_answer(sock)[0].status == 200
    assert talk(port, head % (b"form", 2 * MIB)).startswith(b"HTTP/1.1 413 ")


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 60\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 40_000 + b"\r\n\r\n",
    ],
)
def test_a_head_that_can_be_read_in_two_ways_ends_the_connection(site, head):
    application, _, port = site
    answer = talk(port, head + SMUGGLED)
    assert answer[:10] in (b"HTTP/1.1 4", b"HTTP/1.0 4", b"HTTP/1.1 5")
    assert answer.count(b"HTTP/1.") == 1
    assert "/smuggled" not in [path for _, path, _ in application.asked]


@pytest.mark.parametrize("pieces", [[b"\r\n" * 30_000], [b" \r\n\r\n" * 10_000], [b"\x00" * 1000 + b"\r\n\r\n"]])
def test_lines_without_a_request_cost_nothing(site, pieces):
    _, _, port = site
    with connect(port, source=STRANGER) as stranger:
        for piece in pieces:
            stranger.sendall(piece)
        assert ask(port) < 5


def test_requests_that_come_together_are_answered_one_after_the_other(site):
    _, _, port = site
    many = b"".join(b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" % n for n in range(300))
    answer = talk(port, many + b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    told = [json.loads(line) for line in re.findall(rb"^{.*?}", answer, re.MULTILINE)]
    assert [answer["path"] for answer in told] == [f"/{number}" for number in range(300)] + ["/last"]
    assert {answer["bytes"] for answer in told[:-1]} == {3}


def test_a_connection_is_kept_after_answers_without_a_body(site):
    _, _, port = site
    with connect(port) as sock:
        for request in (b"GET /nothing", b"HEAD /", b"HEAD /file", b"GET /file", b"GET /"):
            sock.sendall(request + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            response = http.client.HTTPResponse(sock, method=request.split()[0].decode())
            response.begin()
            body = response.read()
            assert response.getheader("Connection") is None, request
            assert len(body) == (0 if request.startswith(b"HEAD") else response.length or len(body))
        assert response.status == 200


def test_head_is_the_head_of_get_and_nothing_more(site):
    _, _, port = site
    answer = talk(port, b"HEAD /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Content-Length: %d" % FILE_BYTES in head
    assert body == b""
    answer = talk(port, b"HEAD /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert answer.count(b"\r\n\r\n") == 1


def test_what_a_proxy_says_reaches_the_application_and_underscores_do_not(site, monkeypatch):
    application, made, port = site
    seen = {}
    monkeypatch.setattr(made, "application", lambda environ, start: seen.update(environ) or application(environ, start))
    talk(port, b"GET / HTTP/1.0\r\nX-Forwarded-For: 1.2.3.4\r\nX_Forwarded_Proto: https\r\n\r\n")
    assert seen["HTTP_X_FORWARDED_FOR"] == "1.2.3.4"
    assert "HTTP_X_FORWARDED_PROTO" not in seen


def test_a_client_that_leaves_is_no_matter(site):
    application, made, port = site
    for request in (*UNFINISHED.values(), b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"):
        with connect(port) as sock:
            sock.sendall(request)
            time.sleep(0.05)
    application.go_on.set()
    wait_until(lambda: made.active_channels == {})
    assert made._by_address == {}
    ask(port)


# Addresses, files, stopping


def test_an_address_is_one_however_it_is_written():
    assert plain_address("::ffff:192.0.2.7") == "192.0.2.7"
    assert plain_address("fe80::1%eth0") == "fe80::1"
    assert address_group("192.0.2.7") != address_group("192.0.2.8")
    assert address_group("2001:db8::1") == address_group("2001:db8::ffff:1") != address_group("2001:db8:0:1::1")


def test_there_are_no_more_connections_than_the_system_gives_files_for(monkeypatch):
    given = []
    monkeypatch.setattr(server.resource, "getrlimit", lambda which: given[-1] if given else (256, 1024))
    monkeypatch.setattr(server.resource, "setrlimit", lambda which, limits: given.append(limits))
    assert server.allow_files(1000) == (1024 - server.FILES_BESIDE) // server.FILES_PER_CONNECTION
    assert given == [(1024, 1024)]


STOPPING = """
import sys, time
from pathlib import Path
from classifier.serving import server
from classifier.serving.limits import Limits

def application(environ, start_response):
    print("asked", flush=True)
    time.sleep(1.0)
    start_response("200 OK", [("Content-Length", "4")])
    return [b"done"]

limits = Limits(threads=2, spool=Path(sys.argv[1]), max_body_bytes=lambda path: 1000, spooled_bytes_per_address=1000)
listening = server.open_socket("127.0.0.1", 0)
print(listening.getsockname()[1], flush=True)
server.serve(application, listening=listening, limits=limits)
print("stopped", flush=True)
"""


def test_sigterm_lets_running_requests_finish_and_nobody_else_stay(tmp_path):
    command = [sys.executable, "-c", STOPPING, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        port = int(process.stdout.readline())
        with connect(port) as running, connect(port) as idle, connect(port) as silent, connect(port) as sending:
            silent.sendall(UNFINISHED["head"])
            running.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert process.stdout.readline() == "asked\n"
            sending.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello")
            time.sleep(0.3)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            sending.sendall(b"world")
            response, body = read_answer(running)
            assert (response.status, body) == (200, b"done")
            assert read_answer(sending)[0].getheader("Connection") == "close"
            assert read_all(idle) == read_all(silent) == b""
            with pytest.raises(ConnectionRefusedError):
                connect(port)
        assert process.wait(timeout=20) == 0
        assert "stopped" in process.stdout.read()
