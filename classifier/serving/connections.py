"""One connection: reads a request at a time, is patient for so long, and says why before it hangs up."""

import socket
from contextlib import suppress
from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING, Any

from waitress.channel import HTTPChannel

from classifier.serving.answers import Answer
from classifier.serving.requests import Request

if TYPE_CHECKING:
    from classifier.serving.server import WebServer

READ_BYTES = 64 * 1024
READS_OF_BODY = 4  # one after the other, before it is another connection's turn
SEND_BYTES = 256 * 1024  # read of an answer for one attempt to send, however much the system would buffer


class Stage(StrEnum):
    IDLE = "idle"  # between two requests, or before the first
    HEAD = "head"
    BODY = "body"
    WORKING = "working"  # the request is whole: it waits for a thread or has one
    ANSWERING = "answering"  # there are bytes for the client to take
    FAREWELL = "farewell"  # the client was told all, and what it still sends is thrown away


class Connection(HTTPChannel):
    """`address` is the client's as the limits count it; `account_address` is empty for a proxy."""

    task_class = Answer
    server: "WebServer"
    request: Request | None
    requests: list[Request]
    sendbuf_len: int
    will_close: bool
    sent_continue: bool

    def __init__(self, server: "WebServer", sock: socket.socket, addr: Any, *, address: str, is_proxy: bool) -> None:
        self.address = address
        self.account_address = "" if is_proxy else address
        self.moved = 0  # bytes in and out
        self.active_at = monotonic()
        self._rest = b""  # came in together with the end of a request, and waits for its answer
        self._is_leaving = False
        self._unheard = 0  # bytes that were thrown away since
        self._is_refusing = False
        self._stage: tuple[Stage, Request | None] = (Stage.IDLE, None)
        self._stage_at = self.active_at
        self._stage_moved = 0
        super().__init__(server, sock, addr, server.adj, map=server._map)
        self.sendbuf_len = min(self.sendbuf_len, SEND_BYTES)

    @property
    def stage(self) -> Stage:
        if self._is_leaving:
            return Stage.FAREWELL
        if self.total_outbufs_len or self.close_when_flushed:
            return Stage.ANSWERING
        if self.requests or self._rest:
            return Stage.WORKING
        if self.request is None:
            return Stage.IDLE
        return Stage.BODY if self.request.is_in_body else Stage.HEAD

    @property
    def is_in_hand(self) -> bool:
        """Whether a thread has its request, or will have it: then it is not the client that is waited for."""
        return bool(self.requests)

    def is_overdue(self, *, now: float) -> bool:
        """Whether the client has taken more time than it is given. Called again and again: it measures by that."""
        limits = self.server.limits
        current = (self.stage, self.request)
        if current != self._stage:
            self._stage, self._stage_at, self._stage_moved = current, now, self.moved
        stage, seconds = current[0], now - self._stage_at
        match stage:
            case Stage.WORKING:
                return False
            case Stage.IDLE:
                return now - self.active_at > (limits.idle_seconds if self.moved else limits.head_seconds)
            case Stage.HEAD:
                return seconds > limits.head_seconds
            case Stage.FAREWELL:
                return seconds > limits.farewell_seconds
        least = (seconds - limits.silence_seconds) * limits.least_bytes_per_second
        return now - self.active_at > limits.silence_seconds or self.moved - self._stage_moved < least

    # What waitress's loop asks and tells.

    def readable(self) -> bool:
        if self._is_leaving:
            return not self.will_close
        if self._rest and not self.requests and not self.total_outbufs_len:
            rest, self._rest = self._rest, b""  # the loop comes by here before it waits, so it is the place to go on
            self.received(rest)
        return bool(super().readable()) and not self._rest

    def writable(self) -> bool:
        if self._is_leaving:
            return self.will_close
        return bool(super().writable())

    def handle_read(self) -> None:
        for _ in range(READS_OF_BODY):
            try:
                data = self.recv(READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                self.handle_close()
                return
            if not data:
                return  # `recv` has closed it
            self.moved += len(data)
            self.active_at = monotonic()
            if self._is_leaving:
                self._hear_out(len(data))
            else:
                self.received(data)
            if self.stage is not Stage.BODY:
                return

    def handle_write(self) -> None:
        if not (self._is_refusing and self.close_when_flushed) or self.will_close:
            super().handle_write()
            return
        self._flush_exception(self._flush_some)
        if self.will_close:
            self.handle_close()
        elif self.connected and not self.total_outbufs_len:
            self._say_farewell()

    def handle_close(self) -> None:
        super().handle_close()
        if self.request is not None:
            self.request.close()

    def del_channel(self, map: Any = None) -> None:
        super().del_channel(map)
        self.server.forget(self)

    def send(self, data: bytes, do_close: bool = True) -> int:
        count: int = super().send(data, do_close=do_close) or 0
        if count:
            self.moved += count
            self.active_at = monotonic()
        return count

    def received(self, data: bytes) -> bool:
        """Read on, up to the end of one request; what follows waits until it is answered."""
        with self.requests_lock:
            if self.will_close or self.close_when_flushed:
                return False
            if self.request is None:
                data = data.lstrip(b"\r\n")  # some clients send a line too much between two requests
                if not data:
                    return True
                server = self.server
                self.request = Request(
                    self.adj, limits=server.limits, account=server.account, address=self.account_address
                )
            while data and not self.request.completed:
                data = data[self.request.received(data) :]
            if self.request.completed:
                self._rest = data
                self._hand_over(self.request)
            elif self.request.awaits_continue and not self.sent_continue:
                self.send_continue()
        return True

    def _hand_over(self, request: Request) -> None:
        self.request = None
        self.sent_continue = False
        if request.empty:  # blanks without a request: nobody sends these in earnest
            self.will_close = True
            return
        if request.is_refused:
            self._is_refusing = True
            self._rest = b""
        self.requests.append(request)
        self.server.add_task(self)

    def _say_farewell(self) -> None:
        """All is sent, but the client may be sending still: closing now would take the answer from it unread."""
        self.close_when_flushed = False
        self._is_leaving = True
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def _hear_out(self, count: int) -> None:
        self._unheard += count
        if self._unheard > self.server.limits.farewell_bytes:
            self.handle_close()
