"""aiortc's whole RTCPeerConnection (its ICE, DTLS, SRTP, jitter buffer and decoder) against our port."""

import asyncio
from typing import Any

import aioice.ice
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from aiortc.sdp import SessionDescription

from arcly_actors.runtime import LoopActor, System, receives
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.dtls_srtp import (
    DtlsSrtpTransport,
    Fingerprint,
    IceCredentials,
    RemoteParameters,
    RtcpArrived,
    RtpArrived,
    TransportClosed,
    TransportConnected,
)
from arcly_actors.transport.webrtc_port import OpenSession, WebRtcPort
from tests.support.stun_ice import StunIce
from tests.support.virtual import ask
from tests.support.waiting import Noticing


class Echo(LoopActor):
    """Sends every RTP packet back under another SSRC."""

    def __init__(self, system: System, seen: "Seen") -> None:
        super().__init__(system)
        self._seen = seen

    @receives(RtpArrived)
    def on_rtp(self, message: RtpArrived) -> None:
        self._seen.rtp += 1
        self._seen.transport.send_rtp([message.data[:8] + b"ours" + message.data[12:]])

    @receives(RtcpArrived, TransportConnected, TransportClosed)
    def on_event(self, message: Any) -> None:
        self._seen.events.append(message)
        self._seen.notice()


class Seen(Noticing):
    """What the echo saw."""

    transport: DtlsSrtpTransport

    def __init__(self) -> None:
        super().__init__()
        self.rtp = 0
        self.events: list[Any] = []

    def has(self, kind: type) -> bool:
        return any(isinstance(event, kind) for event in self.events)


def remote_parameters(offer: SessionDescription, *, active: bool) -> RemoteParameters:
    """From an offer, by aiortc's own reader; `active`: we start DTLS, as it leaves to us."""
    media = offer.media[0]
    assert media.dtls is not None
    assert media.ice is not None
    assert media.ice.usernameFragment is not None
    assert media.ice.password is not None
    prints = tuple(Fingerprint(one.algorithm, one.value) for one in media.dtls.fingerprints)
    return RemoteParameters(IceCredentials(media.ice.usernameFragment, media.ice.password), prints, active)


def answer(transport: DtlsSrtpTransport, mid: str, setup: str) -> str:
    """PCMU both ways."""
    where, local = transport.candidates[0], transport.local
    lines = [
        "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=ice-lite", f"a=group:BUNDLE {mid}",
        f"m=audio {where.port} UDP/TLS/RTP/SAVPF 0", f"c=IN IP4 {where.host}", "a=rtpmap:0 PCMU/8000", f"a=mid:{mid}",
        "a=sendrecv", "a=rtcp-mux", f"a=setup:{setup}", f"a=ice-ufrag:{local.ufrag}", f"a=ice-pwd:{local.pwd}",
        f"a=fingerprint:{transport.fingerprint.algorithm} {transport.fingerprint.value}",
        f"a=candidate:1 1 udp 2130706431 {where.host} {where.port} typ host", "a=end-of-candidates",
    ]  # fmt: skip
    return "".join(f"{line}\r\n" for line in lines)


@pytest.mark.parametrize("active", [False, True])
async def test_a_peer_connection_sends_hears_and_leaves(
    system: System, monkeypatch: pytest.MonkeyPatch, active: bool
) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_families: ["127.0.0.1"])
    seen = Seen()
    port = WebRtcPort.start(system, Address("127.0.0.1", 0), StunIce())
    owner = Echo.start(system, seen)
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        peer.addTrack(AudioStreamTrack())
        await peer.setLocalDescription(await peer.createOffer())
        offer = SessionDescription.parse(peer.localDescription.sdp)
        seen.transport = await ask(port, OpenSession(owner, remote_parameters(offer, active=active)))
        text = answer(seen.transport, offer.media[0].rtp.muxId, "active" if active else "passive")
        await peer.setRemoteDescription(RTCSessionDescription(text, type="answer"))
        await seen.until(lambda: seen.has(TransportConnected))
        async with asyncio.timeout(20):
            frame: Any = await peer.getReceivers()[0].track.recv()
        assert frame.samples > 0
        assert seen.rtp > 0
        await seen.until(lambda: seen.has(RtcpArrived))
        await peer.close()
        await seen.until(lambda: seen.has(TransportClosed))
        assert seen.events[-1] == TransportClosed("the peer closed")
    finally:
        await peer.close()
