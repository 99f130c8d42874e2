"""What a stranger may take of the server: connections, time, bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from classifier.serving.addresses import Network, parse_address, subscriber_of


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds. Bodies lie in `spool` while they come in."""

    threads: int
    spool: Path
    max_body_bytes: Callable[[str], int]  # of a request, told by its path
    spooled_bytes_per_address: int  # of all its bodies that are coming in or not yet answered
    proxies: tuple[Network, ...] = ()  # many people share their addresses, so none of the limits by address holds

    connections: int = 1000
    connections_per_address: int = 100  # a browser opens six
    head_bytes: int = 32 * 1024
    head_fields: int = 100
    head_seconds: float = 15.0
    idle_seconds: float = 75.0  # longer than the 60 s after which nginx lets go of a connection it keeps
    silence_seconds: float = 30.0  # in the middle of a body or an answer
    least_bytes_per_second: float = 4096.0  # on the average of a body or an answer, after the first silence_seconds
    farewell_bytes: int = 2 * 1024**2  # read after a refusal and thrown away, so that a client that sends hears it
    farewell_seconds: float = 5.0
    stop_seconds: float = 20.0  # for requests that are under way when the server is told to stop
    quiet_seconds: float = 2.0  # a body that rests for so long is not waited for then

    def is_proxy(self, address: str) -> bool:
        peer = parse_address(address)
        return peer is not None and any(peer in network for network in self.proxies)


def plain_address(address: str) -> str:
    """An IPv4 address as such, where a socket for both kinds tells it as IPv6."""
    return str(parse_address(address) or address)


def address_group(address: str) -> str:
    """What the limits count as one address: for IPv6 the network of one subscriber."""
    peer = parse_address(address)
    return subscriber_of(peer) if peer else address
