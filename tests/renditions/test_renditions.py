"""Renditions on a bus: begun when needed, shared, stopped when idle, and what viewers see when things go wrong."""

from itertools import pairwise

import pytest

from arcly_actors.bus.events import TranscodeFailed, TranscodeStarted, TranscodeStopped
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.renditions import Wish
from arcly_actors.runtime import System
from tests.renditions.clips import NONE, heard, offset_ms, pictures, sound
from tests.renditions.scene import Scene, Show, codecs, logged, on_air, times
from tests.support.virtual import in_virtual_time, pass_time

PICTURES = pictures(NONE)
AAC = sound(CodecId.AAC)
OPUS = sound(CodecId.OPUS)


@in_virtual_time
async def test_browsers_get_opus_and_the_very_same_pictures(system: System) -> None:
    scene = Scene(system)
    show = await on_air(scene, PICTURES, AAC)
    await show.play(0.5)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    assert codecs(channel.tracks) == ["h264", "opus"]
    await show.play(2.0)
    base = logged(scene.base, Kind.VIDEO)
    assert all(one is other for one, other in zip(base, logged(channel, Kind.VIDEO), strict=True))
    made = logged(channel, Kind.AUDIO)
    assert {frame.track for frame in made} == {channel.tracks[1]}
    assert abs(offset_ms(heard(logged(scene.base, Kind.AUDIO)), heard(made))) <= 5
    assert len(scene.of(TranscodeStarted)) == 1
    assert channel.anchor is not None


@in_virtual_time
async def test_a_joiner_finds_the_sound_of_the_pictures_it_starts_with(system: System) -> None:
    scene = Scene(system)
    show = await on_air(scene, PICTURES, AAC)
    await show.play(1.55)  # the newest keyframe is at 800 ms
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    await show.play(0)
    assert channel.anchor is not None
    cached = [channel.log[position].frame for position in range(channel.anchor, channel.log.head)]
    sounds = [frame for frame in cached if frame.track.kind is Kind.AUDIO]
    assert cached[0].dts == sounds[0].dts - sounds[0].dts % (800 * NS_PER_MS) == 800 * NS_PER_MS
    assert times(cached) == sorted(times(cached))  # the backlog is in order
    assert cached[-1].dts - sounds[-1].dts <= 45 * NS_PER_MS


@in_virtual_time
async def test_live_pictures_wait_for_nothing_and_sound_follows_closely(system: System) -> None:
    scene = Scene(system)
    show = await on_air(scene, PICTURES, AAC)
    await show.play(0.5)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    await show.play(0.5)
    at_once: list[bool] = []
    scene.base.feed.subscribe(
        lambda frame: at_once.append(frame.track.kind is Kind.AUDIO or logged(channel)[-1] is frame)
    )
    await show.play(1.0)
    assert len(at_once) > 60
    assert all(at_once)
    frames = logged(channel)
    late = [earlier.dts - later.dts for earlier, later in pairwise(frames) if later.dts < earlier.dts]
    assert max(late) <= 45 * NS_PER_MS
    for kind in (Kind.VIDEO, Kind.AUDIO):
        assert all(later > earlier for earlier, later in pairwise(times(logged(channel, kind))))


@in_virtual_time
async def test_all_viewers_share_one_and_it_stops_a_while_after_the_last(system: System) -> None:
    scene = Scene(system)
    show = await on_air(scene, PICTURES, AAC)
    await show.play(0.2)
    renditions, base = scene.renditions, scene.base
    assert scene.running() == ()
    one, other = renditions.acquire(base, Wish.WEBRTC), renditions.acquire(base, Wish.WEBRTC)
    assert one is other is not base
    await show.play(0.2)
    assert [report.users for report in renditions.reports()] == [2]
    assert len(scene.actors("TranscodeWorker")) == len(scene.running()) == 1
    renditions.release(base, Wish.WEBRTC)
    renditions.release(base, Wish.WEBRTC)
    await show.play(1)
    assert renditions.acquire(base, Wish.WEBRTC) is one  # a page that was loaded again
    renditions.release(base, Wish.WEBRTC)
    renditions.release(base, Wish.WEBRTC)  # one too many
    await pass_time(9 * NS_PER_S)
    assert len(scene.running()) == 1
    await pass_time(2 * NS_PER_S)
    assert (scene.running(), scene.actors("TranscodeWorker"), renditions.reports()) == ((), [], ())
    assert (len(scene.of(TranscodeStarted)), len(scene.of(TranscodeStopped))) == (1, 1)
    assert one.feed.ended
    assert renditions.acquire(base, Wish.WEBRTC) is not one


@pytest.mark.parametrize("wish", [Wish.FLV, Wish.HLS])
@in_virtual_time
async def test_the_stream_itself_will_do_where_nothing_is_to_be_changed(system: System, wish: Wish) -> None:
    scene = Scene(system)
    await (await on_air(scene, PICTURES, AAC)).play(0.3)
    assert scene.renditions.acquire(scene.base, wish) is scene.base
    scene.renditions.release(scene.base, wish)
    assert (scene.running(), scene.renditions.reports()) == ((), ())


@pytest.mark.parametrize("wish", [Wish.FLV, Wish.HLS])
@in_virtual_time
async def test_players_get_aac_of_an_opus_publisher(system: System, wish: Wish) -> None:
    scene = Scene(system)
    show = await on_air(scene, PICTURES, OPUS)
    await show.play(1.0)
    channel = scene.renditions.acquire(scene.base, wish)
    assert codecs(channel.tracks) == ["h264", "aac"]
    assert channel.tracks[1].configuration == bytes.fromhex("1190")
    await show.play(1.5)
    made = logged(channel, Kind.AUDIO)
    assert len(made) > 60
    assert abs(offset_ms(heard(logged(scene.base, Kind.AUDIO)), heard(made))) <= 5


@in_virtual_time
async def test_without_transcoding_it_can_be_joined_at_once(system: System) -> None:
    scene = Scene(system)
    show = await on_air(scene, PICTURES, OPUS)
    await show.play(1.0)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    assert channel.anchor == 0
    assert logged(channel)[0].keyframe
    assert logged(channel)[-1] is logged(scene.base)[-1]
    await show.play(1.0)
    expected = logged(scene.base)
    assert logged(channel) == expected[expected.index(logged(channel)[0]) :]


@in_virtual_time
async def test_it_ends_with_the_stream(system: System) -> None:
    scene = Scene(system)
    show = await on_air(scene, PICTURES, AAC)
    await show.play(0.5)
    base = scene.base
    channel = scene.renditions.acquire(base, Wish.WEBRTC)
    await show.play(0.5)
    ended: list[str] = []
    channel.feed.subscribe(None, lambda _: ended.append("error"), lambda: ended.append("completed"))
    scene.bus.end_all("over")
    await pass_time(NS_PER_S)
    assert ended == ["completed"]
    assert (scene.running(), scene.renditions.reports()) == ((), ())
    scene.renditions.release(base, Wish.WEBRTC)


# -- when things go wrong ------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_transcoder_that_crashes_is_replaced(system: System) -> None:
    scene = Scene(system)
    show = await on_air(scene, PICTURES, AAC)
    await show.play(0.5)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    await show.play(0.5)
    scene.crash(scene.actor("TranscodeWorker"))
    await show.play(1.0)
    (failed,) = scene.of(TranscodeFailed)
    assert ("injected" in failed.error, failed.resting) == (True, False)
    assert len(scene.of(TranscodeStarted)) == 2
    steps = [later - earlier for earlier, later in pairwise(times(logged(channel, Kind.AUDIO)))]
    assert min(steps) > 0
    assert max(steps) <= 90 * NS_PER_MS
    assert len(logged(channel, Kind.VIDEO)) == len(logged(scene.base, Kind.VIDEO))


@in_virtual_time
async def test_transcoders_that_crash_too_often_rest_for_a_while(system: System) -> None:
    scene = Scene(system)
    show = await on_air(scene, sound(CodecId.AAC, 16.0))
    await show.play(0.5)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    for _ in range(6):
        await show.play(0.1)
        scene.crash(scene.actor("TranscodeWorker"))
    await show.play(1)
    assert [failed.resting for failed in scene.of(TranscodeFailed)] == [False] * 5 + [True]
    assert scene.actors("TranscodeWorker") == []
    (report,) = scene.renditions.reports()
    assert report.dropped["transcoder rests"] > 40
    silent = len(logged(channel))
    await show.play(11)
    assert len(logged(channel)) > silent + 50


@in_virtual_time
async def test_a_rendition_that_crashes_goes_on_where_it_was(system: System) -> None:
    scene = Scene(system)
    show = await on_air(scene, PICTURES, AAC)
    await show.play(0.5)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    await show.play(0.5)
    scene.crash(scene.actor("RenditionActor"))
    await show.play(1.0)
    assert scene.running()[0].children[0].restarts == 1
    assert not channel.feed.ended
    assert [id(frame) for frame in logged(channel, Kind.VIDEO)] == [id(frame) for frame in logged(scene.base, Kind.VIDEO)]
    steps = [later - earlier for earlier, later in pairwise(times(logged(channel, Kind.AUDIO)))]
    assert max(steps) <= 90 * NS_PER_MS


@in_virtual_time
async def test_a_frame_that_fails_the_rendition_is_not_met_again(system: System) -> None:
    scene = Scene(system)
    show = await on_air(scene, PICTURES, OPUS)
    await show.play(0.5)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    await show.play(0.1)
    append, broken = channel.append, [True]

    def once(frame: object, at: int) -> int:
        if broken:
            broken.clear()
            raise ValueError("a defect")
        return append(frame, at)  # type: ignore[arg-type]  # what the rendition gave

    channel.append = once  # type: ignore[method-assign]  # a defect in an append
    await show.play(1.0)
    assert len(logged(channel)) == len(logged(scene.base)) - 1
    assert scene.running()[0].children[0].restarts == 1


@in_virtual_time
async def test_renditions_come_back_with_their_supervisor(system: System) -> None:
    scene = Scene(system)
    show = await on_air(scene, PICTURES, AAC)
    await show.play(0.5)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    await show.play(0.2)
    scene.crash(scene.shelf)
    await show.play(0.2)
    scene.start_shelf()
    await show.play(0.5)
    assert len(logged(channel, Kind.VIDEO)) == len(logged(scene.base, Kind.VIDEO))


# -- the publisher changes -----------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_publisher_that_comes_back_is_followed_over_the_seam(system: System) -> None:
    scene = Scene(system)
    source = await scene.publish(tracks=(PICTURES[0].track, AAC[0].track))
    await Show(source, PICTURES, AAC).play(1.0)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    await pass_time(NS_PER_S)
    await source.leave()
    await pass_time(2 * NS_PER_S)
    await (await on_air(scene, PICTURES, AAC)).play(1.0)
    for kind in (Kind.VIDEO, Kind.AUDIO):
        frames = logged(channel, kind)
        assert all(later > earlier for earlier, later in pairwise(times(frames)))
        assert sum(frame.discontinuity for frame in frames) == 1
    assert len(scene.of(TranscodeStarted)) == 1
    assert abs(offset_ms(heard(logged(scene.base, Kind.AUDIO)), heard(logged(channel, Kind.AUDIO)))) <= 5


@in_virtual_time
async def test_tracks_that_change_change_in_the_rendition(system: System) -> None:
    scene = Scene(system)
    source = await scene.publish(tracks=(PICTURES[0].track, AAC[0].track))
    await Show(source, PICTURES, AAC).play(1.0)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    await pass_time(NS_PER_S)
    assert channel.tracks[1].configuration[10:12] == bytes.fromhex("7800")  # libopus, restricted low delay: 120 samples
    await source.leave()
    await (await on_air(scene, PICTURES, OPUS)).play(1.0)
    assert channel.tracks[1] == OPUS[0].track
    assert scene.actors("TranscodeWorker") == []
    sounds = logged(channel, Kind.AUDIO)
    assert sounds[-1] is logged(scene.base, Kind.AUDIO)[-1]
    assert all(later > earlier for earlier, later in pairwise(times(sounds)))
    assert (len(scene.of(TranscodeStarted)), len(scene.of(TranscodeStopped))) == (1, 1)


@in_virtual_time
async def test_tracks_that_were_learnt_after_the_keyframe_are_there_at_once(system: System) -> None:
    scene = Scene(system)
    source = await scene.publish(tracks=(PICTURES[0].track,))
    await Show(source, PICTURES[:3]).play(0.1)
    source.announce((PICTURES[0].track, AAC[0].track))
    await pass_time(1)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    assert codecs(channel.tracks) == ["h264", "opus"]
    scene.renditions.release(scene.base, Wish.WEBRTC)
    await pass_time(11 * NS_PER_S)
    await Show(source, PICTURES[3:15], AAC, begin_ns=100 * NS_PER_MS).play(0.6)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    assert codecs(channel.tracks) == ["h264", "opus"]
    await pass_time(NS_PER_S)
    assert len(logged(channel, Kind.VIDEO)) == len(logged(scene.base, Kind.VIDEO)) == 15
    assert len(logged(channel, Kind.AUDIO)) > 10
