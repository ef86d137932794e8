"""Addresses of feeds, and sockets that are joined to them."""

import asyncio
import socket

import pytest

from arcly_actors.errors import AddressUnavailable, ConfigurationError
from arcly_actors.transport.feed_address import FeedAddress, is_feed
from arcly_actors.transport.feed_socket import FeedInlet, FeedOutlet
from tests.support.waiting import until


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("udp://239.1.1.1:1234", FeedAddress("udp", "239.1.1.1", 1234)),
        ("udp://@239.1.1.1:1234", FeedAddress("udp", "239.1.1.1", 1234)),
        ("udp://:1234", FeedAddress("udp", "0.0.0.0", 1234)),
        ("udp://@:1234", FeedAddress("udp", "0.0.0.0", 1234)),
        ("rtp://[ff15::1]:5004?interface=eth0", FeedAddress("rtp", "ff15::1", 5004, "eth0")),
        (
            "udp://232.1.1.1:1?sources=10.0.0.5,10.0.0.6&localaddr=10.0.0.1",
            FeedAddress("udp", "232.1.1.1", 1, "10.0.0.1", ("10.0.0.5", "10.0.0.6")),
        ),
        ("udp://cam.example:1?ttl=4&pkt_size=188", FeedAddress("udp", "cam.example", 1, ttl=4, pkt_size=188)),
    ],
)
def test_what_an_address_says(text: str, expected: FeedAddress) -> None:
    assert FeedAddress.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tcp://239.1.1.1:1234", "write udp://"),
        ("239.1.1.1:1234", "write udp://"),
        ("udp://239.1.1.1", "has no port"),
        ("udp://239.1.1.1:x", "host, port or query"),
        ("udp://239.1.1.1:1/a", "has a path"),
        ("udp://239.1.1.1:1?fifo_size=7", "unknown option 'fifo_size'"),
        ("udp://239.1.1.1:1?ttl=999", "ttl is a number from 0 to 255"),
        ("udp://239.1.1.1:1?sources=me", "'me' is not an IP address"),
        ("udp://239.1.1.1:1?sources=fe80::1", "cannot be the source"),
        ("udp://[ff15::1]:1?interface=fe80::1", "named, as eth0"),
    ],
)
def test_what_is_wrong_with_one_is_said(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        FeedAddress.parse(text)
    assert not is_feed(text)


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind((host, 0))
        return int(opened.getsockname()[1])


def loopback_takes_groups() -> bool:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
            opened.sendto(b"", ("239.255.7.7", 9))
    except OSError:
        return False
    return True


def interface_with_ipv6_groups() -> str:
    """One on which a group of its link can be sent to; empty where there is none."""
    for index, name in socket.if_nameindex() if socket.has_ipv6 else ():
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as opened:
                opened.connect(("ff12::7", 9, 0, index))
        except OSError:
            continue
        return name
    return ""


async def through(receive: str, send: str) -> list[tuple[bytes, str]]:
    """What arrives at one address of a datagram sent to another, and of another after it."""
    loop, got = asyncio.get_running_loop(), list[tuple[bytes, str]]()
    inlet = FeedInlet(loop, FeedAddress.parse(receive))
    outlet = FeedOutlet(FeedAddress.parse(send))
    try:
        inlet.start(lambda: inlet.read(lambda data, source: got.append((data, source))))
        outlet.send(b"one")
        outlet.send(memoryview(b"two"))
        await until(lambda: len(got) == 2)
        assert not outlet.dropped
    finally:
        outlet.close()
        inlet.close()
        inlet.close()
    return got


@pytest.mark.parametrize("query", ["", "?interface=lo", "?localaddr=127.0.0.1", "?interface=lo&sources=127.0.0.1",
                                   "?localaddr=127.0.0.1&sources=127.0.0.1"])  # fmt: skip
async def test_a_group_is_joined(query: str) -> None:
    if not loopback_takes_groups():
        pytest.skip("no multicast on the loopback interface")
    host = "232.255.7.7" if "sources" in query else "239.255.7.7"
    if not query:
        host = "127.0.0.1"  # which interface a group is joined on by default is the host's to know
    port = free_port()
    got = await through(f"udp://{host}:{port}{query}", f"udp://{host}:{port}?localaddr=127.0.0.1")
    assert got == [(b"one", "127.0.0.1"), (b"two", "127.0.0.1")]


@pytest.mark.parametrize("group", ["ff12::7", "ff15::7"])
async def test_a_group_of_ipv6_is_joined(group: str) -> None:
    interface = interface_with_ipv6_groups()
    if not interface:
        pytest.skip("no interface with IPv6 multicast")
    address = f"udp://[{group}]:{free_port('::')}?interface={interface}"
    assert [data for data, _ in await through(address, address)] == [b"one", b"two"]


async def test_ipv6_to_one_host() -> None:
    try:
        port = free_port("::1")
    except OSError:
        pytest.skip("no IPv6")
    got = await through(f"udp://[::1]:{port}", f"udp://[::1]:{port}")
    assert got == [(b"one", "::1"), (b"two", "::1")]


async def test_another_source_is_not_heard() -> None:
    if not loopback_takes_groups():
        pytest.skip("no multicast on the loopback interface")
    port = free_port()
    loop, got = asyncio.get_running_loop(), list[bytes]()
    deaf = FeedInlet(loop, FeedAddress.parse(f"udp://232.255.7.7:{port}?interface=lo&sources=127.0.0.9"))
    deaf.start(lambda: deaf.read(lambda data, _: got.append(data)))
    try:
        heard = await through(f"udp://232.255.7.7:{port}?interface=lo&sources=127.0.0.1",
                              f"udp://232.255.7.7:{port}?localaddr=127.0.0.1")  # fmt: skip
    finally:
        deaf.close()
    assert len(heard) == 2
    assert got == []


def test_what_cannot_be_had_is_said() -> None:
    loop = asyncio.new_event_loop()
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port))
        with pytest.raises(AddressUnavailable, match=f"127.0.0.1:{port}"):
            FeedInlet(loop, FeedAddress.parse(f"udp://127.0.0.1:{port}"))
    with pytest.raises(AddressUnavailable, match="239"):
        FeedInlet(loop, FeedAddress.parse("udp://239.1.1.1:1234?interface=nosuch0"))
    loop.close()


async def test_nobody_at_the_other_end_is_no_reason_to_stop() -> None:
    outlet = FeedOutlet(FeedAddress.parse(f"udp://127.0.0.1:{free_port()}"))
    for _ in range(3):
        outlet.send(b"x")
    outlet.close()
    assert set(outlet.dropped) <= {"refused"}
