"""Whom the web server lets in, and for how long it waits for them, on real sockets."""

import json
import signal
import subprocess
import sys
import time
from ipaddress import ip_network

import pytest

from classifier.serving import server
from classifier.serving.limits import address_group, plain_address
from tests.running.serving import (
    ROOT,
    STRANGER,
    UNFINISHED,
    ask,
    connect,
    drip,
    is_closed,
    read_all,
    read_answer,
    serving,
    wait_until,
)


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
