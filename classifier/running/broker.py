"""Celery's messages as files: kombu's filesystem transport, made safe against files that are not whole.

A power cut, a kill or a full disk leaves files empty, cut off or of another kind. No such file stops anything:
a message that cannot be read is dropped, a table that cannot be read is written anew.
"""

import fcntl
import os
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty
from typing import Any
from uuid import uuid4

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.transport.filesystem import exchange_queue_t
from kombu.utils.json import dumps, loads

from classifier.intake import durable_files

LEFT_OVER_SECONDS = 60  # a file that is being written or read this long belongs to a process that was killed
# While messages of one queue wait, the folder is not read anew for each look at another: reading takes at most a
# twentieth of the time, however many there are.
RESCAN_SECONDS = 0.05
RESCAN_TIMES = 20
LOCK_SECONDS, LOCK_LOOKS = 1.0, 50  # how long a change waits for another process's, and how often it looks meanwhile
UNFINISHED = (".writing", ".taken")
UNREADABLE = ".unreadable"


class Channel(filesystem.Channel):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._found: dict[str, deque[str]] = defaultdict(deque)  # what the last look into the folder found, by queue
        self._scan_again_at = float("-inf")

    def get_table(self, exchange: str) -> list[exchange_queue_t]:
        """The queues bound to an exchange; none where the file is not there or makes no sense."""
        return self._read_table(self._exchange_file(exchange))

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        binding = exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with self._changing_tables():
            table = self._read_table(file := self._exchange_file(exchange))
            if binding not in table:
                self._write_table(file, [binding, *table])

    def _delete(self, queue: str, exchange: str, routing_key: str, pattern: str, *args: Any, **kwargs: Any) -> None:
        # The parent of kombu's filesystem channel: it would read the table in its own way.
        super(filesystem.Channel, self)._delete(queue, exchange, routing_key, pattern, *args, **kwargs)
        binding = exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with self._changing_tables():
            table = self._read_table(file := self._exchange_file(exchange))
            if binding in table:
                self._write_table(file, [bound for bound in table if bound != binding])

    @contextmanager
    def _changing_tables(self) -> Iterator[None]:
        """One process at a time. The folder itself is locked: a file of its own could be broken as well.

        Whoever holds it may be frozen, or on a disk that hangs: no upload waits for that.
        """
        descriptor = None
        try:
            self.control_folder.mkdir(exist_ok=True)
            descriptor = os.open(self.control_folder, os.O_RDONLY)
            _lock(descriptor)
            yield
        except OSError as error:
            raise ChannelError(f"Cannot change what lies in {str(self.control_folder)!r}") from error
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _read_table(self, file: Path) -> list[exchange_queue_t]:
        try:
            rows = loads(file.read_text())
        except (OSError, ValueError):
            return []
        if not isinstance(rows, list) or not all(_is_binding(row) for row in rows):
            return []
        return [exchange_queue_t(*row) for row in rows]

    def _write_table(self, file: Path, table: list[exchange_queue_t]) -> None:
        """Whole or not at all, even when the power goes; what is no file is put aside."""
        if file.is_dir():
            file.rename(file.with_name(f"{file.name}.{uuid4()}{UNREADABLE}"))
        durable_files.replace_file(file, dumps(table).encode())

    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override] # kombu disagrees with itself
        """Write under another name and rename, so that a reader never meets half a message."""
        final_name = f"{uuid4()}.{queue}.msg"
        unfinished = os.path.join(self.data_folder_out, f"{uuid4()}{UNFINISHED[0]}")
        try:
            with open(unfinished, "wb") as file:
                file.write(dumps(payload).encode())
            os.replace(unfinished, os.path.join(self.data_folder_out, final_name))
        except OSError as error:
            with suppress(OSError):
                os.remove(unfinished)
            raise ChannelError(f"Cannot add a message to {self.data_folder_out!r}") from error

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        """The oldest message of a queue that can be read; the others are removed and stepped over."""
        if not self._found[queue]:
            self._scan_folder()
        while self._found[queue]:
            content = _take(self._found[queue].popleft())
            with suppress(ValueError):
                return loads(content.decode())
        raise Empty

    def _get_and_deliver(self, queue: str, callback: Callable[[Any, str], None]) -> None:
        """Hand the next message over that is one and has not expired: the others go in the same pass."""
        message = self._get(queue)
        while not self._is_message(message) or _has_expired(message):
            message = self._get(queue)
        callback(message, queue)

    def _is_message(self, content: Any) -> bool:
        """Whether kombu can make a message of it; anything else would end the worker that reads it."""
        if not isinstance(content, dict) or not isinstance(content.get("headers"), dict):
            return False
        try:
            self.Message(content, channel=self)
        except (ValueError, TypeError, LookupError, AttributeError):
            return False
        return True

    def _scan_folder(self) -> None:
        """Sort what lies in the folder by queue, oldest first, and remove what killed processes left."""
        began_at = time.monotonic()
        if any(self._found.values()) and began_at < self._scan_again_at:
            return
        now = time.time_ns()
        dated = []
        with os.scandir(self.data_folder_in) as entries:
            for entry in entries:
                with suppress(OSError):  # somebody else may have taken it
                    written_at = entry.stat().st_mtime_ns
                    if entry.name.endswith(".msg"):
                        dated.append((written_at, entry.path))
                    elif entry.name.endswith(UNFINISHED) and now - written_at > LEFT_OVER_SECONDS * 1e9:
                        _remove(entry.path)
        self._found.clear()
        for _, path in sorted(dated):
            self._found[os.path.basename(path).partition(".")[2].removesuffix(".msg")].append(path)
        ended_at = time.monotonic()
        self._scan_again_at = ended_at + max(RESCAN_SECONDS, RESCAN_TIMES * (ended_at - began_at))


class Transport(filesystem.Transport):
    Channel = Channel


def _lock(descriptor: int) -> None:
    """Raise BlockingIOError when somebody else holds the lock for LOCK_SECONDS."""
    for _ in range(LOCK_LOOKS):
        with suppress(BlockingIOError):
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(LOCK_SECONDS / LOCK_LOOKS)
    raise BlockingIOError("another process changes it and does not come to an end")


def _take(path: str) -> bytes:
    """The content of a message, which is gone afterwards; nothing where another was first or it cannot be read."""
    taken = f"{path}.{os.getpid()}{UNFINISHED[1]}"
    try:
        os.replace(path, taken)  # only one reader can
    except OSError:
        return b""
    try:
        with open(taken, "rb") as file:
            return file.read()
    except OSError:
        return b""
    finally:
        _remove(taken)


def _remove(path: str) -> None:
    """Remove a file, or a folder in the place of one while it is empty."""
    with suppress(OSError):
        if os.path.isdir(path):
            os.rmdir(path)
        else:
            os.remove(path)


def _is_binding(row: Any) -> bool:
    return isinstance(row, list) and len(row) == 3 and all(isinstance(part, str) for part in row)


def _has_expired(message: dict[str, Any]) -> bool:
    try:
        return datetime.fromisoformat(message["headers"]["expires"]) < datetime.now(UTC)
    except (KeyError, TypeError, ValueError):
        return False  # it has no expiry, or none that can be read


TRANSPORT_ALIASES["facetfiles"] = "classifier.running.broker:Transport"
