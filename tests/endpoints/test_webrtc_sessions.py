"""Sessions on the real UDP port, in virtual time on a network in memory; thousands of them; a supervisor that fails."""

import pytest

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.endpoints.webrtc import LiteIce
from arcly_actors.endpoints.webrtc_sessions import Session
from arcly_actors.errors import Refusal, Refused
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp import rtcp
from arcly_actors.protocols.rtp.feedback import Nack, Pli
from arcly_actors.protocols.rtp.payload.formats import FORMATS
from arcly_actors.runtime import System
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.webrtc_port import PortFigures, PortStatus, WebRtcPort
from tests.bus.stage import KEY
from tests.support.memory_udp import MemoryUdp
from tests.support.rtc_door import WHEP_OFFER, WHIP_OFFER, Door, play
from tests.support.rtp_sending import Numbers, SentTrack
from tests.support.rtp_viewing import name
from tests.support.streams import clip
from tests.support.virtual import ask, in_virtual_time, pass_time
from tests.support.webrtc_peer import Peer


class Network:
    """A door whose port is the real one on a socket in memory."""

    def __init__(self, system: System) -> None:
        self.udp = MemoryUdp()
        self.door = Door(system)
        listen = Address("10.0.0.1", 8189)
        self.door.port = WebRtcPort.start(system, listen, LiteIce(), advertise=["10.0.0.1"], open_socket=self.udp.open)
        self._ports = iter(range(5000, 6000))

    async def call(self, session: Session, peer: Peer) -> None:
        """ICE and DTLS of a peer whose offer was answered."""
        assert session.linked is not None
        peer.transport = session.linked[0]
        self.udp.place(peer, next(self._ports))
        peer.check()
        await pass_time(5 * NS_PER_MS)
        peer.shake_hands()
        for _ in range(20):
            await pass_time(5 * NS_PER_MS)
        assert peer.connected

    async def figures(self) -> PortFigures:
        found = await ask(self.door.port, PortStatus())
        assert isinstance(found, PortFigures)
        return found


def offer_of(peer: Peer, offer: str) -> str:
    """A recorded offer with this peer's credentials and certificate."""
    parameters = peer.parameters
    print_ = next(each for each in parameters.fingerprints if each.algorithm == "sha-256")
    changed = {
        "a=ice-ufrag:": parameters.ice.ufrag,
        "a=ice-pwd:": parameters.ice.pwd,
        "a=fingerprint:": f"sha-256 {print_.value}",
    }
    lines = [
        next((head + value for head, value in changed.items() if line.startswith(head)), line)
        for line in offer.splitlines()
    ]
    return "\r\n".join(lines) + "\r\n"


@in_virtual_time
async def test_a_viewer_over_dtls_srtp_sees_the_stream_and_repairs_it(system: System) -> None:
    network = Network(system)
    door = network.door
    source = await door.publish()
    sent = await play(source, 14)
    peer = Peer(ufrag="abcd")
    session = await door.sessions.play(KEY, offer_of(peer, WHEP_OFFER), "there", None, {})
    await network.call(session, peer)
    sent += await play(source, 5)
    assert session.linked is not None
    media = next(each for each in session.linked[1].media if each.kind == "video")
    assert media.outgoing is not None
    ssrc = media.outgoing.ssrc
    packets = [packet for data in peer.rtp if (packet := rtp.parse(data)).ssrc == ssrc]
    depacketiser = FORMATS[CodecId.H264].depacketiser()
    shown = [name(unit.payload) for packet in packets for unit in depacketiser.push(packet)]
    assert shown == sent[10:]
    assert peer.refused == 0
    before = len(peer.rtp)
    peer.send_rtcp(rtcp.build(Nack(1, ssrc, (packets[0].sequence, packets[-1].sequence)), Pli(1, ssrc)))
    await pass_time(5 * NS_PER_MS)
    again = [rtp.parse(data) for data in peer.rtp[before:]]
    assert [packet.ssrc for packet in again] == [media.outgoing.rtx_ssrc] * 2
    assert source.wanted == [False]
    assert peer.rtcp
    peer.goodbye()
    await pass_time(NS_PER_S)
    door.check_sessions()
    assert (await network.figures()).sessions == 0


@in_virtual_time
async def test_a_sender_over_dtls_srtp_becomes_a_stream(system: System) -> None:
    network = Network(system)
    door = network.door
    peer = Peer(ufrag="efgh")
    session = await door.sessions.publish(KEY, offer_of(peer, WHIP_OFFER), "there", None, {})
    await network.call(session, peer)
    assert session.linked is not None
    numbers = Numbers()
    tracks = {Kind(each.kind): SentTrack(each, numbers) for each in session.linked[1].media}
    at = 0
    for frame in clip(CodecId.H264, CodecId.OPUS).play(2):
        await pass_time(frame.pts - at)
        at = frame.pts
        for wire in tracks[frame.track.kind].packetise(frame):
            peer.send_rtp(wire)
    await pass_time(200 * NS_PER_MS)
    channel = door.stage.bus._entries[KEY].channel
    assert sum(channel.log[position].frame.track.kind is Kind.VIDEO for position in range(channel.log.head)) == 60
    assert peer.rtcp, "feedback and reports"
    await door.sessions.end(session)
    assert peer.closed, "it was told goodbye"
    door.check_sessions()
    assert (await network.figures()).sessions == 0


@in_virtual_time
async def test_a_peer_that_never_comes_is_forgotten(system: System) -> None:
    network = Network(system)
    door = network.door
    source = await door.publish()
    await play(source, 2)
    session = await door.sessions.play(KEY, offer_of(Peer(), WHEP_OFFER), "there", None, {})
    await door.sessions.publish(KEY.__class__("live", "other"), offer_of(Peer(), WHIP_OFFER), "there", None, {})
    assert (await network.figures()).half_open == 2
    await pass_time(limits.DTLS_TIMEOUT + 2 * limits.UDP_SWEEP)
    assert session.ref is not None
    assert not session.ref.is_alive()
    door.check_sessions()
    assert (await network.figures()).half_open == 0


@pytest.mark.parametrize("kind", ["whep", "whip"])
def test_five_thousand_sessions_leave_nothing(kind: str) -> None:
    @in_virtual_time
    async def scenario(system: System) -> None:
        door = Door(system)
        if kind == "whep":
            await play(await door.publish(), 2)
        actors: int | None = None
        for index in range(2500):
            make = door.play if kind == "whep" else door.send
            caller = await make(connect=index % 5 == 0)
            await door.sessions.end(caller.session)
            assert caller.transport.closed is not None
            door.transports.clear()
            actors = actors or len(system.actors())
        assert len(system.actors()) == actors
        door.check_empty()
        await door.close_stream()

    scenario()


@in_virtual_time
async def test_sessions_whose_supervisor_is_replaced_are_closed(system: System) -> None:
    door = Door(system)
    await play(await door.publish(), 2)
    viewer = await door.play()
    viewer.crash()
    await pass_time(NS_PER_MS)
    await door.supervisor.stop(block=False)
    assert len(door.sessions) == 1, "its actor waited to be restarted, and nobody will"
    door.sessions.abandon_all("WebRTC is being restarted")
    assert viewer.transport.closed is not None
    door.check_empty()
    with pytest.raises(Refused) as refused:
        await door.play()
    assert refused.value.refusal is Refusal.SHUTTING_DOWN
    door.check_empty()
