"""Pushes over WHIP: to aiortc as a server, which decodes them, and to another engine of ours."""

import asyncio
import random
import re
import socket
from pathlib import Path
from typing import Any

import aioice.ice
import pytest
from aiohttp import web

from arcly_actors import limits
from arcly_actors.bus.events import PublishHeld, PublishStarted, SinkConnected, SinkEnded, SinkFailed
from arcly_actors.clock import NS_PER_MS
from arcly_actors.media.codec import CodecId, Kind
from tests.interop.conftest import ClipFile
from tests.interop.test_ffmpeg import check_probed
from tests.support.aiortc_whip_server import WhipServer, whip_server
from tests.support.bars import bars, broadcasting
from tests.support.decoding import decode_bars, first_frames
from tests.support.live import Live, live
from tests.support.publishers import ffmpeg_publishes
from tests.support.viewers import ffprobe
from tests.support.waiting import until

pytestmark = pytest.mark.interop


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiortc names this machine's other addresses no more than a server would."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_families: ["127.0.0.1"])


async def seen(target: WhipServer, pictures: int = 20) -> None:
    """It decodes pictures, which show what was sent, and sound that is to be heard."""
    viewer = target.viewer
    await viewer.until(lambda: viewer.barred >= pictures and viewer.samples >= 16_000 and viewer.loudest > 4_000)
    assert viewer.barred == viewer.decoded


@pytest.mark.parametrize(
    ("codec", "passive"), [(CodecId.H264, True), (CodecId.H264, False), (CodecId.VP8, True), (CodecId.VP8, False)]
)
async def test_aiortc_sees_and_hears_it_in_either_role_of_dtls(codec: CodecId, passive: bool) -> None:
    async with live() as server, whip_server(passive=passive) as target:
        async with broadcasting(server.engine, "live/cam", bars(codec)):
            await server.engine.push("live/cam", target.url())
            await seen(target)
            assert server.seats("push-whip") == 1
            server.engine.end_stream("live/cam")
            await server.event(SinkEnded)
            await target.viewer.until(lambda: len(target.calls) == 2)
        assert target.calls == [("POST", "/whip/studio", ""), ("DELETE", "/session/1", "")]
        assert server.events(SinkFailed) == []
        await target.viewer.until(lambda: target.viewer.ended == {"audio", "video"})


async def test_the_token_is_sent_and_never_shown() -> None:
    async with live() as server, whip_server() as target:
        async with broadcasting(server.engine, "live/cam", bars()):
            target.refusal = web.Response(status=403, text="sesame is no good\n")
            handle = await server.engine.push("live/cam", target.url("whip/hidden-in-the-path"), token="sesame")
            failed = await server.event(SinkFailed)
            assert failed.error == "the server answered 403 Forbidden: *** is no good"
            target.refusal = None
            await server.event(SinkConnected)
            await handle.stop()
            await target.viewer.until(lambda: target.calls[-1][0] == "DELETE")
        assert {authorisation for _, _, authorisation in target.calls} == {"Bearer sesame"}
        shown = f"{server.seen} {server.engine.tree()} {server.log} {server.engine.streams()}"
        assert "sesame" not in shown
        assert "hidden-in-the-path" not in shown


async def test_what_the_server_refuses_is_left_out_and_told() -> None:
    def without_pictures(sdp: str) -> str:
        return re.sub(r"(?<=m=video )\d+", "0", sdp).replace("BUNDLE 0 1", "BUNDLE 1")

    async with (
        live() as server,
        whip_server(answer=without_pictures) as target,
        broadcasting(server.engine, "live/cam", bars()),
    ):
        await server.engine.push("live/cam", target.url())
        connected = await server.event(SinkConnected)
        assert connected.note == "without H264, which the target does not take"
        await target.viewer.until(lambda: target.viewer.samples >= 16_000 and target.viewer.loudest > 4_000)
        assert target.viewer.decoded == 0


async def test_another_engine_takes_what_came_by_rtmp_and_plays_it(clip_file: ClipFile) -> None:
    """Sound is made into Opus on the way, and into AAC again for the target's players."""
    async with live() as target:
        async with live() as server, ffmpeg_publishes(server, clip_file()):
            await server.engine.push("live/cam", f"whip:{target.http('live/copy/whip')}")
            await target.event(PublishStarted)
            check_probed(await ffprobe(target.rtmp("live/copy")), "h264", "aac")
            assert server.events(SinkFailed) == []
        assert (await target.event(PublishHeld)).key.name == "copy"


async def test_another_engine_gets_each_picture() -> None:
    async with live() as target, live() as server, broadcasting(server.engine, "live/cam", bars()):
        await server.engine.push("live/cam", f"whip:{target.http('live/cam/whip')}")
        frames = await first_frames(target, pictures=30)
        pictures = [frame for frame in frames if frame.track.kind is Kind.VIDEO]
        assert pictures[0].keyframe
        assert decode_bars(pictures) == (30, 30)
        assert sum(frame.track.kind is Kind.AUDIO for frame in frames) > 20


async def test_a_target_that_is_down_comes_dies_and_comes_again_while_another_goes_on(clip_file: ClipFile) -> None:
    async with live() as target:
        http, webrtc = target.port("http"), target.port("webrtc")
    endpoints = {
        "rtmp": {"listen": "127.0.0.1:0"},
        "http": {"listen": f"127.0.0.1:{http}"},
        "webrtc": {"listen": f"127.0.0.1:{webrtc}"},
    }
    bad = f"whip:http://127.0.0.1:{http}/live/copy/whip"
    async with live() as good:
        sinks = [{"key": "live/cam", "url": bad}, {"key": "live/cam", "url": f"whip:{good.http('live/copy/whip')}"}]
        async with live(sinks=sinks) as server, ffmpeg_publishes(server, clip_file()):
            failed = await server.event(SinkFailed)
            assert failed.error == f"127.0.0.1:{http}: connection refused"
            await good.event(PublishStarted)
            for _ in range(2):
                async with live(endpoints=endpoints) as target:
                    await target.event(PublishStarted)
                    await target.until_pictures(5)
                before = len(server.events(SinkFailed))
                await server.event(SinkFailed, before + 1)
            assert good.events(PublishHeld) == []
            assert len([each for each in server.events(SinkConnected) if each.url.endswith(f"{http}/***")]) == 2
            check_probed(await ffprobe(good.rtmp("live/copy")), "h264", "aac")


async def test_over_https_the_certificate_has_to_be_good_unless_told_otherwise(certificate: tuple[Path, Path]) -> None:
    tls = {"certificate": str(certificate[0]), "key": str(certificate[1])}
    endpoints = {name: {"listen": "127.0.0.1:0"} for name in ("rtmp", "webrtc")}
    async with live(endpoints={**endpoints, "http": {"listen": "127.0.0.1:0", "tls": tls}}) as target:
        url = f"whips://localhost:{target.port('http')}/live/copy/whip"
        async with live() as server, broadcasting(server.engine, "live/cam", bars()):
            handle = await server.engine.push("live/cam", url)
            failed = await server.event(SinkFailed)
            assert failed.error.startswith(f"the certificate of localhost:{target.port('http')} is not accepted: self")
            await handle.stop()
            await server.engine.push("live/cam", url, verify=False)
            await target.event(PublishStarted)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes 10 or 30 s otherwise takes less than one."""
    monkeypatch.setattr(limits, "ICE_CONSENT", 600 * NS_PER_MS)
    monkeypatch.setattr(limits, "ICE_CONSENT_INTERVAL", 100 * NS_PER_MS)
    monkeypatch.setattr(limits, "DTLS_TIMEOUT", 600 * NS_PER_MS)
    monkeypatch.setattr(limits, "UDP_SWEEP", 100 * NS_PER_MS)


@pytest.mark.usefixtures("impatient")
async def test_a_silent_target_is_kept_and_a_dead_one_is_not() -> None:
    """One that answers our checks may say nothing else, as long as it likes; one that does not answer is gone."""
    async with live() as server, whip_server() as target, broadcasting(server.engine, "live/cam", bars()):
        await server.engine.push("live/cam", target.url())
        await server.event(SinkConnected)
        (dial,) = server.actors("WebRtcDial")
        inbox: Any = dial.actor_inbox
        session = inbox.actor._session
        began = session._consented_at
        await until(lambda: session._consented_at - began > 2 * limits.ICE_CONSENT)
        assert server.events(SinkFailed) == []
        target.go_dark()
        assert (await server.event(SinkFailed)).error == "the peer is gone"
        await server.event(SinkConnected, 2)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("a=ice-pwd:.*", "a=ice-pwd:" + "x" * 22), "no ICE check was answered in time"),
        (
            ("a=fingerprint:.*", "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)),
            "DTLS failed: the handshake failed: the certificate is not",
        ),
    ],
    ids=["password", "fingerprint"],
)
async def test_an_answer_that_is_not_true(change: tuple[str, str], error: str) -> None:
    async with (
        live() as server,
        whip_server(passive=True, answer=lambda sdp: re.sub(*change, sdp)) as target,
        broadcasting(server.engine, "live/cam", bars()),
    ):
        await server.engine.push("live/cam", target.url())
        assert (await server.event(SinkFailed)).error.startswith(error)
        assert server.events(SinkConnected) == []
        await server.event(SinkFailed, 2)
        assert target.calls[1][0] == "DELETE"


async def test_noise_at_its_socket_breaks_nothing() -> None:
    async with live() as server, whip_server() as target, broadcasting(server.engine, "live/cam", bars()):
        await server.engine.push("live/cam", target.url())
        await server.event(SinkConnected)
        (dial,) = server.actors("WebRtcDial")
        inbox: Any = dial.actor_inbox
        chance = random.Random(1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(500):
                address = inbox.actor.candidates[0]
                stranger.sendto(chance.randbytes(chance.randint(1, 200)), (address.host, address.port))
        await seen(target)
        assert server.events(SinkFailed) == []
        assert inbox.actor._session.figures.dropped.total() > 0


async def test_the_engines_end_is_told_to_the_target() -> None:
    async with whip_server() as target:
        async with live() as server:
            playing = asyncio.create_task(_play(server))
            await server.engine.push("live/cam", target.url())
            await server.event(SinkConnected)
        await playing
        assert [method for method, _, _ in target.calls] == ["POST", "DELETE"]


async def _play(server: Live) -> None:
    async with broadcasting(server.engine, "live/cam", bars()):
        await server.event(SinkEnded)
