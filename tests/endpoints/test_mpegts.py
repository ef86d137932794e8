"""The port of a feed in virtual time: publishers come with programmes and go with silence."""

from collections.abc import Callable
from typing import Any

import pykka

from arcly_actors.bus.events import (
    PacketsMissing,
    PublishHeld,
    PublishRefused,
    PublishResumed,
    PublishStarted,
    StreamScrambled,
)
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.endpoints.complaint_log import ComplaintLog
from arcly_actors.endpoints.mpegts import TsFeed, TsPort
from arcly_actors.ingest.ts import TsPublisher
from arcly_actors.media.codec import CodecId
from arcly_actors.runtime import ChildSpec, Supervisor, System, tree
from arcly_actors.runtime.receiver import Crash
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.feed_address import FeedAddress
from arcly_actors.transport.feed_socket import Deliver
from arcly_actors.transport.listener import WhereBound
from tests.bus.stage import RESTARTS, Stage
from tests.support.transport_streams import PACKET, packets, pid_of, recorded
from tests.support.virtual import ask, in_virtual_time, pass_time

DATA = recorded("h264_aac.ts")
DATAGRAMS = [DATA[at : at + 7 * PACKET] for at in range(0, len(DATA), 7 * PACKET)]
STEP = 600 * NS_PER_MS // len(DATAGRAMS)


class MemoryInlet:
    """A socket that the test fills."""

    def __init__(self) -> None:
        self.bound = Address("239.1.1.1", 1234)
        self.closed = False
        self.broken = False
        self._waiting: list[tuple[bytes, str]] = []
        self._wake: Callable[[], None] = lambda: None

    def start(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def read(self, deliver: Deliver) -> None:
        if self.broken:
            raise OSError("the socket broke")
        waiting, self._waiting = self._waiting, []
        for data, source in waiting:
            deliver(data, source)

    def close(self) -> None:
        self.closed = True

    def arrive(self, data: bytes, source: str = "10.0.0.5") -> None:
        self._waiting.append((data, source))
        self._wake()


class Scene:
    """A bus, and the endpoint of one feed."""

    def __init__(self, system: System, key: str = "live/feed", *, silence_ns: int = NS_PER_S) -> None:
        self.stage = Stage(system)
        self.inlets: list[MemoryInlet] = []
        self.port: Ref | None = None
        feed = TsFeed("mpegts", FeedAddress.parse("udp://239.1.1.1:1234"), key, silence_ns=silence_ns)
        complaints = ComplaintLog(system.clock, self.stage.events)

        def open_inlet(_address: FeedAddress) -> MemoryInlet:
            self.inlets.append(MemoryInlet())
            return self.inlets[-1]

        def start() -> Ref:
            self.port = TsPort.start(system, self.stage.bus, feed, complaints, open_inlet)
            return self.port

        self.supervisor: Ref = Supervisor.start(system, "mpegts", children=(ChildSpec("feed", start),), policy=RESTARTS)
        system.run_queue.drain()

    async def play(self, datagrams: list[bytes] = DATAGRAMS, source: str = "10.0.0.5") -> None:
        for data in datagrams:
            self.inlets[-1].arrive(data, source)
            await pass_time(STEP)


@in_virtual_time
async def test_a_feed_is_published_and_held_by_its_silence(system: System) -> None:
    scene = Scene(system)
    assert await ask(scene.port or scene.supervisor, WhereBound()) == (Address("239.1.1.1", 1234),)
    await scene.play()
    (started,) = scene.stage.of(PublishStarted)
    assert (started.key, started.protocol, started.peer) == (StreamKey("live", "feed"), "mpegts", "udp://10.0.0.5")
    (report,) = scene.stage.bus.reports()
    assert [track.codec for track in report.tracks] == [CodecId.H264, CodecId.AAC]
    await pass_time(900 * NS_PER_MS)
    assert scene.stage.of(PublishHeld) == []
    await pass_time(200 * NS_PER_MS)
    assert len(scene.stage.of(PublishHeld)) == 1
    await scene.play(source="10.0.0.6")  # another may take over now
    (resumed,) = scene.stage.of(PublishResumed)
    assert resumed.peer == "udp://10.0.0.6"


@in_virtual_time
async def test_every_programme_has_a_stream(system: System) -> None:
    scene = Scene(system, "live/feed-{program}")
    data = recorded("two_programs.ts")
    await scene.play([data[at : at + 1316] for at in range(0, len(data), 1316)])
    assert {str(event.key) for event in scene.stage.of(PublishStarted)} == {"live/feed-1", "live/feed-2"}
    tracks = {str(report.key): len(report.tracks) for report in scene.stage.bus.reports()}
    assert tracks == {"live/feed-1": 2, "live/feed-2": 1}


@in_virtual_time
async def test_missing_packets_are_told_once_a_second(system: System) -> None:
    scene = Scene(system)
    whole = packets(DATA)
    kept = [packet for number, packet in enumerate(whole) if number % 9 != 5 or number < 30]
    await scene.play([b"".join(kept[at : at + 7]) for at in range(0, len(kept), 7)])
    await pass_time(NS_PER_S)
    told = scene.stage.of(PacketsMissing)
    assert [event.peer for event in told] == ["udp://10.0.0.5"] * len(told)
    assert 1 <= len(told) <= 2
    assert told[0].gaps == 1
    assert sum(event.gaps for event in told) > 2


@in_virtual_time
async def test_an_encrypted_stream_is_told(system: System) -> None:
    scene = Scene(system)
    hidden = [
        packet[:3] + bytes((packet[3] | 0xC0,)) + packet[4:] if pid_of(packet) == 0x101 else packet
        for packet in packets(DATA)
    ]
    await scene.play([b"".join(hidden[at : at + 7]) for at in range(0, len(hidden), 7)])
    assert [event.pid for event in scene.stage.of(StreamScrambled)] == [0x101]
    await pass_time(NS_PER_S)
    assert len(scene.stage.of(PublishStarted)) == 1


@in_virtual_time
async def test_a_key_that_is_taken_is_tried_again(system: System) -> None:
    scene = Scene(system, silence_ns=60 * NS_PER_S)
    other = Scene(system)
    other.stage = scene.stage
    first = TsPort.start(
        system,
        scene.stage.bus,
        TsFeed("b", FeedAddress.parse("udp://239.1.1.2:1"), "live/feed", silence_ns=NS_PER_S),
        ComplaintLog(system.clock, scene.stage.events),
        lambda _address: other.inlets[0],
    )
    system.run_queue.drain()
    await pass_time(NS_PER_MS)
    others = recorded("hevc_mp3.ts")
    for at in range(0, len(others), 7 * PACKET):
        other.inlets[0].arrive(others[at : at + 7 * PACKET], "10.0.0.9")
    await pass_time(NS_PER_MS)
    await scene.play()
    assert len(scene.stage.of(PublishRefused)) == 1
    await pass_time(NS_PER_S)  # the other falls silent, and is held
    await scene.play()
    await pass_time(5 * NS_PER_S)
    assert scene.stage.of(PublishResumed)[-1].peer == "udp://10.0.0.5"
    (report,) = scene.stage.bus.reports()  # or viewers are sent its frames as of the other's tracks (simulation, seed 4)
    assert [track.codec for track in report.tracks] == [CodecId.H264, CodecId.AAC]
    first.stop(block=False)


@in_virtual_time
async def test_a_crash_of_either_is_mended(system: System) -> None:
    scene = Scene(system)
    await scene.play()
    scene.inlets[0].broken = True
    scene.inlets[0].arrive(b"")
    await pass_time(NS_PER_S)
    assert scene.inlets[0].closed
    assert len(scene.inlets) == 2
    await scene.play()
    assert len(scene.stage.of(PublishResumed)) == 1
    (publisher,) = [ref for ref in pykka.ActorRegistry.get_all() if issubclass(ref.actor_class, TsPublisher)]
    inbox: Any = publisher.actor_inbox
    inbox.urgent(Crash(RuntimeError("injected")))
    await pass_time(NS_PER_S)
    assert len(scene.inlets) == 3
    (node,) = tree(scene.supervisor).children
    assert node.restarts == 2
    await scene.play()
    assert len(scene.stage.of(PublishResumed)) == 2
