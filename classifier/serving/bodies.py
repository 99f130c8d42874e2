"""Bodies of requests as they come in: a little in memory, the rest in a nameless file, never more than is allowed."""

import errno
import os
import threading
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import IO

from waitress.rfc7230 import CHUNK_EXT_RE, ONLY_HEXDIG_RE
from waitress.utilities import BadRequest

from classifier.intake import spool

MEMORY_BYTES = 64 * 1024  # of one body; the rest of it goes to the disk
CHECK_DISK_BYTES = 8 * 1024**2
FREE_BYTES = 64 * 1024**2  # of the disk, left to the database and to whoever makes room
FREE_SHARE = 0.01  # of a small disk, in the place of FREE_BYTES

LINE_BYTES = 4096
TRAILER_LINES = 64
SIZE_DIGITS = 15
FREE_CHUNKS = 1000  # a chunk costs as much time as some hundred bytes, so there are so many and then
BYTES_PER_CHUNK = 256  # one for each of these


class BodyTooLarge(Exception):
    """A body without a length turned out to be longer than its address takes."""


class TooMuchAtOnce(Exception):
    """The bodies of one address together are larger than the spool takes from it."""


class Account:
    """Counts the bytes of bodies by the address they come from; safe to call from several threads."""

    def __init__(self, *, most_per_address: int) -> None:
        self._most = most_per_address
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, address: str, count: int) -> None:
        """Raises TooMuchAtOnce. What has no address, since it comes through a proxy, is not counted."""
        if not address:
            return
        with self._lock:
            if self._held[address] + count > self._most:
                raise TooMuchAtOnce
            self._held[address] += count

    def give_back(self, address: str, count: int) -> None:
        with self._lock:
            self._held[address] -= count
            if self._held[address] <= 0:
                del self._held[address]


class Body:
    """What has come in of one body. `append`, `getfile` and `close` are what waitress calls its buffers by."""

    def __init__(self, *, folder: Path, account: Account, address: str) -> None:
        self._folder = folder
        self._account = account
        self._address = address
        self._file: IO[bytes] = BytesIO()
        self._is_on_disk = False
        self._size = 0
        self._look_at = 0  # how large it may grow before the disk is looked at again

    def __len__(self) -> int:
        return self._size

    def append(self, data: bytes) -> None:
        """Raises TooMuchAtOnce, and OSError where the disk takes no more."""
        self._account.take(self._address, len(data))
        size, self._size = self._size, self._size + len(data)
        if self._size > MEMORY_BYTES and not self._is_on_disk:
            self._move_to_disk()
        if self._is_on_disk and size >= self._look_at:
            check_disk(self._folder)
            self._look_at = size + CHECK_DISK_BYTES
        self._file.write(data)

    def getfile(self) -> IO[bytes]:
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        if not self._file.closed:
            self._file.close()
            self._account.give_back(self._address, self._size)

    def _move_to_disk(self) -> None:
        check_disk(self._folder)
        in_memory = self.getfile().read()
        self._file = spool.open_nameless(self._folder)
        self._is_on_disk = True
        self._file.write(in_memory)


def check_disk(folder: Path) -> None:
    """Raises OSError (ENOSPC) while there is only so much room on the disk as is not for what comes in."""
    disk = os.statvfs(folder)
    reserve = min(FREE_BYTES, int(FREE_SHARE * disk.f_blocks * disk.f_frsize))
    if disk.f_bavail * disk.f_frsize <= reserve:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class ChunkedReceiver:
    """A body without a length, as chunks. In the place of waitress's, which copies long lines again and again."""

    def __init__(self, body: Body, *, max_bytes: int) -> None:
        self.completed = False
        self.error: BadRequest | None = None
        self._body = body
        self._max_bytes = max_bytes
        self._line = b""
        self._left = 0  # bytes of this chunk that are still to come
        self._is_at_end_of_chunk = False
        self._is_in_trailer = False
        self._chunks = 0
        self._trailer_lines = 0

    def __len__(self) -> int:
        return len(self._body)

    def getfile(self) -> IO[bytes]:
        return self._body.getfile()

    def getbuf(self) -> Body:
        return self._body

    def received(self, data: bytes) -> int:
        """How many of the bytes belong to this body. Raises BodyTooLarge and whatever `Body.append` raises."""
        at = 0
        while at < len(data) and not (self.completed or self.error):
            if self._left:
                piece = data[at : at + self._left]
                self._body.append(piece)
                self._left -= len(piece)
                self._is_at_end_of_chunk = not self._left
                at += len(piece)
            else:
                end = data.find(b"\n", at) + 1 or len(data)
                self._line += data[at:end]
                at = end
                if len(self._line) > LINE_BYTES:
                    self.error = BadRequest("A line between the chunks is too long")
                elif self._line.endswith(b"\n"):
                    line, self._line = self._line, b""
                    self._read_line(line)
        return at

    def _read_line(self, line: bytes) -> None:
        if not line.endswith(b"\r\n"):
            self.error = BadRequest("A line between the chunks does not end in CR LF")
        elif self._is_at_end_of_chunk:
            self._is_at_end_of_chunk = False
            if line != b"\r\n":
                self.error = BadRequest("A chunk is longer than it said")
        elif self._is_in_trailer:
            self._trailer_lines += 1
            self.completed = line == b"\r\n"
            if self._trailer_lines > TRAILER_LINES:
                self.error = BadRequest("There are too many fields after the chunks")
        else:
            self._begin_chunk(line[:-2])

    def _begin_chunk(self, line: bytes) -> None:
        digits, semicolon, extension = line.partition(b";")
        is_number = ONLY_HEXDIG_RE.match(digits) and len(digits) <= SIZE_DIGITS
        if not is_number or not CHUNK_EXT_RE.match(semicolon + extension):
            self.error = BadRequest("The size of a chunk cannot be read")
            return
        self._left = int(digits, 16)
        self._is_in_trailer = not self._left
        self._chunks += 1
        if len(self._body) + self._left > self._max_bytes:
            raise BodyTooLarge
        if self._chunks > FREE_CHUNKS + len(self._body) // BYTES_PER_CHUNK:
            self.error = BadRequest("The chunks are too small")
