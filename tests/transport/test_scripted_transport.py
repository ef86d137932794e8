"""The scripted transport behaves as the real one does, as far as an owner can tell."""

from typing import Any

from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.runtime import System
from arcly_actors.transport.dtls_srtp import (
    DtlsSrtpTransport,
    IceCredentials,
    RtcpArrived,
    RtpArrived,
    TransportClosed,
    TransportConnected,
)
from tests.support.scripted_transport import ScriptedTransport, Sent
from tests.support.virtual import Probe, in_virtual_time, pass_time

PACKET = b"\x80\x60" + bytes(10)
REPORT = b"\x80\xc9\x00\x01" + bytes(4)


@in_virtual_time
async def test_a_script_is_played_at_its_times_and_answers_are_recorded(system: System) -> None:
    owner = Probe(system)
    scripted = ScriptedTransport(system, owner.ref)
    transport: DtlsSrtpTransport = scripted
    assert not transport.send_rtp([PACKET])
    scripted.connect()
    scripted.play([RtpArrived(PACKET, 20 * NS_PER_MS), RtcpArrived(REPORT, NS_PER_S)])
    started = system.clock.monotonic_ns()
    assert (await owner.next(RtpArrived)).at - started == 20 * NS_PER_MS
    assert (await owner.next(RtcpArrived)).at - started == NS_PER_S
    assert transport.send_rtp([PACKET, PACKET])
    assert transport.send_rtcp(REPORT)
    assert [sent.data for sent in scripted.rtp] == [PACKET, PACKET]
    assert scripted.rtcp == [Sent(REPORT, started + NS_PER_S)]
    scripted.blocked = True
    assert not transport.send_rtcp(REPORT)
    assert scripted.figures.dropped == {"not-connected": 1, "unsent": 1}
    assert scripted.figures.packets_sent == 3


@in_virtual_time
async def test_owners_come_and_go(system: System) -> None:
    first, second, late = Probe(system), Probe(system), Probe(system)
    scripted = ScriptedTransport(system, first.ref)
    scripted.connect()
    scripted.attach(second.ref)
    scripted.arrive(PACKET)
    scripted.close("done")
    scripted.close("again")
    scripted.attach(late.ref)
    await pass_time(1)
    assert [type(message) for message in first.messages] == [TransportConnected]
    told: list[Any] = second.messages
    assert [type(message) for message in told] == [TransportConnected, RtpArrived, TransportClosed]
    assert told[-1] == TransportClosed("done")
    assert late.messages == [TransportClosed("it was closed already")]
    assert not scripted.send_rtcp(REPORT)


@in_virtual_time
async def test_signalling_is_recorded(system: System) -> None:
    scripted = ScriptedTransport(system)
    before = scripted.local
    after = scripted.restart(IceCredentials("a", "b"))
    scripted.add_candidate("candidate:1 1 udp 1 192.0.2.3 4 typ host")
    assert after == scripted.local != before
    assert scripted.remote == IceCredentials("a", "b")
    assert len(scripted.remote_candidates) == 1
