import os
import socket
import urllib.request

import pytest

from tests.network import NetworkBlockedError


@pytest.mark.parametrize("host", ["example.org", "192.0.2.1", "2001:db8::1"])
def test_nothing_outside_can_be_reached(host):
    with pytest.raises(NetworkBlockedError):
        socket.create_connection((host, 80), timeout=1)


def test_no_datagram_gets_out():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, pytest.raises(NetworkBlockedError):
        sender.sendto(b"hello", ("192.0.2.1", 53))


def test_no_page_is_fetched():
    with pytest.raises(NetworkBlockedError):
        urllib.request.urlopen("http://example.org/", timeout=1)


def test_loopback_is_open():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()


def test_the_kernel_gives_this_run_no_way_out_either():
    """The guard above is one of this process; `.ci/without_way_out` holds for browsers, servers and children too."""
    if "FACET_NO_WAY_OUT" not in os.environ:
        pytest.skip("runs in the network of the machine; .ci/without_way_out gives one without a way out")
    assert {name for _, name in socket.if_nameindex() if not name.startswith(("sit", "tunl", "ip6"))} == {"lo"}
    with open("/proc/net/route") as routes:
        assert len(routes.readlines()) == 1  # the head alone
