"""The pair of UDP ports: who is heard, how trains are cut, what is paced."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from arcly_actors import limits
from arcly_actors.errors import AddressUnavailable
from arcly_actors.runtime import System
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.listener import WhereBound
from arcly_actors.transport.rtp_ports import Datagram, Destination, PortPair, RtpPorts
from arcly_actors.transport.udp_outlet import UdpOutlet
from arcly_actors.transport.udp_socket import FOR_ONE
from tests.support.waiting import until

HERE = "127.0.0.1"


def framed(channel: int, *packets: bytes) -> bytes:
    return b"".join(b"$" + bytes((channel,)) + len(packet).to_bytes(2) + packet for packet in packets)


class Peer:
    """Two sockets of somebody else."""

    def __init__(self) -> None:
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for one in self.sockets:
            one.bind((HERE, 0))
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)  # not what is tested, however slow the test
        self.ports = (self.sockets[0].getsockname()[1], self.sockets[1].getsockname()[1])

    def send(self, data: bytes, port: int, *, rtcp: bool = False) -> None:
        self.sockets[rtcp].sendto(data, (HERE, port))

    def received(self, *, rtcp: bool = False) -> list[bytes]:
        found = []
        while True:
            try:
                found.append(self.sockets[rtcp].recv(65536))
            except BlockingIOError:
                return found


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    for one in made.sockets:
        one.close()


async def opened(system: System) -> PortPair:
    pair = PortPair(system, Address(HERE, 0), None)
    ref = RtpPorts.start(system, pair)
    bound = await ref.ask(WhereBound(), block=False)
    assert [address.port for address in bound] == list(pair.ports)
    return pair


def destinations(pair: PortPair, peer: Peer) -> dict[int, Destination]:
    paths = [pair.path(HERE, port, HERE) for port in peer.ports]
    return {index: Destination(path, bool(index)) for index, path in enumerate(paths) if path is not None}


async def test_ports_are_neighbours_and_come_back_after_a_crash(system: System) -> None:
    pair = await opened(system)
    assert pair.ports[0] % 2 == 0
    assert pair.ports[1] == pair.ports[0] + 1
    with pytest.raises(AddressUnavailable):
        PortPair(system, *pair.bound).open()
    ports = pair.ports
    pair.close()
    pair.open()
    assert pair.ports == ports


async def test_a_way_that_is_asked_for_during_a_restart_is_one_after_it(system: System, peer: Peer) -> None:
    """Or who plays in that moment sees nothing for as long as he stays (simulation, seed 156)."""
    pair = await opened(system)
    pair.close()
    outlet = UdpOutlet(pair, system, destinations(pair, peer))
    outlet.write(framed(0, b"lost"))
    pair.open()
    outlet.write(framed(0, b"media"))
    await until(lambda: peer.received() == [b"media"])
    assert pair.dropped["closed"] == 1


async def test_a_flood_of_one_peer_leaves_everything_else_its_turn(system: System, peer: Peer) -> None:
    pair = PortPair(system, Address(HERE, 0), None, FOR_ONE)
    batches: list[int] = []
    pair.open()
    pair.register(HERE, peer.ports, 4, lambda datagrams: batches.append(len(datagrams)))
    for _ in range(4 * FOR_ONE.reads):
        peer.send(b"media", pair.ports[0])
    await until(lambda: sum(batches) == 4 * FOR_ONE.reads)
    assert max(batches) <= FOR_ONE.reads
    pair.close()


async def test_only_who_is_expected_is_heard(system: System, peer: Peer) -> None:
    pair = await opened(system)
    heard: list[Datagram] = []
    forget = pair.register(HERE, peer.ports, 4, heard.extend)
    peer.send(b"media", pair.ports[0])
    peer.send(b"report", pair.ports[1], rtcp=True)
    await until(lambda: len(heard) == 2)
    assert sorted(heard) == [(4, False, b"media"), (4, True, b"report")]
    peer.send(b"report", pair.ports[0], rtcp=True)  # from the RTCP port to the RTP port
    await until(lambda: pair.dropped["unknown source"] == 1)
    pair.register(HERE, (0, 0), 5, heard.extend)
    peer.send(b"any port", pair.ports[0], rtcp=True)
    await until(lambda: len(heard) == 3)
    assert heard[-1] == (5, False, b"any port")
    forget()
    peer.send(b"forgotten", pair.ports[0])
    await until(lambda: len(heard) == 4)
    assert heard[-1][0] == 5


async def test_whole_frames_arrive_as_packets_in_order(system: System, peer: Peer) -> None:
    pair = await opened(system)
    outlet = UdpOutlet(pair, system, destinations(pair, peer))
    media = [bytes([index]) * size for index, size in enumerate((1000, 1000, 1000, 400, 1200, 1200, 30, 500, 600))]
    outlet.write(framed(1, b"sr") + framed(0, *media[:5]) + framed(7, b"nobody's") + framed(0, *media[5:]))
    got: list[bytes] = []
    reports: list[bytes] = []

    def all_there() -> bool:
        got.extend(peer.received())
        reports.extend(peer.received(rtcp=True))
        return len(got) == len(media) and bool(reports)

    await until(all_there)
    assert got == media
    assert reports == [b"sr"]
    assert outlet.pending == 0
    assert not outlet.closed


async def test_the_same_bytes_are_cut_once(system: System, peer: Peer) -> None:
    pair = await opened(system)
    data = framed(0, bytes(1000), bytes(1000))
    assert pair.trains(data) is pair.trains(data)
    assert pair.trains(data) is not pair.trains(bytes(bytearray(data)))
    assert [len(train.bounds) for train in pair.trains(framed(0, *[bytes(1000)] * 70)).trains] == [32, 32, 6]
    del peer


async def test_a_burst_is_spread(system: System, peer: Peer) -> None:
    pair = await opened(system)
    outlet = UdpOutlet(pair, system, destinations(pair, peer))
    packets = [index.to_bytes(2) * 500 for index in range(700)]
    outlet.write(framed(0, *packets[:500]))
    assert outlet.pending == 0  # a keyframe: the viewer is up to date
    outlet.write(framed(0, *packets[500:]))
    assert outlet.pending > 700_000 - limits.UDP_PLAY_QUEUE - limits.UDP_PLAY_BURST - 40_000
    drained = asyncio.Event()
    outlet.when_writable(drained.set)
    got: list[bytes] = []

    def all_there() -> bool:
        got.extend(peer.received())
        return len(got) == len(packets)

    await until(all_there)
    assert got == packets
    await drained.wait()
    assert outlet.pending == 0


async def test_an_outlet_that_ends_sends_the_rest_and_one_that_is_dropped_does_not(system: System, peer: Peer) -> None:
    pair = await opened(system)
    ended, dropped = (UdpOutlet(pair, system, destinations(pair, peer)) for _ in range(2))
    heard = asyncio.Event()
    for outlet in (ended, dropped):
        outlet.write(framed(0, *[bytes(1000)] * 100))
        outlet.when_writable(heard.set)
    dropped.drop()
    await heard.wait()
    ended.end()
    assert ended.closed
    assert dropped.closed
    assert ended.pending == dropped.pending == 0
    for outlet in (ended, dropped):
        outlet.write(framed(0, b"late"))
    got: list[bytes] = []

    def all_there() -> bool:
        got.extend(peer.received())
        return len(got) > 100

    await until(all_there)
    assert b"late" not in got


async def test_closed_ports_drop_and_count(system: System, peer: Peer) -> None:
    pair = await opened(system)
    where = destinations(pair, peer)
    outlet = UdpOutlet(pair, system, where)
    pair.close()
    outlet.write(framed(0, b"a", b"a"))
    pair.send(b"b", where[1])
    assert pair.dropped["closed"] == 3
