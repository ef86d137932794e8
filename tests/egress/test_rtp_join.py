"""Where a viewer of an RTP feed begins: at the cached GOP, at live, or at the next keyframe, never in the middle."""

from itertools import pairwise

import pytest
from aiortc.codecs import depayload
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from arcly_actors import limits
from arcly_actors.bus.policy import ApplicationPolicy, GopBound, Join
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.media import nal
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp.payload.unit import AccessUnit
from arcly_actors.runtime import System
from tests.support.rtp_viewing import PICTURES, SOUND, TICKS_PER_MS, Fed, FedViewer, counted, name, picture
from tests.support.streams import clip
from tests.support.virtual import in_virtual_time, pass_time


def spacing(units: list[AccessUnit]) -> list[float]:
    """Milliseconds between pictures."""
    return [(after.timestamp - before.timestamp) / TICKS_PER_MS for before, after in pairwise(units)]


@in_virtual_time
async def test_a_joiner_gets_the_gop_once_and_then_goes_on_live(system: System) -> None:
    fed = Fed(system)
    early = FedViewer(fed)
    early.join()
    sent = await fed.play(17)
    viewer = FedViewer(fed)
    assert viewer.join()
    sent += await fed.play(6)
    assert viewer.names() == sent[10:]
    assert viewer.units()[0].keyframe
    steps = spacing(viewer.units())
    assert steps[:6] == [1.0] * 6
    assert steps[6:] == [40.0] * 6
    live, first = viewer.packets()[-1], early.packets()[-1]
    assert live == first, "at live everyone has the very same packets"
    assert early.names() == sent


@in_virtual_time
async def test_sound_begins_at_live(system: System) -> None:
    fed = Fed(system)
    await fed.play(5)
    viewer = FedViewer(fed)
    viewer.join()
    assert viewer.packets(Kind.AUDIO) == []
    await fed.play(2)
    assert viewer.names(Kind.AUDIO) == ["\xf8@200", "\xf8@220", "\xf8@240", "\xf8@260"]


@in_virtual_time
async def test_the_first_viewer_joins_what_was_there_before_the_feed(system: System) -> None:
    before = [picture(index * 40, key=index == 0) for index in range(8)]
    fed = Fed(system, before=before)
    fed.clock = 8
    viewer = FedViewer(fed)
    assert viewer.join()
    sent = await fed.play(1)
    assert viewer.names() == [name(frame.payload) for frame in before] + sent
    assert spacing(viewer.units()) == [1.0] * 7 + [40.0]


@in_virtual_time
async def test_a_large_gop_comes_in_portions_while_live_goes_on(system: System) -> None:
    fed = Fed(system)
    sent = await fed.play(25, gop=100, size=30_000, key_size=200_000)
    viewer = FedViewer(fed)
    viewer.join()
    at_once = sum(len(sent.data) for sent in viewer.transport.rtp)
    assert limits.REPLAY_FIRST <= at_once <= limits.REPLAY_FIRST + 2 * limits.PACER_BURST
    sent += await fed.play(10, gop=100, size=30_000)
    assert viewer.names() == sent
    assert not counted(viewer.names())
    steps = spacing(viewer.units())
    assert steps[:24] == [1.0] * 24
    assert steps[24:] == [40.0] * 10


@in_virtual_time
async def test_many_joiners_share_what_the_loop_can_spare(system: System) -> None:
    fed = Fed(system)
    sent = await fed.play(50, gop=100, size=30_000, key_size=200_000)
    crowd = [FedViewer(fed) for _ in range(60)]
    for viewer in crowd:
        viewer.join()
    before = sum(viewer.transport.figures.packets_sent for viewer in crowd)
    await pass_time(limits.PACER_STEP)
    turn = sum(viewer.transport.figures.packets_sent for viewer in crowd) - before
    assert turn * 1200 <= limits.REPLAY_TURN + 100_000
    sent += await fed.play(25, gop=100, size=30_000)
    assert all(viewer.names() == sent for viewer in crowd)


@in_virtual_time
async def test_without_a_cached_gop_a_viewer_begins_at_the_next_keyframe(system: System) -> None:
    fed = Fed(system, policy=ApplicationPolicy(gop=GopBound(frames=20)))
    sent = await fed.play(15, gop=20)
    assert fed.channel.anchor is None, "pictures and sound together have outgrown it"
    viewer = FedViewer(fed)
    assert not viewer.join()
    assert viewer.viewer.waiting
    sent += await fed.play(10, gop=20)
    assert viewer.names() == sent[20:]
    assert spacing(viewer.units()) == [40.0] * 4


@in_virtual_time
async def test_a_viewer_that_wants_to_join_live_waits_although_there_is_a_gop(system: System) -> None:
    fed = Fed(system)
    sent = await fed.play(5)
    viewer = FedViewer(fed)
    assert not viewer.join(Join.LIVE)
    sent += await fed.play(8)
    assert viewer.names() == sent[10:]


@in_virtual_time
async def test_joining_while_a_keyframe_is_leaving_in_parts(system: System) -> None:
    fed = Fed(system)
    sent = await fed.play(10)
    fed.push(picture(400, key=True, size=200_000))
    sent.append("K@400")
    viewers = []
    for _ in range(8):
        viewer = FedViewer(fed)
        viewer.join()
        viewers.append(viewer)
        await pass_time(3 * NS_PER_MS)
    fed.clock = 11
    sent += await fed.play(3, gop=50)
    assert all(viewer.names() == sent[10:] for viewer in viewers)


@pytest.mark.parametrize("codec", [CodecId.H264, CodecId.H265, CodecId.AV1, CodecId.VP9])
def test_what_a_viewer_puts_together_is_what_was_published(codec: CodecId) -> None:
    made = clip(codec, CodecId.OPUS)

    @in_virtual_time
    async def scenario(system: System) -> None:
        fed = Fed(system, made.tracks)
        frames = list(made.play(4))
        await _pace(fed, frames[: len(frames) // 2 - 20])
        viewer = FedViewer(fed)
        viewer.join()
        await _pace(fed, frames[len(frames) // 2 - 20 :])
        pictures = [frame for frame in frames if frame.track.codec is codec]
        units = viewer.units()
        shown = pictures[-len(units) :]
        assert 30 < len(units) < len(pictures)
        assert shown[0].keyframe
        assert [_essence(codec, unit.payload) for unit in units] == [_essence(codec, each.payload) for each in shown]
        sounds = [frame.payload for frame in frames if frame.track.kind is Kind.AUDIO]
        heard = [unit.payload for unit in viewer.units(Kind.AUDIO)]
        assert heard == sounds[-len(heard) :]
        if codec is CodecId.H264:
            _check_with_aiortc(viewer, shown)

    scenario()


async def _pace(fed: Fed, frames: list[MediaFrame]) -> None:
    for before, frame in pairwise([frames[0], *frames]):
        await pass_time(max(0, frame.dts - before.dts))
        fed.push(frame)


def _essence(codec: CodecId, payload: bytes) -> object:
    """What of a payload has to survive: the pictures; parameter sets and delimiters may come and go."""
    if codec is CodecId.H264:
        return _slices(payload)
    if codec is CodecId.H265:
        return [unit for unit in nal.split(payload) if unit[0] >> 1 & 0x3F < 32]
    return payload


def _slices(payload: bytes) -> list[bytes]:
    return [unit for unit in nal.split(payload) if unit[0] & 0x1F in {1, 5}]


def _check_with_aiortc(viewer: FedViewer, shown: list[MediaFrame]) -> None:
    codec = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90000, payloadType=102)
    stream: list[bytes] = [b""]
    for sent in viewer.transport.rtp:
        packet = rtp.parse(sent.data)
        if packet.ssrc == viewer.ssrc:
            stream[-1] += depayload(codec, packet.payload)
            if packet.marker:
                stream.append(b"")
    wanted = [
        b"".join(b"\0\0\0\1" + unit for unit in nal.split(frame.payload) if unit[0] & 31 in {1, 5}) for frame in shown
    ]
    assert all(got.endswith(want) for got, want in zip(stream[:-1], wanted, strict=True))


@in_virtual_time
async def test_a_stream_that_changes_its_codec_is_not_joined_at_its_old_gop(system: System) -> None:
    fed = Fed(system)
    old = FedViewer(fed)
    old.join()
    await fed.play(5)
    other = Track(0, CodecId.VP8)
    fed.channel.tracks = (other, SOUND)
    fed.feed.follow()
    viewer = FedViewer(fed)
    assert not viewer.join(), "the cached GOP is of another codec"
    fed.push(MediaFrame(other, NS_PER_S, NS_PER_S, b"\x00\x00\x00\x9d\x01\x2a\x10\x00\x10\x00@1;", keyframe=True))
    assert [unit.keyframe for unit in viewer.units()] == [True]
    assert len(old.packets()) == 5


@in_virtual_time
async def test_a_gop_of_another_codec_is_not_read_as_the_present_one(system: System) -> None:
    fed = Fed(system, before=[picture(0, key=True), picture(40)])
    fed.channel.tracks = (Track(0, CodecId.VP8), SOUND)
    fed.feed.close()
    again = Fed(system)
    again.channel = fed.channel
    again.feed = type(fed.feed)(system, fed.channel, frozenset(CodecId))
    viewer = FedViewer(again)
    assert not viewer.join()
    assert viewer.packets() == []


@in_virtual_time
async def test_a_frame_that_no_datagram_takes_is_left_out_and_everyone_stays(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    sent = await fed.play(1)
    fed.push(MediaFrame(SOUND, 41 * NS_PER_MS, 41 * NS_PER_MS, b"\xff\x86" + bytes(4000), keyframe=True))
    assert fed.feed.tracks[Kind.AUDIO].malformed == 1
    sent += await fed.play(2)
    assert viewer.names() == sent
    assert len(viewer.units(Kind.AUDIO)) == 6


def test_the_tracks_of_these_tests_are_what_they_seem() -> None:
    assert (PICTURES.kind, SOUND.kind) == (Kind.VIDEO, Kind.AUDIO)
