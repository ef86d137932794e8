"""SRT with libsrt's own programs, both ways: FFmpeg, which publishes and plays, and srt-live-transmit."""

import asyncio
import contextlib
from typing import Any

import pytest

from arcly_actors.bus.events import (
    PublishHeld,
    PublishRefused,
    PublishResumed,
    SinkConnected,
    SourceConnected,
    SubscriberRefused,
)
from arcly_actors.media.mpegts.demuxer import TsDemuxer
from tests.interop.conftest import ClipFile
from tests.interop.test_ffmpeg import check_probed
from tests.support.flv_view import fetch
from tests.support.live import live
from tests.support.srt_peers import PASSPHRASE, counted, srt, srt_publishes, transmit, unbroken
from tests.support.udp_relay import relaying
from tests.support.viewers import ffprobe
from tests.support.waiting import until

pytestmark = pytest.mark.interop

SAFE = {"passphrase": PASSPHRASE}


@pytest.fixture
def udp_ports() -> list[int]:
    """Ports that nobody has at the moment, on 127.0.0.1 and 127.0.0.2."""
    import socket  # noqa: PLC0415 - for this fixture alone

    with contextlib.ExitStack() as stack:
        ports = []
        for _ in range(3):
            made = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            made.bind(("0.0.0.0", 0))
            ports.append(made.getsockname()[1])
    return ports


async def test_ffmpeg_publishes_and_plays_and_every_output_has_it(clip_file: ClipFile) -> None:
    async with live(hls={"segment": "500ms"}) as server, srt_publishes(server, clip_file()):
        port = server.port("srt")
        played = await asyncio.gather(
            ffprobe(srt(port, "read:live/cam", latency=120_000)),
            ffprobe(srt(port, "#!::r=live/cam,m=request")),
            ffprobe(server.flv()),
            ffprobe(server.hls()),
        )
        for probed in played:
            check_probed(probed, "h264", "aac")


@pytest.mark.parametrize("stream_id", ["publish:live/cam", "#!::r=live/cam,m=publish", "#!::m=publish,u=me,r=live/cam"])
async def test_whichever_way_a_publisher_says_it(clip_file: ClipFile, stream_id: str) -> None:
    async with live() as server, srt_publishes(server, clip_file(), srt(server.port("srt"), stream_id)):
        (report,) = server.engine.streams()
        assert (str(report.key), report.protocol) == ("live/cam", "srt")
        assert counted(server)["msRTT"] >= 0
        status, told = await fetch(server.http("api/v1/tree"))
        assert status == 200
        assert "msRcvTsbPdDelay" in told


@pytest.mark.parametrize("size", [16, 24, 32])
async def test_encrypted_with_keys_that_change(clip_file: ClipFile, size: int) -> None:
    async with live(srt={**SAFE, "pbkeylen": size}) as server:
        port = server.port("srt")
        changing = srt(port, "publish:live/cam", passphrase=PASSPHRASE, pbkeylen=size, kmrefreshrate=50, kmpreannounce=10)
        async with srt_publishes(server, clip_file(), changing):
            probed = await ffprobe(srt(port, "read:live/cam", passphrase=PASSPHRASE, pbkeylen=size), 2)
            check_probed(probed, "h264", "aac", pictures=40)
            figures = counted(server)
            assert figures["pktRecvKM"] >= 2  # libsrt repeats an announcement until it is confirmed
            assert figures["pktRcvUndecrypt"] == 0


async def test_refusals_are_told_in_the_peers_own_words(clip_file: ClipFile) -> None:
    applications = {"live": {}, "safe": {"srt": SAFE}}
    wrong = {"passphrase": "wrong wrong wrong"}
    async with live(applications=applications) as server, srt_publishes(server, clip_file()):
        port = server.port("srt")

        async def told(stream_id: str, **options: Any) -> str:
            async with transmit(
                srt(port, stream_id, **options), "file://con", "-loglevel", "note", "-to:1", "-a:no"
            ) as it:
                await it.until(lambda: "REJECT reported" in it.errors)
                return it.errors

        wrong_secret, no_secret, needless, nothing, elsewhere, taken = await asyncio.gather(
            told("read:safe/cam", **wrong),
            told("read:safe/cam"),
            told("read:live/cam", **wrong),
            told("read:live/none"),
            told("read:none/cam"),
            told("publish:live/cam"),
        )
        assert "Incorrect passphrase" in wrong_secret
        assert "Password required or unexpected" in no_secret
        assert "Password required or unexpected" in needless
        for refused in (nothing, elsewhere, taken):
            assert "Application-defined rejection reason" in refused
        assert {event.refusal for event in server.events(PublishRefused)} == {"busy"}
        assert {event.refusal for event in server.events(SubscriberRefused)} == {"not-found"}
        assert server.lines("SRT reason")  # one line of this kind in an interval
        assert not server.lines(wrong["passphrase"])


async def test_ten_percent_loss_jitter_and_reordering_cost_no_frame(clip_file: ClipFile) -> None:
    """Latency is four times the longest round trip of the relay (60 ms), in both directions."""
    async with live() as server, relaying(server.port("srt"), seed=3) as relay:
        for weather in (relay.up, relay.down):
            weather.loss, weather.jitter = 0.1, 0.03
        url = srt(relay.port, "publish:live/cam", latency=240_000)
        async with (
            srt_publishes(server, clip_file(), url),
            transmit(srt(relay.port, "read:live/cam", latency=240), "file://con", "-to:12") as viewer,
        ):
            await server.until(lambda: bool(server.engine.streams()))
            await viewer.until(lambda: len(viewer.written) > 150_000, 20)
            figures = counted(server)
            assert figures["pktRcvLoss"] > 20
            assert figures["pktRcvDrop"] == 0
            assert unbroken(bytes(viewer.written)) > 60


@pytest.mark.parametrize("secret", [{}, {"passphrase": PASSPHRASE}], ids=["plain", "encrypted"])
async def test_forward_error_correction_mends_what_is_never_asked_for(
    clip_file: ClipFile, secret: dict[str, str]
) -> None:
    """Both ways, with libsrt's own filter: `arq:never` leaves nothing else that could."""
    application: dict[str, Any] = {"srt": secret} if secret else {}
    wanted: dict[str, Any] = {"latency": 400, "packetfilter": "fec,cols:6,rows:5,arq:never", **secret}
    async with (
        live() as other,
        srt_publishes(other, clip_file()),
        live(applications={"live": application}) as server,
        relaying(server.port("srt"), seed=5) as relay,
        transmit(srt(other.port("srt"), "read:live/cam"), srt(relay.port, "publish:live/cam", **wanted)),
    ):
        await server.until(lambda: bool(server.engine.streams()), 15)
        async with transmit(srt(relay.port, "read:live/cam", **wanted), "file://con", "-to:15") as viewer:
            await viewer.until(lambda: len(viewer.written) > 20_000)
            relay.up.loss = relay.down.loss = 0.03
            await viewer.until(lambda: len(viewer.written) > 200_000, 20)
            came, left = counted(server), counted(server, 1)
            lost = relay.down.counts["lost"]
        assert came["pktRcvFilterSupply"] > 0
        assert came["pktSentNAK"] == left["pktRetrans"] == 0
        assert left["pktSndFilterExtra"] > 50
        gaps = TsDemuxer()
        gaps.feed(bytes(viewer.written))
        assert lost > 8
        assert gaps.counts["continuity"] < lost // 2


async def test_beyond_the_budget_frames_are_dropped_counted_and_the_stream_goes_on(clip_file: ClipFile) -> None:
    async with (
        live() as server,
        relaying(server.port("srt"), seed=4) as relay,
        srt_publishes(server, clip_file(), srt(relay.port, "publish:live/cam", latency=20_000)),
    ):
        relay.up.loss, relay.up.jitter, relay.down.jitter = 0.1, 0.1, 0.1
        await until(lambda: counted(server)["pktRcvDrop"] > 10)
        before = server.logged_pictures()
        await until(lambda: server.logged_pictures() > before + 10)
        assert counted(server)["pktRcvBelated"] > 0


async def test_a_publisher_that_is_killed_is_missed_after_five_seconds_and_its_stream_held(clip_file: ClipFile) -> None:
    async with live(hold="20s") as server:
        async with srt_publishes(server, clip_file()) as publisher:
            viewing = asyncio.create_task(ffprobe(srt(server.port("srt"), "read:live/cam"), 6))
            await until(lambda: server.seats("srt") == 1)
            publisher.kill()
            loop = asyncio.get_running_loop()
            began = loop.time()
            await server.event(PublishHeld)
            assert loop.time() - began < 6.5  # that it is not missed sooner is tried in virtual time
        async with srt_publishes(server, clip_file()):
            await server.event(PublishResumed)
            probed = await viewing
        assert probed["h264"].monotonic
        assert probed["h264"].packets > 60


async def test_sources_call_listen_and_meet_halfway(clip_file: ClipFile, udp_ports: list[int]) -> None:
    called, listening, halfway = udp_ports
    secret = {"passphrase": PASSPHRASE.replace(" ", "%20")}
    sources = [
        {"key": "live/called", "url": srt(called, "#!::r=cam", latency=200, pbkeylen=24, **secret)},
        {"key": "live/listens", "url": srt(listening, mode="listener", **secret)},
        {"key": "live/halfway", "url": srt(halfway, host="127.0.0.2", mode="rendezvous", adapter="127.0.0.1", **secret)},
    ]
    theirs = {"passphrase": PASSPHRASE}
    clip = clip_file()
    async with (
        live(sources=sources) as server,
        srt_publishes(server, clip, srt(called, mode="listener", **theirs), wait=False),
        srt_publishes(server, clip, srt(listening, **theirs), wait=False),
        live() as other,
        srt_publishes(other, clip),
        transmit(
            srt(other.port("srt"), "read:live/cam"),
            srt(halfway, mode="rendezvous", adapter="127.0.0.2", **theirs),
        ),
    ):
        await server.event(SourceConnected, 3, 20)
        for name in ("called", "listens", "halfway"):
            check_probed(await ffprobe(server.flv(f"live/{name}")), "h264", "aac")
        text = f"{server.engine.tree()} {server.seen} {server.log}"
        assert "correct" not in text
        assert "cam" not in "".join(str(each.url) for each in server.events(SourceConnected))


OTHER_END = {"caller": "listener", "listener": "caller", "rendezvous": "rendezvous"}


@pytest.mark.parametrize("mode", OTHER_END)
async def test_a_sink_pushes_to_libsrt(clip_file: ClipFile, udp_ports: list[int], mode: str) -> None:
    port = udp_ports[0]
    more: dict[str, Any] = {"latency": 150, "kmrefreshrate": 40, "kmpreannounce": 10}  # our keys change, too
    ours: dict[str, Any] = {"host": "127.0.0.2", "adapter": "127.0.0.1"} if mode == "rendezvous" else {}
    from_there: dict[str, Any] = {"adapter": "127.0.0.2"} if mode == "rendezvous" else {}
    theirs = srt(port, mode=OTHER_END[mode], passphrase=PASSPHRASE, **from_there)
    url = srt(port, mode=mode, passphrase=PASSPHRASE.replace(" ", "%20"), **ours, **more)
    sinks = [{"key": "live/cam", "url": url}]
    async with (
        live(sinks=sinks) as server,
        transmit(theirs, "file://con") as target,
        srt_publishes(server, clip_file()),
    ):
        await server.event(SinkConnected)
        await target.until(lambda: len(target.written) > 100_000, 15)
        assert unbroken(bytes(target.written)) > 40
