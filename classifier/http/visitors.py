"""Where a request comes from: the address of the visitor, also behind proxies that are named in the settings."""

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNKNOWN = "unknown"  # of a request through a socket file, say: all of them are one visitor
IPV6_PREFIX = 64  # what one customer has; within it addresses are free to choose


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
    if address is None:
        return UNKNOWN
    if isinstance(address, IPv6Address):
        return str(ip_network((address, IPV6_PREFIX), strict=False))
    return str(address)


def comes_from_proxy(request: HttpRequest) -> bool:
    """Whether the address that connected is a trusted proxy's."""
    peer = parse_address(request.META.get("REMOTE_ADDR", ""))
    return peer is not None and _is_trusted(peer)


def parse_address(text: str) -> Address | None:
    """An address as proxies write it, also with a port or in brackets; IPv4 in the dress of IPv6 is IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


@lru_cache(maxsize=8)
def parse_networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Addresses and networks as such. Raises ValueError, which names the first that is neither."""
    return tuple(ip_network(text, strict=False) for text in texts)


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
