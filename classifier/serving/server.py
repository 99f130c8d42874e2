"""The listening socket, whom it lets in, and the threads that answer."""

import logging
import os
import resource
import signal
import socket
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from time import monotonic
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from classifier.serving.answers import Application, without_bodies_for_head
from classifier.serving.bodies import Account
from classifier.serving.connections import Connection, Stage
from classifier.serving.limits import Limits, address_group, plain_address

logger = logging.getLogger("facet.serving")

BACKLOG = 1024
ACCEPTS_AT_ONCE = 64
LOOK_SECONDS = 1.0  # how often connections are looked over
STOP_LOOK_SECONDS = 0.1
REPORT_SECONDS = 60.0
ANSWER_MEMORY_BYTES = 64 * 1024  # of one answer that a client is slow to take; the rest of it goes to the spool
UNSENT_BYTES = 256 * 1024  # of one answer, that the system may hold beside what is on its way
ANSWER_BYTES = 256 * 1024**2  # beyond it a thread waits for the client
FILES_PER_CONNECTION = 4  # the socket, a body, an answer, a file that is sent
FILES_BESIDE = 256


class Turns:
    """Requests that wait for a thread: the addresses they come from take turns. Used under the dispatcher's lock."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Connection]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def append(self, connection: Connection) -> None:
        self._waiting.setdefault(connection.address, deque()).append(connection)

    def popleft(self) -> Connection:
        address = next(iter(self._waiting))
        queue = self._waiting.pop(address)
        connection = queue.popleft()
        if queue:
            self._waiting[address] = queue  # behind the others
        return connection


class Dispatcher(ThreadedTaskDispatcher):
    def __init__(self) -> None:
        super().__init__()
        self.queue = Turns()

    def add_task(self, task: Connection) -> None:
        with self.lock:
            self.queue.append(task)
            self.queue_cv.notify()


class WebServer(TcpWSGIServer):
    """Serves one listening socket until `stop` is called."""

    def __init__(self, application: Application, *, listening: socket.socket, limits: Limits) -> None:
        self.limits = limits
        self.account = Account(most_per_address=limits.spooled_bytes_per_address)
        self.is_stopping = False
        self._by_address: dict[str, set[Connection]] = {}
        self._look_at = 0.0
        self._turned_away: Counter[str] = Counter()
        self._report_at = 0.0
        dispatcher = Dispatcher()
        dispatcher.set_thread_count(limits.threads)
        super().__init__(
            without_bodies_for_head(application),
            _sock=listening,
            dispatcher=dispatcher,
            adj=make_adjustments(limits),
            sockinfo=(listening.family, listening.type, listening.proto, listening.getsockname()),
            bind_socket=False,
        )

    def run(self) -> None:
        """Serve until `stop`, then let requests that are under way finish, for `stop_seconds` at most."""
        while not self.is_stopping:
            wasyncore.poll2(LOOK_SECONDS, self._map)
        self.del_channel()
        self.socket.close()
        deadline = monotonic() + self.limits.stop_seconds
        while self._close_all_at_rest() and monotonic() < deadline:
            wasyncore.poll2(STOP_LOOK_SECONDS, self._map)
            self._look_over()
        self.task_dispatcher.shutdown(timeout=STOP_LOOK_SECONDS)

    def stop(self, *_: Any) -> None:
        """Safe to call from a signal's handler and from other threads."""
        self.is_stopping = True
        self.pull_trigger()

    def forget(self, connection: Connection) -> None:
        peers = self._by_address.get(connection.address, set())
        peers.discard(connection)
        if not peers:
            self._by_address.pop(connection.address, None)

    # What waitress's loop asks and tells.

    def readable(self) -> bool:
        self._look_over()
        return bool(self.accepting)

    def handle_accept(self) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                pair = self.accept()
            except OSError as error:  # no descriptor is left, say
                logger.error("no connection can be accepted: %s", error.strerror)
                self._make_room(self.active_channels.values())
                return
            if pair is None:
                return
            self._let_in(*pair)

    def handle_error(self) -> None:
        """One connection that goes wrong at the door does not close it."""
        logger.exception("a connection broke while it was accepted")

    def _let_in(self, sock: socket.socket, addr: Any) -> None:
        plain = plain_address(addr[0])
        address, is_proxy = address_group(plain), self.limits.is_proxy(plain)
        peers = self._by_address.get(address, set())
        has_room = True
        if not is_proxy and len(peers) >= self.limits.connections_per_address:
            has_room = self._make_room(peers)
        elif len(self.active_channels) >= self.limits.connections:
            busiest = max(self._by_address, key=lambda each: len(self._by_address[each]))
            has_room = self._make_room(self._by_address[busiest])
        if not has_room:
            self._turned_away["refused"] += 1
            sock.close()
            return
        try:
            self.set_socket_options(sock)
            connection = Connection(self, sock, (plain, *addr[1:]), address=address, is_proxy=is_proxy)
        except OSError:  # the client is gone already
            sock.close()
            return
        self._by_address.setdefault(address, set()).add(connection)

    def _make_room(self, peers: Iterable[Connection]) -> bool:
        """Close the one of them that waits for its client the longest, those between two requests first."""
        waiting = [connection for connection in peers if not connection.is_in_hand]
        if not waiting:
            return False
        longest = min(waiting, key=lambda connection: (connection.stage is not Stage.IDLE, connection.active_at))
        longest.handle_close()
        self._turned_away["closed for others"] += 1
        return True

    def _look_over(self) -> None:
        """Close connections whose clients are too slow; say now and then how many that were."""
        now = monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        for connection in list(self.active_channels.values()):
            if connection.is_overdue(now=now):
                if connection.stage is not Stage.IDLE:
                    self._turned_away[f"too slow ({connection.stage})"] += 1
                connection.handle_close()  # waitress's flag waits for a client that takes what is sent
        if self._turned_away and now >= self._report_at:
            self._report_at = now + REPORT_SECONDS
            told = ", ".join(f"{count} {why}" for why, count in sorted(self._turned_away.items()))
            logger.warning("connections turned away: %s", told)
            self._turned_away.clear()

    def _close_all_at_rest(self) -> int:
        """Close the connections that no request is under way on; the number of others."""
        now = monotonic()
        for connection in list(self.active_channels.values()):
            is_quiet = now - connection.active_at > self.limits.quiet_seconds
            stage = connection.stage
            if stage in (Stage.IDLE, Stage.HEAD, Stage.FAREWELL) or (stage is Stage.BODY and is_quiet):
                connection.handle_close()
        return len(self.active_channels)


def make_adjustments(limits: Limits) -> Adjustments:
    """Waitress's own settings. Limits that are set here to the utmost are kept elsewhere."""
    adjustments = Adjustments(
        listen="127.0.0.1:0",  # not looked at, since the socket is open, but looked up
        threads=limits.threads,
        backlog=BACKLOG,
        ident="",
        max_request_header_size=limits.head_bytes,
        max_request_body_size=2**63,
        outbuf_overflow=ANSWER_MEMORY_BYTES,
        outbuf_high_watermark=ANSWER_BYTES,
        log_socket_errors=False,
        clear_untrusted_proxy_headers=False,  # what a proxy says is the application's to judge
    )
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # else megabytes of an answer that nobody takes lie in the system's memory
        unsent = (socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        adjustments.socket_options = [*adjustments.socket_options, unsent]
    return adjustments


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError where the address is taken or not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def allow_files(connections: int) -> int:
    """Raise this process's limit of open files to what so many connections may need; how many it allows."""
    wanted = connections * FILES_PER_CONNECTION + FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if allowed == resource.RLIM_INFINITY:
        return connections
    return max(1, min(connections, (allowed - FILES_BESIDE) // FILES_PER_CONNECTION))


def serve(application: Application, *, listening: socket.socket, limits: Limits) -> None:
    """Serve until SIGTERM or SIGINT; called in the main thread."""
    server = WebServer(application, listening=listening, limits=limits)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.stop)
    server.run()
    logger.info("process %d has stopped", os.getpid())
