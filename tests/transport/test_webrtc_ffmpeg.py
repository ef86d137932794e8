"""FFmpeg's WHIP muxer (in PyAV) against the transport: it waits for us to start DTLS, unless it is told otherwise."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pykka
import pytest
import pytest_asyncio
from aiohttp import web

from arcly_actors.endpoints.webrtc import LiteIce
from arcly_actors.protocols.webrtc import negotiate
from arcly_actors.protocols.webrtc.agreement import LocalParameters, Negotiation, Publish
from arcly_actors.protocols.webrtc.candidate import host_candidates
from arcly_actors.protocols.webrtc.description import Fingerprint as SignalledFingerprint
from arcly_actors.protocols.webrtc.description import Setup, read_peer
from arcly_actors.protocols.webrtc.sdp import parse
from arcly_actors.runtime import System
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.dtls_srtp import (
    Fingerprint,
    IceCredentials,
    RemoteParameters,
    RtpArrived,
    TransportClosed,
    TransportConnected,
)
from arcly_actors.transport.webrtc_port import OpenSession, WebRtcPort
from tests.support.certificates import write_certificate
from tests.support.virtual import Probe, ask

pytestmark = pytest.mark.interop

_FRAMES = 30
_MUXER = f"""
import sys, av, numpy
out = av.open(sys.argv[1], "w", format="whip", options=dict(pair.split("=") for pair in sys.argv[2:]))
video = out.add_stream("libx264", rate=30, options={{"preset": "ultrafast", "profile": "baseline", "bf": "0"}})
video.width, video.height, video.pix_fmt = 160, 90, "yuv420p"
audio = out.add_stream("libopus", rate=48000)
audio.layout = "stereo"
for number in range({_FRAMES}):
    picture = av.VideoFrame.from_ndarray(numpy.full((90, 160, 3), number, numpy.uint8), format="rgb24")
    sound = av.AudioFrame.from_ndarray(numpy.zeros((1, 2 * 960), numpy.float32), format="flt", layout="stereo")
    sound.sample_rate = 48000
    out.mux(video.encode(picture))
    out.mux(audio.encode(sound))
out.mux(video.encode())
out.mux(audio.encode())
out.close()
"""


class Whip:
    """As much of a WHIP server as the muxer needs."""

    def __init__(self, port: pykka.ActorRef[Any], owner: Probe) -> None:
        self.port = port
        self.owner = owner
        self.url = ""
        self.agreed: Negotiation

    async def post(self, request: web.Request) -> web.Response:
        """Answer the offer, with credentials of a session that is opened for what the offer says."""
        text = await request.text()
        peer = read_peer(parse(text))
        prints = tuple(Fingerprint(one.algorithm, one.value) for one in peer.fingerprints)
        active = peer.setup is Setup.PASSIVE
        remote = RemoteParameters(IceCredentials(peer.ufrag, peer.pwd), prints, active)
        transport = await ask(self.port, OpenSession(self.owner.ref, remote))
        local = LocalParameters(
            SignalledFingerprint(transport.fingerprint.algorithm, transport.fingerprint.value),
            transport.local.ufrag,
            transport.local.pwd,
            host_candidates((one.host, one.port) for one in transport.candidates),
            session_id=1,
        )
        self.agreed = negotiate.answer(text, Publish(), local)
        assert self.agreed.active is active
        headers = {"Location": "/session"}
        answer = self.agreed.answer.text()
        return web.Response(status=201, text=answer, content_type="application/sdp", headers=headers)

    async def delete(self, _request: web.Request) -> web.Response:
        """Nothing to do: the transport hears of it itself."""
        return web.Response()


@pytest_asyncio.fixture
async def whip(system: System) -> AsyncIterator[Whip]:
    made = Whip(WebRtcPort.start(system, Address("127.0.0.1", 0), LiteIce()), Probe(system))
    app = web.Application()
    app.router.add_post("/whip", made.post)
    app.router.add_delete("/session", made.delete)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/whip"
    yield made
    await runner.cleanup()


async def check_muxer(whip: Whip, *options: str, active: bool) -> None:
    """It connects, both of its streams arrive whole, and it says goodbye. `active`: we start DTLS."""
    muxer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _MUXER, whip.url, *options, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        _, said = await muxer.communicate()
    assert muxer.returncode == 0, said.decode()
    assert whip.agreed.active is active
    await whip.owner.next(TransportConnected)
    await whip.owner.next(TransportClosed)
    kinds = {media.format.payload_type: media.kind for media in whip.agreed.media if media.format}
    units = {(packet.data[1] & 127, packet.data[4:8]) for packet in whip.owner.of(RtpArrived)}
    arrived = Counter(kinds[payload_type] for payload_type, _ in units)
    assert arrived["video"] == _FRAMES
    assert arrived["audio"] >= _FRAMES  # and what the encoder held back


async def test_the_muxer_waits_for_us_and_its_media_arrives(whip: Whip, tmp_path: Path) -> None:
    await check_muxer(whip, *certificate(tmp_path), active=True)


async def test_the_muxer_starts_when_it_is_told_to(whip: Whip, tmp_path: Path) -> None:
    await check_muxer(whip, "whip_flags=dtls_active", *certificate(tmp_path), active=False)


async def test_the_muxer_connects_as_it_is(whip: Whip) -> None:
    """With GnuTLS, as here, the certificate that it makes is on P-224."""
    await check_muxer(whip, active=True)


@pytest.mark.xfail(strict=True, reason="OpenSSL 4, our DTLS server, refuses certificates on P-224, FFmpeg's with GnuTLS")
async def test_the_muxer_starts_with_the_certificate_that_it_makes_itself(whip: Whip) -> None:
    await check_muxer(whip, "whip_flags=dtls_active", active=False)


def certificate(folder: Path) -> tuple[str, str]:
    """Options of the muxer for a certificate on P-256, as FFmpeg with OpenSSL makes it."""
    chain, key = write_certificate(folder)
    return f"cert_file={chain}", f"key_file={key}"
