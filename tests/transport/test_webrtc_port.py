"""The WebRTC port on real sockets: media both ways, and what strangers send."""

import asyncio
import errno
import gc
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pykka
import pytest
import pytest_asyncio
from aiortc.rtcdtlstransport import SRTP_AEAD_AES_128_GCM, SRTP_AES128_CM_SHA1_80

from arcly_actors import limits
from arcly_actors.errors import AddressUnavailable
from arcly_actors.runtime import Exited, System, Tape
from arcly_actors.transport import sendmmsg
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.dtls_srtp import (
    DtlsSrtpTransport,
    RtcpArrived,
    RtpArrived,
    TransportClosed,
    TransportConnected,
)
from arcly_actors.transport.srtp_batch import SharedPackets
from arcly_actors.transport.srtp_crowd import Crowd, Member
from arcly_actors.transport.udp_socket import UdpSocket
from arcly_actors.transport.webrtc_port import OpenSession, PortFigures, PortStatus, WebRtcPort
from arcly_actors.transport.webrtc_session import WebRtcSession
from tests.support.stun_ice import StunIce
from tests.support.virtual import Probe, ask
from tests.support.webrtc_peer import Peer, Wireless, meet
from tests.support.wires import descriptors

REPORT = b"\x80\xc9\x00\x01" + (7).to_bytes(4, "big")


def packet(sequence: int, size: int = 100, ssrc: int = 9) -> bytes:
    """A plain RTP packet of `size` bytes."""
    return struct.pack("!BBHII", 0x80, 96, sequence, sequence * 3000, ssrc) + bytes([sequence & 255]) * (size - 12)


class Call:
    """A peer, its session with a port, and the owner of that."""

    def __init__(self, peer: Peer, wireless: Wireless, transport: DtlsSrtpTransport, owner: Probe) -> None:
        self.peer = peer
        self.wireless = wireless
        self.transport = transport
        self.owner = owner


class Rig:
    """A port and its calls."""

    def __init__(self, system: System, listen: str, **options: Any) -> None:
        self.system = system
        self.port: pykka.ActorRef[WebRtcPort] = WebRtcPort.start(system, Address.parse(listen), StunIce(), **options)
        self.calls: list[Call] = []

    async def open(self, peer: Peer, *, host: str = "127.0.0.1", **sockets: Any) -> Call:
        owner = Probe(self.system)
        peer.transport = await ask(self.port, OpenSession(owner.ref, peer.parameters))
        self.calls.append(Call(peer, Wireless(peer, host, **sockets), peer.transport, owner))
        return self.calls[-1]

    async def call(self, *profiles: Any, passive: bool = False, **sockets: Any) -> Call:
        made = await self.open(Peer(*profiles, passive=passive), **sockets)
        await meet(made.peer, made.wireless)
        await made.owner.next(TransportConnected)
        return made

    async def figures(self) -> PortFigures:
        found = await ask(self.port, PortStatus())
        assert isinstance(found, PortFigures)
        return found

    async def drops(self, reason: str, count: int) -> None:
        """Wait until the port has dropped so many."""
        async with asyncio.timeout(20):
            while (await self.figures()).dropped.get(reason, 0) < count:  # noqa: ASYNC110 - the port tells nobody
                await asyncio.sleep(0)


MakeRig = Callable[..., Rig]


@pytest_asyncio.fixture
async def rig(system: System) -> AsyncIterator[MakeRig]:
    made: list[Rig] = []

    def make(listen: str = "127.0.0.1:0", **options: Any) -> Rig:
        made.append(Rig(system, listen, **options))
        return made[-1]

    yield make
    for one in made:
        for call in one.calls:
            call.wireless.close()


@pytest.mark.parametrize("passive", [False, True])
async def test_a_peer_connects_and_media_goes_both_ways(rig: MakeRig, passive: bool) -> None:
    call = await rig().call(passive=passive)
    call.peer.send_rtp(packet(1))
    call.peer.send_rtcp(REPORT)
    assert (await call.owner.next(RtpArrived)).data == packet(1)
    assert (await call.owner.next(RtcpArrived)).data == REPORT
    assert call.transport.send_rtp([packet(5), packet(6)])
    assert call.transport.send_rtcp(REPORT)
    await call.peer.until(lambda: len(call.peer.rtp) == 2 and call.peer.rtcp)
    assert call.peer.rtp == [packet(5), packet(6)]
    assert call.peer.rtcp == [REPORT]


@pytest.mark.parametrize("profile", [SRTP_AEAD_AES_128_GCM, SRTP_AES128_CM_SHA1_80])
async def test_a_frame_of_many_sizes_arrives_whole_under_every_profile(rig: MakeRig, profile: Any) -> None:
    made = rig()
    calls = [await made.call(profile) for _ in range(3)]
    sizes = [40, 60, *[1200] * 100, 700, 1200, 1200, 30, 1456, 12]
    frame = SharedPackets([packet(sequence, size) for sequence, size in enumerate(sizes)])
    for call in calls:
        assert call.transport.send_shared(frame)
        await call.peer.until(lambda peer=call.peer: len(peer.rtp) == len(sizes))  # type: ignore[misc]  # early binding
        assert call.peer.rtp == list(frame.packets)


async def test_the_fastest_profile_is_chosen_from_those_offered(rig: MakeRig) -> None:
    call = await rig().call()
    assert call.owner.of(TransportConnected)[0].profile == "SRTP_AEAD_AES_128_GCM"
    assert len(call.owner.of(TransportConnected)) == 1


async def test_replayed_and_forged_packets_are_counted_and_go_nowhere(rig: MakeRig) -> None:
    made = rig()
    call = await made.call()
    protected = call.peer.protect(packet(1))
    forged = call.peer.protect(packet(9))
    forged = forged[:-1] + bytes([forged[-1] ^ 1])
    for datagram in (protected, protected, forged, b"\x80", b"\x80\xc8", b"\xbf" * 30, b"\x80" * 11):
        call.peer.out(datagram)
    call.peer.send_rtp(packet(2))
    assert (await call.owner.next(RtpArrived)).data == packet(1)
    assert (await call.owner.next(RtpArrived)).data == packet(2)
    dropped = call.transport.figures.dropped
    assert dropped["srtp-replay"] == 1
    assert dropped["srtp-authentication"] >= 1
    assert dropped["srtp-malformed"] >= 2


async def test_the_transport_moves_with_a_nominated_pair_and_only_then(rig: MakeRig) -> None:
    call = await rig().call()
    old = call.wireless.move()
    call.peer.out(call.peer.request(nominate=False))
    await call.peer.until(lambda: len(call.peer.answers) == 2)
    before = call.wireless.socket.getsockname()[1]
    call.transport.send_rtp([packet(1)])
    await call.peer.until(lambda: call.peer.rtp)
    call.peer.check()
    await call.peer.until(lambda: len(call.peer.answers) == 3)
    call.wireless._loop.remove_reader(old.fileno())
    old.close()
    call.transport.send_rtp([packet(2)])
    await call.peer.until(lambda: len(call.peer.rtp) == 2)
    assert call.wireless.socket.getsockname()[1] == before


async def test_nobody_unknown_is_answered(rig: MakeRig) -> None:
    made = rig()
    call = await made.open(Peer())
    stranger = Peer()
    stranger.transport = call.transport
    wireless = Wireless(stranger)
    try:
        for datagram in (
            stranger.request(pwd="wrong" * 5),
            stranger.request(ufrag="nobody"),
            b"\x00\x01\x00\x00",
            b"\x16\xfe\xfd" + bytes(50),
            b"\x80\x60" + bytes(50),
            b"",
        ):
            stranger.out(datagram)
        stranger.shake_hands()
        await made.drops("unknown-source", 3)
        dropped = (await made.figures()).dropped
        assert dropped["check-refused"] == 1
        assert dropped["unknown-user"] == 2
        assert dropped["empty"] == 1
        assert stranger.answers == []
        assert stranger.flights == 0
    finally:
        wireless.close()


async def test_garbage_from_the_peer_itself_breaks_nothing(rig: MakeRig) -> None:
    made = rig()
    call = await made.call()
    for first in range(256):
        call.peer.out(bytes([first]) + made.system.entropy.random_bytes(first))
    call.peer.send_rtp(packet(3))
    assert (await call.owner.next(RtpArrived)).data == packet(3)
    assert call.owner.of(TransportClosed) == []


@pytest.mark.parametrize("passive", [False, True])
async def test_both_ends_say_goodbye(rig: MakeRig, passive: bool) -> None:
    made = rig()
    ours, theirs = await made.call(passive=passive), await made.call(passive=passive)
    ours.transport.close("enough")
    await ours.peer.until(lambda: ours.peer.closed)
    assert await ours.owner.next(TransportClosed) == TransportClosed("enough")
    theirs.peer.goodbye()
    assert await theirs.owner.next(TransportClosed) == TransportClosed("the peer closed")
    figures = await made.figures()
    assert (figures.sessions, figures.half_open, figures.addresses) == (0, 0, 0)
    assert not ours.transport.send_rtp([packet(1)])


@pytest.mark.parametrize(
    ("listen", "host", "family"),
    [
        ("0.0.0.0:0", "127.0.0.77", socket.AF_INET),
        ("[::]:0", "127.0.0.77", socket.AF_INET),
        ("[::]:0", "::1", socket.AF_INET6),
        ("[::1]:0", "::1", socket.AF_INET6),
    ],
)
async def test_answers_come_from_the_address_that_was_asked(rig: MakeRig, listen: str, host: str, family: int) -> None:
    call = await rig(listen).call(host=host, family=family)  # the peer's socket is connected: others it would not hear
    assert call.transport.send_rtp([packet(1, 1200), packet(2, 1200)])
    await call.peer.until(lambda: len(call.peer.rtp) == 2)
    mapped = call.peer.answers[0].attributes["XOR-MAPPED-ADDRESS"]
    assert mapped == call.wireless.socket.getsockname()[:2]


async def test_a_kernel_that_refuses_trains_gets_the_packets_one_by_one(rig: MakeRig) -> None:
    call = await rig().call()
    frame = SharedPackets([packet(sequence, 1200) for sequence in range(9)])
    path = call.transport._path  # type: ignore[attr-defined]  # the real session's
    groups = frame.groups(16)
    assert len(groups) == 1
    groups[0].step = 10  # a thousand segments: EINVAL
    assert path.segments
    assert call.transport.send_shared(frame)
    assert not path.segments
    await call.peer.until(lambda: len(call.peer.rtp) == 9)
    assert call.peer.rtp == list(frame.packets)


async def test_what_the_kernel_does_not_take_is_counted(rig: MakeRig) -> None:
    made = rig()
    call = await made.call()
    call.transport._path.source = ("255.255.255.255", 9)  # type: ignore[attr-defined]  # EACCES without SO_BROADCAST
    assert not call.transport.send_rtp([packet(1)])
    assert not call.transport.send_rtcp(REPORT)
    assert (await made.figures()).dropped["send-error"] == 2
    assert call.transport.figures.dropped["unsent"] == 2


async def test_a_lost_flight_is_sent_again(rig: MakeRig) -> None:
    call = await rig().open(Peer())
    call.peer.check()
    await call.peer.until(lambda: call.peer.answers)
    hear = call.peer.receive
    call.peer.receive = lambda datagram: call.peer.notice()  # type: ignore[method-assign]  # deaf for a while
    call.peer.shake_hands()
    await call.peer.until(lambda: call.transport._dtls_timer)  # type: ignore[attr-defined]  # the real session's
    call.peer.receive = hear  # type: ignore[method-assign]  # and no longer
    await call.peer.until(lambda: call.peer.connected)
    assert (await call.owner.next(TransportConnected)).profile


async def test_dozens_of_real_calls_leave_no_descriptor_actor_or_task(rig: MakeRig) -> None:
    made = rig()
    await made.figures()
    peer = Peer()
    open_before, tasks_before = descriptors(), len(asyncio.all_tasks())
    actors_before = len(made.system.actors())
    for _ in range(60):
        owner = Probe(made.system)
        peer = Peer()
        peer.transport = await ask(made.port, OpenSession(owner.ref, peer.parameters))
        wireless = Wireless(peer)
        await meet(peer, wireless)
        await owner.next(TransportConnected)
        await owner.ref.stop(block=False)
        await peer.until(lambda peer=peer: peer.closed)  # type: ignore[misc]  # early binding
        wireless.close()
    figures = await made.figures()
    assert (figures.sessions, figures.half_open, figures.addresses) == (0, 0, 0)
    gc.collect()
    assert descriptors() == open_before
    assert len(asyncio.all_tasks()) == tasks_before
    assert len(made.system.actors()) == actors_before


async def test_an_address_in_use_is_said_to_be(rig: MakeRig, system: System) -> None:
    bound = (await rig().figures()).bound
    owner = Probe(system)
    owner.watch(rig(str(bound)).port)
    error = (await owner.next(Exited)).error
    assert isinstance(error, AddressUnavailable)
    assert str(bound) in str(error)


async def test_a_socket_is_read_a_bounded_number_of_times() -> None:
    udp = UdpSocket(asyncio.get_running_loop(), Address("127.0.0.1", 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
        for _ in range(limits.UDP_READS + 10):
            flood.sendto(b"x", ("127.0.0.1", udp.bound.port))
        assert udp.read(lambda *_: None) == limits.UDP_READS
        assert udp.read(lambda *_: None) == 10
    udp.close()


async def test_a_flood_leaves_the_loop_its_time_and_calls_their_media(rig: MakeRig) -> None:
    made = rig()
    call = await made.call()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
        flood.connect(call.wireless.socket.getpeername())
        for burst in range(1, 41):
            for _ in range(50):
                flood.send(b"\x80" + bytes(1000))
            call.peer.send_rtp(packet(burst))
            assert (await call.owner.next(RtpArrived)).data == packet(burst)
            await made.drops("unknown-source", burst * 50)


@pytest.mark.parametrize(
    ("listen", "host", "family"),
    [
        ("127.0.0.1:0", "127.0.0.1", socket.AF_INET),
        ("0.0.0.0:0", "127.0.0.2", socket.AF_INET),
        ("[::1]:0", "::1", socket.AF_INET6),
        ("[::]:0", "::1", socket.AF_INET6),
        ("[::]:0", "127.0.0.1", socket.AF_INET),
    ],
)
async def test_a_crowd_gets_every_packet(rig: MakeRig, listen: str, host: str, family: int) -> None:
    """Two batches and a bit, with one viewer of another cipher and one that is gone, from the address that was asked."""
    made = rig(listen)
    calls = [await made.call(SRTP_AEAD_AES_128_GCM, host=host, family=family) for _ in range(2 * limits.SEND_BATCH + 3)]
    other = await made.call(SRTP_AES128_CM_SHA1_80, host=host, family=family)
    gone = await made.call(SRTP_AEAD_AES_128_GCM, host=host, family=family)
    gone.transport.close("gone")
    everyone = [call.transport for call in (*calls, other, gone)]
    rank = calls[0].transport.crowd.rank(everyone)
    sent: list[bytes] = []
    for number, sizes in enumerate(([100], [1180] * 9 + [300], [50, 1180, 1180, 20])):
        packets = [packet(100 * number + index, size) for index, size in enumerate(sizes)]
        assert rank.send(SharedPackets(packets)) == [gone.transport]
        sent += packets
    for call in (*calls, other):
        await call.peer.until(lambda call=call: len(call.peer.rtp) == len(sent))  # type: ignore[misc]  # a default binds it
        assert call.peer.rtp == sent
        assert call.transport.figures.packets_sent == len(sent)


async def test_a_crowd_that_nobody_asks_about_keeps_no_rows_of_former_ones(rig: MakeRig) -> None:
    made = rig("127.0.0.1:0")
    transports = [(await made.call()).transport for _ in range(3)]
    crowd, members = transports[0].crowd, cast("list[Member]", transports)
    assert isinstance(crowd, Crowd)
    for number, size in enumerate((1, 2, 3, 2)):
        crowd.rank(members[:size]).send(SharedPackets([packet(number)]))
        assert len(crowd._uncounted) == 1
    transports[0].close("gone")
    assert not crowd._uncounted
    assert [each.figures.packets_sent for each in transports] == [4, 3, 1]


class Noted:
    """A tape's end of a session."""

    who = "taped"
    tapes: tuple[Tape, ...] = ()

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes | None]] = []

    def put(self, kind: str, data: bytes | None = None, at: int | None = None, **_fields: Any) -> None:
        del at
        self.seen.append((kind, data))


async def test_a_tape_at_one_of_a_crowd_has_its_packets_and_all_others_know_nothing_of_it(rig: MakeRig) -> None:
    made = rig()
    calls = [await made.call() for _ in range(3)]
    note, owner, peer = Noted(), Probe(made.system), Peer()
    peer.transport = taped = await ask(made.port, OpenSession(owner.ref, peer.parameters, note))
    made.calls.append(Call(peer, Wireless(peer), taped, owner))
    await meet(peer, made.calls[-1].wireless)
    await owner.next(TransportConnected)
    assert [type(call.transport) for call in calls] == [WebRtcSession] * 3
    packets = [packet(1, 1180), packet(2, 300)]
    assert taped.crowd.rank([*(call.transport for call in calls), taped]).send(SharedPackets(packets)) == []
    for each in (*(call.peer for call in calls), peer):
        await each.until(lambda each=each: len(each.rtp) == 2)  # type: ignore[misc]  # a default binds it
        assert each.rtp == packets
    peer.send_rtp(packet(7))
    assert (await owner.next(RtpArrived)).data == packet(7)
    assert taped.send_rtcp(REPORT)
    successor = Probe(made.system)
    taped.attach(successor.ref)
    await successor.next(TransportConnected)
    peer.send_rtcp(REPORT)
    assert (await successor.next(RtcpArrived)).data == REPORT
    peer.goodbye()
    await successor.next(TransportClosed)
    assert taped.figures.packets_sent == 3
    out = [("rtp-out", data) for data in packets]
    came = [("rtp-in", packet(7)), ("rtcp-out", REPORT), ("rtcp-in", REPORT), ("closed", None)]
    assert note.seen == [("session", None), ("connected", None), *out, *came]


async def test_a_crowd_whose_kernel_refuses_trains_gets_the_packets_one_by_one(rig: MakeRig) -> None:
    made = rig("127.0.0.1:0")
    calls = [await made.call() for _ in range(limits.SEND_BATCH)]
    crowd, transports = calls[0].transport.crowd, [cast("Member", call.transport) for call in calls]
    assert isinstance(crowd, Crowd)
    batch = crowd.udp.batch
    assert batch is not None
    batch._libc = Refusing()
    packets = [packet(index, 500) for index in range(3)]
    again = [packet(10 + index, 500) for index in range(3)]
    rank = crowd.rank(transports)
    assert rank.send(SharedPackets(packets)) == []
    assert rank.send(SharedPackets(again)) == []
    for call in calls:
        await call.peer.until(lambda call=call: len(call.peer.rtp) == 6)  # type: ignore[misc]  # a default binds it
        assert call.peer.rtp == packets + again
        assert call.transport.figures.packets_sent == 6


async def test_what_a_crowd_does_not_get_is_counted(rig: MakeRig) -> None:
    made = rig("127.0.0.1:0")
    calls = [await made.call() for _ in range(limits.SEND_BATCH)]
    path = calls[5].transport._path  # type: ignore[attr-defined]  # the real session's
    path.source, path._peer = ("255.255.255.255", 9), None  # EACCES without SO_BROADCAST
    transports = [call.transport for call in calls]
    assert transports[0].crowd.rank(transports).send(SharedPackets([packet(1)])) == [transports[5]]
    assert (await made.figures()).dropped["send-error"] == 1
    assert transports[5].figures.dropped["unsent"] == 1
    assert (transports[5].figures.packets_sent, transports[4].figures.packets_sent) == (0, 1)


class Refusing:
    """A C library whose kernel cannot segment."""

    def sendmmsg(self, *_: Any) -> int:
        sendmmsg.ffi.errno = errno.EINVAL
        return -1
