"""A WebRTC session over time and through the lives of its owners, in virtual time on a network in memory."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pykka
import pytest

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import Malformed, Refusal, Refused
from arcly_actors.runtime import Exited, LoopActor, System
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.dtls_srtp import (
    DtlsSrtpTransport,
    Fingerprint,
    Ice,
    IceCredentials,
    RemoteParameters,
    RtpArrived,
    TransportClosed,
    TransportConnected,
)
from arcly_actors.transport.webrtc_port import OpenSession, PortFigures, PortStatus, WebRtcPort
from tests.support.memory_udp import MemoryUdp
from tests.support.stun_ice import StunIce
from tests.support.virtual import Probe, ask, in_virtual_time, pass_time
from tests.support.webrtc_peer import Peer

PACKET = b"\x80\x60" + bytes(6) + (5).to_bytes(4, "big") + b"payload"


class Owner(LoopActor):
    """Passes what it is told to a probe, and crashes or stops on demand."""

    def __init__(self, system: System, told: list[Any]) -> None:
        super().__init__(system)
        self._told = told

    def on_receive(self, message: Any) -> None:
        if message == "crash":
            raise ValueError("asked to")
        if message == "stop":
            self.stop_self("all said")
            return
        self._told.append(message)


class Net:
    """A port on a network in memory."""

    def __init__(self, system: System, ice: Ice | None = None, **options: Any) -> None:
        self.system = system
        self.udp = MemoryUdp()
        self.port: pykka.ActorRef[WebRtcPort] = WebRtcPort.start(
            system, Address("10.0.0.1", 0), ice or StunIce(), open_socket=self.udp.open, **options
        )
        self.places = 1000

    async def open(self, owner: pykka.ActorRef[Any], peer: Peer | None = None) -> tuple[Peer, DtlsSrtpTransport]:
        peer = peer or Peer()
        transport: DtlsSrtpTransport = await ask(self.port, OpenSession(owner, peer.parameters))
        peer.transport = transport
        self.places += 1
        self.udp.place(peer, self.places)
        return peer, transport

    async def call(self, owner: pykka.ActorRef[Any], peer: Peer | None = None) -> tuple[Peer, DtlsSrtpTransport]:
        peer, transport = await self.open(owner, peer)
        peer.check()
        await peer.until(lambda: peer.answers)
        if not peer.passive:
            peer.shake_hands()
        await peer.until(lambda: peer.connected)
        await pass_time(1)
        return peer, transport

    async def figures(self) -> PortFigures:
        found = await ask(self.port, PortStatus())
        assert isinstance(found, PortFigures)
        return found


@in_virtual_time
async def test_a_session_nobody_comes_to_is_reaped(system: System) -> None:
    net, owner = Net(system), Probe(system)
    await net.open(owner.ref)
    assert (await net.figures()).half_open == 1
    await owner.quiet(TransportClosed, limits.DTLS_TIMEOUT - NS_PER_S)
    assert (await owner.next(TransportClosed)).reason == "no ICE check came in time: can its peer reach the UDP port?"
    assert (await net.figures()).half_open == 0


@in_virtual_time
async def test_a_handshake_that_stops_half_way_is_reaped(system: System) -> None:
    net, owner = Net(system), Probe(system)
    peer, _ = await net.open(owner.ref)
    net.udp.lose = lambda data: 20 <= data[0] < 64
    peer.check()
    peer.shake_hands()
    assert (await owner.next(TransportClosed)).reason == "the handshake did not finish in time"
    figures = await net.figures()
    assert (figures.sessions, figures.half_open, figures.addresses) == (0, 0, 0)
    assert peer.flights == 0


@in_virtual_time
async def test_a_peer_that_waits_for_us_hears_us_at_its_first_check_and_not_before(system: System) -> None:
    net, owner = Net(system), Probe(system)
    peer, transport = await net.open(owner.ref, Peer(passive=True))
    peer.out(peer.request(pwd="wrong" * 5))
    await pass_time(NS_PER_S)
    assert net.udp.sent == []
    peer.check(nominate=False)
    await peer.until(lambda: peer.connected)
    kinds = [data[0] for data, _ in net.udp.sent]
    assert kinds[:2] == [1, 22]  # the check's answer, then our hello
    await owner.next(TransportConnected)
    peer.send_rtp(PACKET)
    assert (await owner.next(RtpArrived)).data == PACKET
    assert transport.send_rtp([PACKET])
    await peer.until(lambda: peer.rtp)
    hellos = len(net.udp.sent)
    peer.check()
    await peer.until(lambda: len(peer.answers) == 2)
    assert len(net.udp.sent) == hellos + 1


@in_virtual_time
async def test_a_server_that_never_answers_our_hello_is_reaped(system: System) -> None:
    net, owner = Net(system), Probe(system)
    peer, _ = await net.open(owner.ref, Peer(passive=True))
    net.udp.lose = lambda data: 20 <= data[0] < 64
    peer.check()
    assert (await owner.next(TransportClosed)).reason == "the handshake did not finish in time"
    figures = await net.figures()
    assert (figures.sessions, figures.half_open, figures.addresses) == (0, 0, 0)


@in_virtual_time
async def test_our_hello_is_repeated_ever_more_slowly(system: System) -> None:
    net, owner = Net(system), Probe(system)
    sent: list[int] = []

    def lose(data: bytes) -> bool:
        sent.extend([system.clock.monotonic_ns()] * (data[0] == 22))
        return data[0] == 22 and len(sent) < 4

    net.udp.lose = lose
    peer, _ = await net.open(owner.ref, Peer(passive=True))
    peer.check()
    await owner.next(TransportConnected)
    assert [(at - sent[0]) // NS_PER_S for at in sent[:4]] == [0, 1, 3, 7]
    assert peer.connected


@pytest.mark.parametrize("passive", [False, True])
async def test_any_lost_datagram_of_a_handshake_is_made_up_for(system: System, passive: bool) -> None:
    """In real time, for OpenSSL has a clock of its own: a second for each loss, all of them at once."""
    net, owner = Net(system), Probe(system)
    peers = []
    for loss in range(8):
        peer, _ = await net.open(owner.ref, Peer(passive=passive))
        source = ("192.0.2.9", net.places)
        seen = iter(range(100))
        peer.out, net.udp.hosts[source] = _lossy(peer.out, seen, loss), _lossy(peer.receive, seen, loss)
        peers.append(peer)
        peer.check()
    for peer in peers:
        await peer.until(lambda peer=peer: peer.answers)  # type: ignore[misc]  # early binding
        if not passive:
            peer.shake_hands()
    async with asyncio.timeout(10):
        while not all(peer.connected for peer in peers) or len(owner.of(TransportConnected)) < len(peers):
            await asyncio.sleep(0)
            for peer in peers:
                peer.resend()
    for peer in peers:
        assert peer.transport.send_rtp([PACKET])
        await peer.until(lambda peer=peer: peer.rtp)  # type: ignore[misc]  # early binding


def _lossy(carry: Callable[[bytes], None], seen: Iterator[int], loss: int) -> Callable[[bytes], None]:
    """Lose the `loss`-th datagram of DTLS, counted by `seen` over both ways."""
    return lambda data: None if 20 <= data[0] < 64 and next(seen) == loss else carry(data)


@in_virtual_time
async def test_a_peer_that_checks_no_more_is_gone(system: System) -> None:
    net, owner = Net(system), Probe(system)
    peer, _ = await net.call(owner.ref)
    begun = system.clock.monotonic_ns()
    for _ in range(12):
        await pass_time(5 * NS_PER_S)
        peer.check()
    assert owner.of(TransportClosed) == []
    for index in range(5):
        await pass_time(5 * NS_PER_S)
        peer.send_rtp(PACKET[:3] + bytes((index,)) + PACKET[4:])
    assert owner.of(TransportClosed) == []
    assert (await owner.next(TransportClosed)).reason == "the peer is gone"
    consent = system.clock.monotonic_ns() - 60 * NS_PER_S
    assert limits.ICE_CONSENT <= consent - begun <= limits.ICE_CONSENT + limits.UDP_SWEEP
    assert peer.closed


@in_virtual_time
async def test_a_peer_that_is_silent_is_gone_sooner(system: System) -> None:
    net, owner = Net(system), Probe(system)
    await net.call(owner.ref)
    before = system.clock.monotonic_ns()
    assert (await owner.next(TransportClosed)).reason == "the peer is silent"
    waited = system.clock.monotonic_ns() - before
    assert limits.PEER_SILENCE - limits.UDP_SWEEP < waited <= limits.PEER_SILENCE + limits.UDP_SWEEP


@in_virtual_time
async def test_the_transport_outlives_an_owner_that_crashed(system: System) -> None:
    net, told, again = Net(system), list[Any](), list[Any]()
    first = Owner.start(system, told)
    peer, transport = await net.call(first)
    first.tell("crash")
    await pass_time(NS_PER_S)
    peer.send_rtp(PACKET)
    transport.attach(Owner.start(system, again))
    for _ in range(2 * limits.ORPHAN_TIMEOUT // NS_PER_S):
        peer.check()
        await pass_time(NS_PER_S)
    second = b"\x80\x60\x00\x01" + PACKET[4:]
    peer.send_rtp(second)
    await pass_time(1)
    assert [type(message) for message in told] == [TransportConnected]
    assert [type(message) for message in again] == [TransportConnected, RtpArrived]
    assert again[1].data == second
    assert transport.send_rtp([PACKET])


@in_virtual_time
async def test_a_crashed_owner_that_does_not_come_back_ends_it(system: System) -> None:
    net = Net(system)
    first = Owner.start(system, [])
    peer, transport = await net.call(first)
    first.tell("crash")
    await pass_time(limits.ORPHAN_TIMEOUT + 2 * limits.UDP_SWEEP)
    assert peer.closed
    late = Probe(system)
    transport.attach(late.ref)
    assert await late.next(TransportClosed) == TransportClosed("it was closed already")


@in_virtual_time
async def test_an_owner_that_stops_in_order_ends_only_its_own(system: System) -> None:
    net = Net(system)
    shared, other = Owner.start(system, []), Owner.start(system, [])
    peers = [(await net.call(owner))[0] for owner in (shared, shared, other)]
    shared.tell("stop")
    await pass_time(1)
    assert [peer.closed for peer in peers] == [True, True, False]
    assert (await net.figures()).sessions == 1


@in_virtual_time
async def test_a_certificate_that_was_not_signalled_ends_it(system: System) -> None:
    net, owner = Net(system), Probe(system)
    for prints in ((Fingerprint("sha-256", "00:" * 31 + "00"),), (Fingerprint("md5", "00"),), ()):
        peer = Peer()
        peer.transport = await ask(net.port, OpenSession(owner.ref, RemoteParameters(peer.credentials, prints)))
        net.udp.place(peer, 1)
        peer.check()
        peer.shake_hands()
        closed = await owner.next(TransportClosed)
        assert closed.reason == "DTLS failed"
        assert isinstance(closed.error, Malformed)
    assert owner.of(TransportConnected) == []


@in_virtual_time
async def test_an_ice_restart_keeps_media_going_and_retires_the_old_credentials(system: System) -> None:
    net, owner = Net(system), Probe(system)
    peer, transport = await net.call(owner.ref)
    former = peer.request()
    peer.credentials = IceCredentials("again", "y" * 24)
    assert transport.restart(peer.credentials) == transport.local
    assert transport.send_rtp([PACKET])
    peer.out(former)
    await pass_time(1)
    assert len(peer.answers) == 2
    net.udp.place(peer, 77)
    peer.check()
    await pass_time(1)
    assert len(peer.answers) == 3
    peer.out(former)
    await pass_time(1)
    assert len(peer.answers) == 3
    assert transport.send_rtp([PACKET])
    assert net.udp.sent[-1][1] == ("192.0.2.9", 77)


@in_virtual_time
async def test_another_session_cannot_take_an_address_in_use(system: System) -> None:
    net, owner, thief = Net(system), Probe(system), Probe(system)
    peer, _ = await net.call(owner.ref)
    other, _ = await net.open(thief.ref)
    net.udp.arrive(other.request(), ("192.0.2.9", net.places - 1))
    await pass_time(1)
    assert (await net.figures()).dropped["address-taken"] == 1
    peer.send_rtp(PACKET)
    assert (await owner.next(RtpArrived)).data == PACKET
    await pass_time(limits.ADDRESS_HOLD)
    net.udp.arrive(other.request(), ("192.0.2.9", net.places - 1))
    await pass_time(1)
    assert (await net.figures()).dropped["address-taken"] == 1


@in_virtual_time
async def test_a_session_has_a_bounded_number_of_addresses(system: System) -> None:
    net, owner = Net(system), Probe(system)
    peer, _ = await net.call(owner.ref)
    for port in range(100):
        net.udp.arrive(peer.request(nominate=False), ("192.0.2.9", port))
    assert (await net.figures()).addresses == limits.SESSION_ADDRESSES


@in_virtual_time
async def test_a_session_has_a_bounded_number_of_sources(system: System) -> None:
    net, owner = Net(system), Probe(system)
    peer, transport = await net.call(owner.ref)
    for ssrc in range(limits.SESSION_SSRCS + 10):
        peer.send_rtp(PACKET[:8] + ssrc.to_bytes(4, "big") + b"x")
    await pass_time(1)
    assert len(owner.of(RtpArrived)) == limits.SESSION_SSRCS
    assert transport.figures.dropped == {"srtp-too-many-sources": 10}


@in_virtual_time
async def test_how_late_a_packet_may_come(system: System) -> None:
    net, owner = Net(system), Probe(system)
    peer, transport = await net.call(owner.ref)
    last = 5 + limits.SRTP_RECEIVE_WINDOW
    protected = {
        sequence: peer.protect(PACKET[:2] + sequence.to_bytes(2, "big") + PACKET[4:]) for sequence in range(last + 1)
    }
    for sequence in (last, last - limits.SRTP_RECEIVE_WINDOW + 1, last - limits.SRTP_RECEIVE_WINDOW):
        peer.out(protected[sequence])
    await pass_time(1)
    assert len(owner.of(RtpArrived)) == 2
    assert transport.figures.dropped == {"srtp-too-old": 1}


@in_virtual_time
async def test_a_sender_that_fell_silent_makes_room_for_a_new_one(system: System) -> None:
    net, owner = Net(system), Probe(system)
    peer, transport = await net.call(owner.ref)

    def send(ssrc: int, sequence: int = 0) -> bytes:
        packet = b"\x80\x60" + (sequence & 0xFFFF).to_bytes(2, "big") + PACKET[4:8] + ssrc.to_bytes(4, "big") + b"x"
        sent = peer.protect(packet)
        peer.out(sent)
        return sent

    first = send(0)
    for ssrc in range(1, limits.SESSION_SSRCS):
        send(ssrc)
    for sequence in range(1, limits.SSRC_IDLE_PACKETS + 2):
        send(9, sequence)
    await pass_time(1)
    peer.out(first)
    send(1000)
    send(1001)
    await pass_time(1)
    assert transport.figures.dropped == {"srtp-replay": 1}
    new = [message.data[8:12] for message in owner.of(RtpArrived)[-2:]]
    assert new == [(1000).to_bytes(4, "big"), (1001).to_bytes(4, "big")]


@in_virtual_time
async def test_a_port_has_a_bounded_number_of_sessions(system: System) -> None:
    net, owner = Net(system, sessions=3, half_open=2), Probe(system)
    await net.open(owner.ref)
    await net.open(owner.ref)
    with pytest.raises(Refused, match="have not finished their handshake") as refused:
        await net.open(owner.ref)
    assert refused.value.refusal is Refusal.LIMIT
    await pass_time(limits.DTLS_TIMEOUT + limits.UDP_SWEEP)
    for _ in range(3):
        await net.call(owner.ref)
    with pytest.raises(Refused, match="all 3"):
        await net.open(owner.ref)


@in_virtual_time
async def test_stopping_the_port_tells_peers_and_owners(system: System) -> None:
    net, owner = Net(system), Probe(system)
    peer, transport = await net.call(owner.ref)
    await net.port.stop(block=False)
    assert (await owner.next(TransportClosed)).reason == "the port was closed"
    assert peer.closed
    assert net.udp.closed
    assert not transport.send_rtcp(b"\x80\xc9\x00\x01\x00\x00\x00\x01")


@in_virtual_time
async def test_a_defect_that_one_peer_meets_ends_that_session_alone(system: System) -> None:
    class Brittle(StunIce):
        def agent(self, local: IceCredentials, remote: IceCredentials, now: int) -> Any:
            agent = super().agent(local, remote, now)
            if remote.ufrag == "bad":
                agent.receive = None  # type: ignore[method-assign, assignment]  # a defect, on purpose
            return agent

    net, owner, unlucky = Net(system, Brittle()), Probe(system), Probe(system)
    failures: list[Any] = []
    system.failures.subscribe(failures.append)
    _, transport = await net.call(owner.ref)
    peer, _ = await net.open(unlucky.ref, Peer(ufrag="bad"))
    peer.check()
    closed = await unlucky.next(TransportClosed)
    assert isinstance(closed.error, TypeError)
    assert [type(failed.error) for failed in failures] == [TypeError]
    assert transport.send_rtp([PACKET])


@in_virtual_time
async def test_a_defect_of_the_port_is_its_failure_and_everybody_is_told(system: System) -> None:
    class Broken(StunIce):
        broken = False

        def ufrag(self, datagram: bytes) -> str | None:
            if self.broken:
                raise LookupError("a defect, on purpose")
            return super().ufrag(datagram)

    ice, owner = Broken(), Probe(system)
    net = Net(system, ice)
    owner.watch(net.port)
    peer, _ = await net.call(owner.ref)
    ice.broken = True
    peer.check()
    assert isinstance((await owner.next(Exited)).error, LookupError)
    assert (await owner.next(TransportClosed)).reason == "the port failed"
    await pass_time(1)
    assert peer.closed
    assert net.udp.closed


@in_virtual_time
async def test_a_port_advertises_what_it_is_told_to(system: System) -> None:
    owner = Probe(system)
    _, transport = await Net(system, advertise=["203.0.113.7", "2001:db8::7"]).open(owner.ref)
    assert transport.candidates == (Address("203.0.113.7", 8189), Address("2001:db8::7", 8189))
    _, transport = await Net(system).open(owner.ref)
    assert transport.candidates == (Address("10.0.0.1", 8189),)


@in_virtual_time
async def test_thousands_of_sessions_leave_nothing_behind(system: System) -> None:
    net, owner = Net(system), Probe(system)
    await net.figures()
    actors = len(system.actors())
    peer = Peer()
    for _ in range(5000):
        transport = await ask(net.port, OpenSession(owner.ref, peer.parameters))
        transport.close("done")
    await pass_time(1)
    assert len(owner.of(TransportClosed)) == 5000
    assert len(system.actors()) == actors
    figures = await net.figures()
    assert (figures.sessions, figures.half_open, figures.addresses) == (0, 0, 0)
    actor = net.port._actor_weakref()
    assert actor is not None
    assert [len(table) for table in (actor._by_ufrag, actor._owners, actor._followed, actor._sources)] == [0] * 4
    assert len(actor._timers) == 1
    assert not actor._tasks
