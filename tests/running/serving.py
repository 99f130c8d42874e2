"""The web server in a thread, before an application of a few lines, and clients that talk to it by sockets."""

import http.client
import io
import json
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from classifier.serving import server
from classifier.serving.answers import REFUSED
from classifier.serving.limits import Limits

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
