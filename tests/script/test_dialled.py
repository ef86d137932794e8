"""Sources and sinks in virtual time: what an engine dials is another engine, or a peer of the test's own."""

import asyncio
import itertools
from contextlib import aclosing

import pytest
from pykka import ActorRegistry

import arcly_actors as arcly
from arcly_actors.bus.events import Event, SinkConnected, SourceConnected, SourceFailed
from arcly_actors.clock import NS_PER_S
from arcly_actors.script.network import ScriptedNetwork
from arcly_actors.script.virtual import another, run_engine
from arcly_actors.topology import Address, Endpoints, Http, Rtmp, Rtsp, Srt, Topology, UdpPorts, WebRtc
from arcly_actors.topology.endpoints import MpegTs
from tests.script.clip import clip, sending
from tests.support.loopback import LOOPBACK
from tests.support.virtual import pass_time

FAR = Topology(
    endpoints=Endpoints(
        rtmp=Rtmp(listen=Address("127.0.0.1", 1)),
        rtsp=Rtsp(listen=Address("127.0.0.1", 2), udp_ports=UdpPorts(rtp=4, rtcp=5)),
        srt=Srt(listen=Address("127.0.0.1", 3)),
        http=Http(enabled=False),
        webrtc=WebRtc(enabled=False),
        mpegts=(MpegTs(listen="udp://127.0.0.1:6", key="live/there"),),
    )
)
PULLED = {
    "rtmp": ("rtmp://127.0.0.1:1/live/cam", "auto"),
    "rtsp": ("rtsp://127.0.0.1:2/live/cam", "tcp"),
    "rtsp-udp": ("rtsp://127.0.0.1:2/live/cam", "udp"),
    "srt": ("srt://127.0.0.1:3?streamid=read:live/cam", "auto"),
}
PUSHED = {
    "rtmp": "rtmp://127.0.0.1:1/live/there",
    "rtsp": "rtsp://127.0.0.1:2/live/there",
    "srt": "srt://127.0.0.1:3?streamid=publish:live/there",
    "udp": "udp://127.0.0.1:6?pkt_size=1316",
}


async def pictures(engine: arcly.Engine, key: str, count: int) -> list[bytes]:
    found = []
    stream = await engine.stream(key)
    async with aclosing(stream.frames()) as frames:
        async for frame in frames:
            found.append(frame.payload)
            if len(found) == count:
                break
    return found


Happened = list[tuple[float, Event]]


def pulled(over: str) -> Happened:
    """What happens at an engine whose source's server is not there, then is, is away for a while, and comes back."""
    url, transport = PULLED[over]
    happened: Happened = []

    async def scenario(engine: arcly.Engine) -> None:
        clock = engine.built.system.clock
        began = clock.monotonic_ns()
        engine.events.observable.subscribe(
            lambda event: happened.append(((clock.monotonic_ns() - began) / NS_PER_S, event))
        )
        await engine.pull("live/here", url, transport=transport)
        await pass_time(20 * NS_PER_S)
        for times in (1, 2):
            async with another(engine, FAR) as far, sending(far, "live/cam"):
                while connected(happened) < times:
                    await pass_time(NS_PER_S // 10)
                assert len(set(await pictures(engine, "live/here", 30))) > 20
            await pass_time(5 * NS_PER_S)

    clip()
    run_engine(scenario, LOOPBACK, network=ScriptedNetwork(delay=5_000_000), seed=4)
    return happened


def connected(happened: Happened) -> int:
    return sum(isinstance(event, SourceConnected) for _, event in happened)


@pytest.mark.parametrize("over", PULLED)
def test_a_source_pulls_from_another_engine_and_comes_back_to_it(over: str) -> None:
    happened = pulled(over)
    tried = [at for at, event in happened if isinstance(event, SourceFailed) and at < 20]
    gaps = [after - before for before, after in itertools.pairwise(tried)]
    assert len(tried) > 3
    assert gaps[-1] > 1.3 * gaps[0]  # further and further apart
    assert connected(happened) == 2


def test_backoff_goes_the_same_way_each_time() -> None:
    assert pulled("rtmp") == pulled("rtmp")


def test_what_ffmpeg_would_read_is_told_not_dialled() -> None:
    async def scenario(engine: arcly.Engine) -> list[str]:
        errors: list[str] = []
        engine.events.observable.subscribe(
            lambda event: errors.append(event.error) if isinstance(event, SourceFailed) else None
        )
        await engine.pull("live/here", "http://camera.example/stream.ts")
        await pass_time(2 * NS_PER_S)
        return errors

    assert "scripted network" in run_engine(scenario, LOOPBACK)[0]


class Deaf(asyncio.Protocol):
    """A server that takes connections, and says nothing."""

    def __init__(self) -> None:
        self.said = bytearray()

    def data_received(self, data: bytes) -> None:
        self.said += data


def test_a_peer_of_the_tests_own_answers_under_any_name() -> None:
    network, servers = ScriptedNetwork(), []

    def accept(transport: asyncio.Transport) -> asyncio.Protocol:
        servers.append(Deaf())
        servers[-1].connection_made(transport)
        return servers[-1]

    network.listen(("camera.example", 554), accept)

    async def scenario(engine: arcly.Engine) -> list[str]:
        errors: list[str] = []
        engine.events.observable.subscribe(
            lambda event: errors.append(event.error) if isinstance(event, SourceFailed) else None
        )
        await engine.pull("live/here", "rtsp://camera.example/door")
        await engine.pull("live/there", "rtsp://nobody.example/door")
        await pass_time(60 * NS_PER_S)
        return errors

    errors = run_engine(scenario, LOOPBACK, network=network)
    assert "nobody.example:554: connection refused" in errors
    assert bytes(servers[0].said).startswith(b"OPTIONS rtsp://camera.example/door RTSP/1.0")
    assert 2 < len(servers) < 20


@pytest.mark.parametrize("over", PUSHED)
def test_a_sink_pushes_to_another_engine(over: str) -> None:
    async def scenario(engine: arcly.Engine) -> list[Event]:
        happened: list[Event] = []
        engine.events.observable.subscribe(happened.append)
        async with another(engine, FAR) as far, sending(engine, "live/cam"):
            await engine.push("live/cam", PUSHED[over])
            assert len(await pictures(far, "live/there", 30)) == 30
        return happened

    clip()
    happened = run_engine(scenario, LOOPBACK)
    assert any(isinstance(event, SinkConnected) for event in happened)


def test_an_engine_elsewhere_that_nobody_ended_is_ended_with_the_loop() -> None:
    async def broken_off(engine: arcly.Engine) -> None:
        await another(engine, FAR).__aenter__()
        raise InterruptedError

    with pytest.raises(InterruptedError):
        run_engine(broken_off, LOOPBACK)
    assert ActorRegistry.get_all() == []
