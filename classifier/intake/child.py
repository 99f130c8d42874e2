"""What a child of `intake.pool` runs: `python -m classifier.intake.child MEMORY_BYTES`, a socket as standard input.

It takes one file at a time as an open descriptor, writes the photo and its thumbnail, and answers with sizes. It has
neither database nor settings, ends when its parent does, and an error nobody foresaw ends it, not its parent.
"""

import json
import math
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from classifier.intake.durable_files import write_files
from classifier.intake.formats import BadImage
from classifier.intake.pictures import encode_jpeg, make_thumbnail, read_picture

IDLE_SECONDS = 300  # a child that nobody needed for so long gives its memory back
GRACE_SECONDS = 5  # the parent is the first to stop a child that takes too long; after this the kernel does
MAX_REQUEST_BYTES = 65_536


def main() -> None:
    channel = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # nothing that a library prints goes anywhere but to the log
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair
    limit_resources(memory_bytes=int(sys.argv[1]))
    with suppress(ConnectionError):  # the parent is gone
        answer(channel, {"ready": True})
        channel.settimeout(IDLE_SECONDS)
        while request := receive_request(channel):
            wishes, file = request
            before = used_cpu()
            limit_time(seconds=wishes["seconds"])
            limit_cpu(seconds=wishes["cpu_seconds"])
            with file:
                outcome = store_picture(file, wishes=wishes)
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.setitimer(signal.ITIMER_PROF, 0)
            answer(channel, outcome | {"cpu_seconds": used_cpu() - before})


def limit_resources(*, memory_bytes: int) -> None:
    if sys.platform == "linux":  # macOS cannot limit an address space
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def limit_time(*, seconds: float) -> None:
    """End this process when one file takes much longer than its parent waits, even if that parent is gone."""
    cpu_seconds = math.ceil(used_cpu() + seconds + GRACE_SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, resource.RLIM_INFINITY))
    signal.setitimer(signal.ITIMER_REAL, seconds + GRACE_SECONDS)


def limit_cpu(*, seconds: float) -> None:
    """Have the kernel end this process, by SIGPROF, when it has worked for so long; waiting for a core is free."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def used_cpu() -> float:
    """Seconds that this process has worked so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def receive_request(channel: socket.socket) -> tuple[dict[str, Any], IO[bytes]] | None:
    """The next request and the file it is about; None when the parent is gone or has wanted nothing for long."""
    try:
        message, descriptors, _, _ = socket.recv_fds(channel, MAX_REQUEST_BYTES, 1)
    except TimeoutError:
        return None
    if not message:
        return None
    return json.loads(message), os.fdopen(descriptors[0], "rb")


def store_picture(file: IO[bytes], *, wishes: dict[str, Any]) -> dict[str, Any]:
    """Decode, write, and say how it went: sizes and note, why the file is refused, or what the disk said."""
    try:
        picture = read_picture(file, max_pixels=wishes["max_pixels"], turned=wishes["turned"])
        contents = {
            Path(wishes["image"]): encode_jpeg(picture.image),
            Path(wishes["thumbnail"]): encode_jpeg(make_thumbnail(picture.image)),
        }
    except BadImage as refused:
        return {"reason": refused.reason, "values": refused.values}
    except MemoryError:
        return {"reason": "too_much_memory", "values": {}}
    try:
        write_files(contents)
    except OSError as error:
        return {"errno": error.errno}
    width, height = picture.image.size
    stored_bytes = sum(len(content) for content in contents.values())
    told = {"width": width, "height": height, "stored_bytes": stored_bytes, "note": picture.note}
    # A date that nobody asked for does not leave this process.
    if wishes["keeps_date"] and picture.captured_on:
        told["captured_on"] = picture.captured_on.isoformat()
    return told


def answer(channel: socket.socket, content: dict[str, Any]) -> None:
    channel.sendall(json.dumps(content).encode() + b"\n")


if __name__ == "__main__":
    main()
