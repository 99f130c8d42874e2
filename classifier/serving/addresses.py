"""Addresses of clients, as every limit by address reads and counts them."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

IPV6_SUBSCRIBER_BITS = 64  # what one subscriber is given; within it addresses are free to choose


def parse_address(text: str) -> Address | None:
    """An address as sockets and proxies write it, also with a port or in brackets; IPv4 dressed as IPv6 is IPv4."""
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


def subscriber_of(address: Address) -> str:
    """What limits count as one address: for IPv6 the network of one subscriber."""
    if isinstance(address, IPv6Address):
        return str(ip_network((address, IPV6_SUBSCRIBER_BITS), strict=False))
    return str(address)
