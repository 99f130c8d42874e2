"""Where a request comes from: the address of the visitor, also behind proxies that are named in the settings."""

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_network

from django.conf import settings
from django.http import HttpRequest

from classifier.serving.addresses import Address, Network, parse_address, subscriber_of

UNKNOWN = "unknown"  # of a request through a socket file, say: all of them are one visitor


def find_address(request: HttpRequest) -> str:
    """The address that limits count: the last in X-Forwarded-For that is no trusted proxy; IPv6 as its /64 network.

    Each proxy appends whom it got the request from, so the header is read from its end and only as far as trusted
    proxies wrote it. What stands before that was written by the visitor and changes nothing.
    """
    address = None
    for hop in _read_hops(request):
        if (found := parse_address(hop)) is None:
            break
        address = found
        if not _is_trusted(found):
            break
    return UNKNOWN if address is None else subscriber_of(address)


def comes_from_proxy(request: HttpRequest) -> bool:
    """Whether the address that connected is a trusted proxy's."""
    peer = parse_address(request.META.get("REMOTE_ADDR", ""))
    return peer is not None and _is_trusted(peer)


@lru_cache(maxsize=8)
def parse_networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Addresses and networks as such. Raises ValueError, which names the first that is neither."""
    return tuple(ip_network(text.strip(), strict=False) for text in texts)


def _is_trusted(address: Address) -> bool:
    try:
        networks = parse_networks(tuple(settings.TRUSTED_PROXIES))
    except ValueError:
        return False  # a check names it
    return any(address in network for network in networks)


def _read_hops(request: HttpRequest) -> Iterator[str]:
    """Who connected, then X-Forwarded-For from its end."""
    yield request.META.get("REMOTE_ADDR", "")
    rest = request.META.get("HTTP_X_FORWARDED_FOR", "")
    while rest:
        rest, _, last = rest.rpartition(",")
        yield last
