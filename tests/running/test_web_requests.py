"""What the web server takes for a request, and what it answers, on real sockets."""

import http.client
import json
import re
import socket
import time
from pathlib import Path

import pytest

from tests.running.serving import (
    FILE_BYTES,
    MIB,
    STRANGER,
    UNFINISHED,
    ask,
    connect,
    max_body_bytes,
    read_all,
    read_answer,
    serving,
    talk,
    wait_until,
)


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
