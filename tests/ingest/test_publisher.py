"""Publishers: the slot, its loss, and what an RTMP peer may send."""

import pytest

from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.bus.policy import ApplicationPolicy, Conflict
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import Refusal
from arcly_actors.ingest.publisher import PublishAccepted, Publishing, PublishLost
from arcly_actors.ingest.rtmp import RtmpPublisher
from arcly_actors.media.codec import Kind
from arcly_actors.media.flv_audio import audio_configuration, audio_frame_header
from arcly_actors.media.flv_video import video_configuration, video_frame_header
from arcly_actors.protocols.rtmp.amf0 import Value
from arcly_actors.protocols.rtmp.events import MediaReceived, MetadataReceived
from arcly_actors.runtime import System
from tests.bus.frames import audio
from tests.bus.stage import KEY, Source, Stage
from tests.support.streams import clip
from tests.support.virtual import Probe, in_virtual_time, pass_time

VIDEO, AUDIO = clip().tracks


def rtmp_publisher(stage: Stage, key: StreamKey = KEY) -> tuple[Probe, Ref]:
    owner = Probe(stage.system)
    ref = RtmpPublisher.start(stage.system, stage.bus, Publishing(key, "rtmp", "here"), owner.ref)
    return owner, ref


async def say(ref: Ref, *events: object) -> None:
    for event in events:
        ref.tell(event)
    await pass_time(1)


def headers() -> list[MediaReceived]:
    return [
        MediaReceived(1, "video", 0, video_configuration(VIDEO)),
        MediaReceived(1, "audio", 0, audio_configuration(AUDIO)),
    ]


@in_virtual_time
async def test_an_rtmp_peer_becomes_a_stream(system: System) -> None:
    stage = Stage(system)
    owner, ref = rtmp_publisher(stage)
    await owner.next(PublishAccepted)
    hints: dict[str, Value] = {
        "videocodecid": 7.0,
        "audiocodecid": 10.0,
        "title": "a show",
        "encoder": "x",
        "nothing": None,
    }
    await say(ref, MetadataReceived(1, hints), *headers())
    picture = next(frame for frame in clip().frames if frame.keyframe and frame.track is VIDEO)
    await say(
        ref,
        MediaReceived(1, "video", 40, video_frame_header(VIDEO.codec, keyframe=True) + picture.payload),
        MediaReceived(1, "audio", 42, audio_frame_header(AUDIO) + b"sound"),
        MediaReceived(1, "data", 43, b"whatever"),
    )
    (report,) = stage.bus.reports()
    assert [track.kind for track in report.tracks] == [Kind.VIDEO, Kind.AUDIO]
    channel = stage.bus._entries[KEY].channel
    assert channel.metadata == {"title": "a show"}
    assert [channel.log[position].frame.payload for position in range(2)] == [picture.payload, b"sound"]
    assert all(channel.log[position].frame.arrival == system.clock.monotonic_ns() - 1 for position in range(2))


@pytest.mark.parametrize(
    ("kind", "body", "refusal"),
    [
        ("video", b"\x12" + bytes(9), Refusal.UNSUPPORTED),
        ("video", b"\x17\x00\x00\x00\x00\x01", Refusal.BAD_REQUEST),
        ("audio", b"\xaf\x00\x00", Refusal.BAD_REQUEST),
        ("video", b"\x17", Refusal.BAD_REQUEST),
    ],
)
@in_virtual_time
async def test_what_cannot_be_carried_ends_the_publishing_with_its_reason(
    system: System, kind: str, body: bytes, refusal: Refusal
) -> None:
    stage = Stage(system)
    owner, ref = rtmp_publisher(stage)
    await owner.next(PublishAccepted)
    await say(ref, MediaReceived(1, kind, 0, body))  # type: ignore[arg-type]  # one of the literals
    assert (await owner.next(PublishLost)).refusal is refusal
    assert stage.actors("RtmpPublisher") == []
    assert stage.bus.reports()[0].state == "held"


@in_virtual_time
async def test_a_refused_publisher_stops(system: System) -> None:
    stage = Stage(system)
    source = Source(stage, StreamKey("vod", "x"))
    assert (await source.owner.next(PublishLost)).refusal is Refusal.UNKNOWN_APPLICATION
    assert not source.ref.is_alive()


@in_virtual_time
async def test_a_publisher_whose_slot_is_taken_during_a_restart_is_told(system: System) -> None:
    stage = Stage(system, ApplicationPolicy(on_conflict=Conflict.TAKEOVER))
    source = await stage.publish()
    await source.send(audio(0))
    stage.crash(stage.actor("StreamActor"))
    quick = Source(stage)  # asks at once, the first one in a moment
    await quick.owner.next(PublishAccepted)
    assert (await source.owner.next(PublishLost)).refusal is Refusal.BUSY
    await pass_time(NS_PER_S)
    assert quick.lost == []
    assert stage.bus.reports()[0].state == "live"
