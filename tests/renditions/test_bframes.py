"""B-frames: what is seen in real clips, and what becomes of them on the way to WebRTC."""

from collections.abc import Sequence
from itertools import pairwise

import av
import pytest
from av.video.codeccontext import VideoCodecContext
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.bus.events import BFramesDropped, BFramesRefused, TranscodeFailed, TranscodeStarted
from arcly_actors.errors import Refusal, Refused
from arcly_actors.media import avc, nal
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.renditions import BFrames, RenditionPolicy, Wish
from arcly_actors.renditions.bframes import Order, PictureOrder, in_order
from arcly_actors.renditions.video_transcoder import VideoTranscoder, made_without_bframes, shape_of
from arcly_actors.runtime import System
from tests.renditions.clips import BASELINE, NONE, NORMAL, PLAIN, STRICT, TICK, Options, pictures, sound
from tests.renditions.scene import Scene, logged, on_air, times
from tests.support.virtual import in_virtual_time, pass_time

CLIPS = [
    (NONE, Order.NEVER),
    (BASELINE, Order.NEVER),
    (PLAIN, Order.PLAIN),
    (NORMAL, Order.PYRAMID),
    (STRICT, Order.PYRAMID),
]


def decoded(frames: Sequence[MediaFrame]) -> list[int]:
    """The presentation times, in pictures, that a decoder puts out."""
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.extradata = frames[0].track.configuration
    shown = []
    for frame in frames:
        packet = av.Packet(frame.payload)
        packet.pts, packet.dts = frame.pts // TICK, frame.dts // TICK
        shown += [picture.pts for picture in decoder.decode(packet)]
    shown += [picture.pts for picture in decoder.decode(None)]
    return [pts for pts in shown if pts is not None]


# -- what is seen --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "order"), CLIPS)
def test_the_order_of_real_clips(options: Options, order: Order) -> None:
    clip = pictures(options)
    seen = PictureOrder(clip[0].track)
    kept = [frame for frame in clip if not seen.disposable(frame)]
    assert seen.order is order
    assert (len(kept) == len(clip)) == (order is Order.NEVER)
    assert ([frame.pts for frame in kept] == sorted(frame.pts for frame in kept)) == (order is not Order.PYRAMID)


def test_what_is_left_of_a_plain_clip_is_shown_as_it_is_decoded_and_whole() -> None:
    clip = pictures(PLAIN)
    seen = PictureOrder(clip[0].track)
    kept = [in_order(frame) for frame in clip if not seen.disposable(frame)]
    assert all(frame.pts == frame.dts for frame in kept)
    assert all(later.dts > earlier.dts for earlier, later in pairwise(kept))
    assert decoded(kept) == [frame.pts // TICK for frame in kept]
    assert {frame.pts for frame in kept} <= {frame.pts for frame in clip}
    assert kept[0].payload is clip[0].payload


def test_a_source_without_presentation_times_is_judged_by_its_slices() -> None:
    def untimed(options: Options) -> Order:
        clip = pictures(options)
        seen = PictureOrder(clip[0].track)
        for frame in clip:
            seen.disposable(frame.at(pts=frame.dts, dts=frame.dts))
        return seen.order

    assert [untimed(options) for options, _ in CLIPS] == [order for _, order in CLIPS]


@settings(max_examples=120)
@given(st.binary(max_size=60), st.integers(0, 59), st.integers(0, 400))
def test_damage_is_malformed_or_a_picture(noise: bytes, number: int, at: int) -> None:
    payload = pictures(NORMAL)[number].payload
    frame = MediaFrame(pictures(NORMAL)[0].track, 0, 0, payload[:at] + noise + payload[at + len(noise) :])
    assert PictureOrder(frame.track).disposable(frame) in {True, False}


# -- transcoding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [PLAIN, NORMAL, STRICT])
def test_transcoding_keeps_every_picture_its_time_and_its_keyframes(options: Options) -> None:
    clip = pictures(options)
    track = clip[0].track
    shape = shape_of(track, 0)
    target = made_without_bframes(track, shape)
    transcoder = VideoTranscoder(track, target, shape)
    made = [out for frame in clip for out in transcoder.transcode(frame)] + transcoder.finish()
    assert [frame.pts for frame in made] == sorted(frame.pts for frame in clip) == [frame.dts for frame in made]
    assert {frame.pts for frame in made if frame.keyframe} == {frame.pts for frame in clip if frame.keyframe}
    assert decoded(made) == [frame.pts // TICK for frame in made]
    assert {frame.track for frame in made} == {target}
    assert (PictureOrder(target).order, target.width, transcoder.damaged) == (Order.NEVER, 160, 0)


def test_a_picture_that_does_not_decode_costs_only_itself() -> None:
    clip = pictures(NORMAL)
    track = clip[0].track
    shape = shape_of(track, 0)
    transcoder = VideoTranscoder(track, made_without_bframes(track, shape), shape)
    broken = [
        MediaFrame(track, f.pts, f.dts, b"\x00\x00\x00\x05\x41" if n == 7 else f.payload, f.keyframe)
        for n, f in enumerate(clip)
    ]
    made = [out for frame in broken for out in transcoder.transcode(frame)] + transcoder.finish()
    assert len(clip) - 3 <= len(made) < len(clip)
    assert transcoder.damaged == 1


def test_a_source_that_does_not_tell_its_size_is_described_by_its_first_picture() -> None:
    clip = pictures(NORMAL)
    bare = Track(0, CodecId.H264)
    shape = shape_of(bare, 0)
    target = made_without_bframes(bare, shape)
    assert target.configuration == b""
    transcoder = VideoTranscoder(bare, target, shape)
    parameters = avc.read_configuration(clip[0].track.configuration)
    in_band = nal.join([*parameters.sps, *parameters.pps])
    frames = [MediaFrame(bare, f.pts, f.dts, (in_band if f.keyframe else b"") + f.payload, f.keyframe) for f in clip]
    made = [out for frame in frames for out in transcoder.transcode(frame)] + transcoder.finish()
    assert len(made) == len(clip)
    assert made[0].track.width == 160
    assert made[0].track.configuration


# -- in a rendition ------------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_plain_b_frames_are_dropped_and_told(system: System) -> None:
    scene = Scene(system)
    show = await on_air(scene, pictures(PLAIN))
    await show.play(0.6)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    assert channel.tracks == scene.base.tracks
    await show.play(2)
    kept = logged(channel)
    assert all(frame.pts == frame.dts for frame in kept)
    assert decoded(kept) == [frame.pts // TICK for frame in kept]
    assert channel.log[channel.anchor or 0].frame.keyframe
    (report,) = scene.renditions.reports()
    assert report.dropped["b-frames"] == len(logged(scene.base)) - len(kept) > 15
    assert scene.of(BFramesDropped)[0].frames == 1
    scene.renditions.release(scene.base, Wish.WEBRTC)
    await pass_time(11 * 10**9)
    assert sum(told.frames for told in scene.of(BFramesDropped)) == report.dropped["b-frames"]
    assert scene.of(TranscodeStarted) == []


@pytest.mark.parametrize(
    ("options", "bframes"), [(NORMAL, BFrames.DROP), (PLAIN, BFrames.TRANSCODE), (NORMAL, BFrames.TRANSCODE)]
)
@in_virtual_time
async def test_pictures_are_transcoded_where_that_is_the_cure(system: System, options: Options, bframes: BFrames) -> None:
    scene = Scene(system, RenditionPolicy(bframes))
    show = await on_air(scene, pictures(options, 100), sound(CodecId.OPUS))
    await show.play(1.4)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    target = channel.tracks[0]
    assert PictureOrder(target).order is Order.NEVER
    await show.play(3)
    made = logged(channel, Kind.VIDEO)
    assert {frame.track for frame in made} == {target}
    assert made[0].keyframe
    assert [later.pts - earlier.pts for earlier, later in pairwise(made)] == [TICK] * (len(made) - 1)
    assert all(frame.pts == frame.dts for frame in made)
    assert decoded(made) == [frame.pts // TICK for frame in made]
    assert made[0].pts <= 1_400_000_000  # live, not at the next keyframe
    assert len(scene.of(TranscodeStarted)) == 1
    assert (scene.of(TranscodeFailed), scene.of(BFramesDropped)) == ([], [])
    assert times(logged(channel, Kind.AUDIO)) == sorted(times(logged(channel, Kind.AUDIO)))


@in_virtual_time
async def test_a_pyramid_that_appears_later_is_taken_over_in_the_middle_of_its_gop(system: System) -> None:
    clip = pictures(NORMAL, 100, plain=50)
    scene = Scene(system)
    show = await on_air(scene, clip)
    await show.play(1.2)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    await show.play(3)
    frames = logged(channel)
    assert all(later.pts > earlier.pts for earlier, later in pairwise(frames))
    changed = next(number for number, frame in enumerate(frames) if frame.track.version)
    assert frames[changed].keyframe
    assert frames[changed].pts - frames[changed - 1].pts <= TICK
    assert len(scene.of(TranscodeStarted)) == 1
    assert channel.tracks == (frames[-1].track,)


@in_virtual_time
async def test_a_crashed_picture_transcoder_begins_at_the_next_keyframe(system: System) -> None:
    scene = Scene(system)
    show = await on_air(scene, pictures(NORMAL, 100))
    await show.play(1)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    await show.play(0.5)
    scene.crash(scene.actor("TranscodeWorker"))
    await show.play(2)
    frames = logged(channel)
    gap = next(number for number, (one, other) in enumerate(pairwise(frames), 1) if other.pts - one.pts > TICK)
    assert frames[gap].keyframe
    assert frames[gap].pts % (20 * TICK) == 2 * TICK
    assert [frame.pts for frame in frames[gap:]] == [frames[gap].pts + n * TICK for n in range(len(frames) - gap)]
    assert decoded(frames) == [frame.pts // TICK for frame in frames]


@in_virtual_time
async def test_viewers_are_refused_where_the_application_says_so(system: System) -> None:
    scene = Scene(system, RenditionPolicy(BFrames.REFUSE))
    show = await on_air(scene, pictures(PLAIN))
    await show.play(1)
    with pytest.raises(Refused, match="B-frames") as caught:
        scene.renditions.acquire(scene.base, Wish.WEBRTC)
    assert caught.value.refusal is Refusal.UNSUPPORTED
    assert (scene.renditions.reports(), len(scene.of(BFramesRefused))) == ((), 1)
    assert scene.renditions.acquire(scene.base, Wish.FLV) is scene.base  # they play them


@in_virtual_time
async def test_viewers_are_ended_when_b_frames_appear_that_the_application_refuses(system: System) -> None:
    scene = Scene(system, RenditionPolicy(BFrames.REFUSE))
    show = await on_air(scene, pictures(PLAIN))
    await show.play(0.01)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    ended: list[Exception] = []
    channel.feed.subscribe(None, ended.append)
    await show.play(1)
    (error,) = ended
    assert isinstance(error, Refused)
    assert error.refusal is Refusal.UNSUPPORTED
    assert (scene.running(), scene.renditions.reports(), len(scene.of(BFramesRefused))) == ((), (), 1)
