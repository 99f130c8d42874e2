"""The tests have no way out to the network: only loopback and Unix sockets can be reached."""

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

LOCAL_NAMES = {None, "", "localhost", b"localhost"}


class NetworkBlockedError(RuntimeError):
    """Not an OSError, so that code which lives with a broken network does not hide the attempt."""


def is_local(host: Any) -> bool:
    """Whether a host, as `socket` takes it, is this machine, told without asking a name server."""
    if host in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def guarded(real: Callable[..., Any]) -> Callable[..., Any]:
    """A method of sockets whose last argument is an address."""

    def reach(self: socket.socket, *args: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not is_local(args[-1][0]):
            raise NetworkBlockedError(f"a test tried to reach {args[-1][0]}")
        return real(self, *args)

    return reach


def local_getaddrinfo(host: Any, *args: Any, real: Callable[..., Any] = socket.getaddrinfo, **kwargs: Any) -> Any:
    if not is_local(host):
        raise NetworkBlockedError(f"a test asked for the address of {host}")
    return real(host, *args, **kwargs)


@contextmanager
def closed() -> Iterator[None]:
    with ExitStack() as patches:
        for name in ("connect", "connect_ex", "sendto"):
            patches.enter_context(patch.object(socket.socket, name, guarded(getattr(socket.socket, name))))
        patches.enter_context(patch("socket.getaddrinfo", local_getaddrinfo))
        yield
