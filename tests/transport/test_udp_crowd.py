"""Bytes that many UDP viewers are written at once: each gets them as if alone."""

from collections.abc import Iterator, Sequence

import pytest

from arcly_actors import limits
from arcly_actors.runtime import System
from arcly_actors.runtime.seams import Tap
from arcly_actors.transport.outlet import Outlet, write_all
from arcly_actors.transport.rtp_trains import Cut, Train, cut
from arcly_actors.transport.train_call import Addresses
from arcly_actors.transport.udp_crowd import UdpCrowd
from arcly_actors.transport.udp_outlet import UdpOutlet
from tests.support.outlets import MemoryOutlet
from tests.support.waiting import until
from tests.transport.test_rtp_ports import Peer, destinations, framed, opened

SIZES = (1000, 1000, 400, 30, 1200)
MEDIA = [bytes([index]) * size for index, size in enumerate(SIZES)]
DATA = framed(1, b"sr") + framed(0, *MEDIA)


@pytest.fixture
def peers() -> Iterator[list[Peer]]:
    made = [Peer() for _ in range(3)]
    yield made
    for peer in made:
        for one in peer.sockets:
            one.close()


async def got(peer: Peer) -> tuple[list[bytes], list[bytes]]:
    """Its media and its reports, once all media are there."""
    media: list[bytes] = []
    reports: list[bytes] = []

    def all_there() -> bool:
        reports.extend(peer.received(rtcp=True))
        media.extend(peer.received())
        return len(media) >= len(MEDIA)

    await until(all_there)
    return media, reports


async def test_each_of_many_gets_all_of_it_in_order(system: System, peers: list[Peer]) -> None:
    pair = await opened(system)
    outlets: list[Outlet] = [UdpOutlet(pair, system, destinations(pair, peer)) for peer in peers]
    memory = MemoryOutlet()
    assert write_all([*outlets, memory], DATA) == []
    for peer in peers:
        assert await got(peer) == (MEDIA, [b"sr"])
    assert memory.received == DATA


async def test_who_was_sent_too_much_or_is_gone_is_written_to_alone(system: System, peers: list[Peer]) -> None:
    pair = await opened(system)
    usual, busy, gone = (UdpOutlet(pair, system, destinations(pair, peer)) for peer in peers)
    gone.drop()
    busy.write(framed(2, bytes(1000)) * (limits.UDP_PLAY_QUEUE // 500))  # of a medium that it did not ask for
    assert busy.pending
    assert write_all([usual, busy, gone], DATA) == [busy, gone]
    assert await got(peers[0]) == (MEDIA, [b"sr"])
    assert (await got(peers[1]))[0] == MEDIA, "behind what waits"
    assert peers[2].received() == []


async def test_what_is_written_while_the_ports_are_closed_is_counted(system: System, peers: list[Peer]) -> None:
    pair = await opened(system)
    outlets = [UdpOutlet(pair, system, destinations(pair, peer)) for peer in peers]
    pair.close()
    assert write_all(outlets, framed(0, *MEDIA)) == []
    assert pair.dropped["closed"] == len(peers) * len(MEDIA)


class Refusing:
    """Ports whose second viewer's way has no segments."""

    def __init__(self, taps: tuple[Tap, ...] = ()) -> None:
        self.taps = taps
        self.sent: list[int] = []

    def trains(self, data: bytes) -> Cut:
        return cut(data)

    def send_all(self, what: Cut, to: Sequence[Addresses]) -> list[tuple[int, int]]:
        self.sent.append(len(to))
        return [(1, index) for index, train in enumerate(what.trains) if len(train.bounds) > 1]


class Member:
    """Notes how it is sent to."""

    def __init__(self) -> None:
        self.closed = False
        self.pending = 0
        self.alone: list[bytes] = []
        self.written: list[bytes] = []

    def admit(self, what: Cut, size: int, now: int) -> Addresses | None:
        del what, size, now
        return Addresses.__new__(Addresses)

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def send_train(self, train: Train) -> None:
        self.alone.append(bytes(train.data))

    def refused(self, train: Train) -> None:
        self.send_train(train)


def test_a_train_that_cannot_be_cut_on_its_way_is_sent_once_more() -> None:
    ports, members = Refusing(), [Member(), Member(), Member()]
    assert UdpCrowd(ports, lambda: 0).write_all(members, framed(0, *MEDIA)) == []
    assert ports.sent == [3]
    assert [member.alone for member in members] == [[], [b"".join(MEDIA[:3])], []]


def test_where_taps_listen_each_is_written_to_alone() -> None:
    class Deaf:
        def hears(self, source: tuple[object, ...]) -> bool:
            return False

        def came(self, data: memoryview, source: tuple[object, ...], local: bytes) -> None: ...

        def went(self, data: bytes | memoryview, to: tuple[object, ...]) -> None: ...

    ports, members = Refusing((Deaf(),)), [Member(), Member()]  # type: ignore[arg-type]  # as much of a tap as is asked
    UdpCrowd(ports, lambda: 0).write_all(members, DATA)
    assert ports.sent == []
    assert [member.written for member in members] == [[DATA], [DATA]]
