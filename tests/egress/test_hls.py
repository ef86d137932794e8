"""The packager actor, in virtual time."""

import asyncio
import io
from dataclasses import replace

import av
import pytest

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.events import SubscriberJoined, SubscriberLeft
from arcly_actors.clock import NS_PER_S
from arcly_actors.egress.hls_policy import Container, HlsPolicy
from arcly_actors.errors import Refusal
from arcly_actors.media.codec import CodecId
from tests.egress.hls_scene import KEY, Listing, Scene, act, refusal_of, seconds
from tests.support.streams import clip


def test_the_first_playlist_has_what_the_log_has_at_once() -> None:
    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        await scene.play(clip(), 9)
        before = seconds(scene)
        listing = await scene.media()
        assert seconds(scene) == before
        assert len(listing.segments) == 3  # of the 8 s that an unwatched stream keeps
        assert listing.durations == [2.0] * 3
        assert listing.target == 2
        assert not listing.discontinuities
        assert "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:2" in listing.text

    act(script)


def test_the_first_request_waits_for_the_first_segment() -> None:
    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        playing = asyncio.ensure_future(scene.play(clip(), 5))
        await scene.wait(0.5)
        asked = [asyncio.ensure_future(scene.get(name)) for name in ("index.m3u8", "media.m3u8")]
        master, media = await asyncio.gather(*asked)
        assert 2.0 <= seconds(scene) < 2.1
        assert b"media.m3u8" in master
        assert len(Listing(media.decode()).segments) == 1
        await playing

    act(script)


def test_the_first_request_does_not_wait_for_ever() -> None:
    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        await scene.send([frame for frame in clip().frames if frame.track.id == 1])
        before = seconds(scene)
        assert await refusal_of(scene.get("index.m3u8")) is Refusal.NOT_FOUND
        assert seconds(scene) - before == pytest.approx(15.0)

    act(script)


def test_a_stream_that_nobody_publishes_is_refused_and_leaves_nothing_behind() -> None:
    async def script(scene: Scene) -> None:
        assert await refusal_of(scene.get("index.m3u8")) is Refusal.NOT_FOUND
        assert await refusal_of(scene.get("segment-1.m4s")) is Refusal.NOT_FOUND
        await scene.wait(0.1)
        assert not list(scene.origin.packaged)

    act(script)


def test_an_application_without_hls_is_unknown() -> None:
    async def script(scene: Scene) -> None:
        scene.origin._policies = {}
        assert await refusal_of(scene.get("index.m3u8")) is Refusal.UNKNOWN_APPLICATION

    act(script)


def test_the_window_moves_and_what_left_it_is_kept_for_another_window() -> None:
    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        playing = asyncio.ensure_future(scene.play(clip(), 31))
        await scene.wait(5)
        first = await scene.media()
        await scene.wait(13)
        later = await scene.media()
        assert later.sequence > first.sequence
        assert len(later.segments) == 6
        assert await scene.get(first.segments[0])
        await scene.wait(11.5)
        assert await refusal_of(scene.get(first.segments[0])) is Refusal.NOT_FOUND
        assert await scene.get(later.segments[0])
        await playing

    act(script)


def test_one_seat_for_all_players_and_none_after_the_last() -> None:
    async def script(scene: Scene) -> None:
        seats: list[object] = []
        scene.events.observable.subscribe(seats.append)
        await scene.publish(clip().tracks)
        playing = asyncio.ensure_future(scene.play(clip(), 60))
        await scene.wait(3)
        await asyncio.gather(*(scene.get("media.m3u8", f"viewer {index}") for index in range(50)))
        assert await scene.origin.viewers(KEY) == 50
        joined = [seat for seat in seats if isinstance(seat, SubscriberJoined)]
        assert [(seat.protocol, seat.key) for seat in joined] == [("hls", KEY)]
        await scene.wait(29.5)
        assert list(scene.origin.packaged) == [KEY]
        await scene.wait(1)
        assert not list(scene.origin.packaged)
        (left,) = [seat for seat in seats if isinstance(seat, SubscriberLeft)]
        assert left.reason == "nobody watches"
        assert await scene.origin.viewers(KEY) == 0
        again = await scene.media()
        assert again.segments
        await playing

    act(script)


def test_numbers_never_repeat_when_packaging_starts_anew() -> None:
    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        playing = asyncio.ensure_future(scene.play(clip(), 60))
        await scene.wait(9)
        first = await scene.media()
        await scene.wait(40)
        second = await scene.media()
        assert second.sequence > first.sequence + len(first.segments)
        assert not set(first.segments) & set(second.segments)
        await playing

    act(script, HlsPolicy(idle_ns=5 * NS_PER_S))


def test_while_held_the_playlist_stands_still_and_a_resume_is_marked() -> None:
    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        await scene.play(clip(), 4.5)
        await scene.media()
        scene.release()
        await scene.wait(0.1)
        held = await scene.media()
        assert held.durations == [2.0, 2.0, 0.5]
        await scene.wait(5)
        assert (await scene.media()).text == held.text
        await scene.publish(clip().tracks)
        await scene.play(clip(), 4.5)
        resumed = await scene.media()
        assert resumed.segments[:3] == held.segments
        assert resumed.discontinuities == 1
        assert len(resumed.inits) == 2
        lines = resumed.lines
        assert lines.index("#EXT-X-DISCONTINUITY") < lines.index(f'#EXT-X-MAP:URI="{resumed.inits[1]}"')
        assert not resumed.ended

    act(script)


def test_a_takeover_by_another_resolution_has_its_own_initialisation() -> None:
    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        await scene.play(clip(), 4.5)
        await scene.media()
        scene.release()
        wide = clip(width=320)
        await scene.publish(wide.tracks)
        await scene.play(wide, 4.5)
        listing = await scene.media()
        one, other = [await scene.get(name) for name in listing.inits]
        assert one != other
        assert b"RESOLUTION=320x96" in await scene.get("index.m3u8")

    act(script)


def sounds_of(data: bytes) -> list[str]:
    """The codec of each sound packet."""
    with av.open(io.BytesIO(data), "r") as source:
        return [packet.stream.codec_context.name for packet in source.demux(audio=0) if packet.size]


@pytest.mark.parametrize("container", list(Container))
def test_the_sound_of_an_opus_publisher_is_packaged_as_aac(container: Container) -> None:
    async def script(scene: Scene) -> None:
        opus = clip(audio=CodecId.OPUS)
        await scene.publish(opus.tracks)
        await scene.play(opus, 6.5)
        listing = await scene.media()
        assert len(listing.segments) == 3
        assert listing.discontinuities == 0
        init = await scene.get(listing.inits[0]) if listing.inits else b""
        for name in listing.segments:
            sounds = sounds_of(init + await scene.get(name))
            assert set(sounds) == {"aac"}
            assert len(sounds) == pytest.approx(94, abs=4)  # two seconds of 1024 samples
        assert b"mp4a.40.2" in await scene.get("index.m3u8")

    act(script, HlsPolicy(container=container))


def test_sound_that_changes_to_one_that_players_do_not_know_goes_on_as_aac() -> None:
    async def script(scene: Scene) -> None:
        opus = clip(audio=CodecId.OPUS)
        await scene.publish(clip().tracks)
        await scene.play(clip(), 4.5)
        first = await scene.media()
        scene.release()
        await scene.publish(opus.tracks)
        await scene.play(opus, 6.5)
        listing = await scene.media()
        assert listing.discontinuities == 1
        assert listing.sequence == first.sequence
        assert len(listing.segments) >= len(first.segments) + 3
        init = await scene.get(listing.inits[-1])
        assert set(sounds_of(init + await scene.get(listing.segments[-1]))) == {"aac"}
        assert (len(scene.renditions.reports()), len(listing.segments)) == (1, len(set(listing.segments)))

    act(script)


def test_after_the_end_the_playlist_says_so_for_a_while() -> None:
    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        await scene.play(clip(), 5)
        await scene.media()
        scene.bus.end(KEY, "over")
        await scene.wait(0.1)
        ended = await scene.media()
        assert ended.ended
        assert ended.durations == [2.0, 2.0, 1.0]
        await scene.wait(limits.HLS_ENDED / NS_PER_S - 1)
        assert (await scene.media()).ended
        await scene.wait(2)
        assert await refusal_of(scene.get("media.m3u8")) is Refusal.NOT_FOUND
        assert not list(scene.origin.packaged)

    act(script, hold=0)


def test_a_stream_published_anew_after_its_end_has_a_new_playlist() -> None:
    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        await scene.play(clip(), 5)
        first = await scene.media()
        scene.bus.end(KEY, "over")
        await scene.wait(5)
        await scene.publish(clip().tracks)
        await scene.play(clip(), 3)
        anew = await scene.media()
        assert not anew.ended
        assert len(anew.segments) == 1
        assert anew.sequence >= first.sequence + len(first.segments)

    act(script, hold=0)


def test_who_waits_when_a_stream_ends_is_told() -> None:
    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        asked = asyncio.ensure_future(scene.get("media.m3u8"))
        await scene.wait(1)
        scene.bus.end(KEY, "over")
        assert await refusal_of(asked) is Refusal.NOT_FOUND
        assert seconds(scene) == pytest.approx(1.0)

    act(script)


def test_a_segment_cut_short_by_the_end_is_enough_to_play() -> None:
    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        asked = asyncio.ensure_future(scene.get("media.m3u8"))
        await scene.play(clip(), 1)
        scene.bus.end(KEY, "over")
        listing = Listing((await asked).decode())
        assert (listing.durations, listing.ended) == ([1.0], True)

    act(script)


def test_a_publisher_that_sends_keyframes_on_request_is_asked() -> None:
    async def script(scene: Scene) -> None:
        made = clip(gop=300, seconds=10)
        asked: list[object] = []
        scene.events.observable.subscribe(lambda event: asked.append(event) if "Keyframe" in repr(event) else None)
        await scene.publish(made.tracks, answers_keyframes=True)
        await scene.send(made.play(1))
        asyncio.ensure_future(scene.get("media.m3u8")).add_done_callback(lambda done: done.exception())
        await scene.send(made.play(8, start=NS_PER_S))
        assert len(asked) >= 3

    act(script)


def test_one_whose_keyframes_cannot_be_asked_for_is_waited_for() -> None:
    """An encoder over RTMP is told nothing; the packager is told that, and goes on at its next keyframe."""

    async def script(scene: Scene) -> None:
        made = clip(gop=300, seconds=11)
        await scene.publish(made.tracks)
        playlist = asyncio.ensure_future(scene.media())
        await scene.send(made.play(11))
        assert (await playlist).durations == [10.0]

    act(script)


def test_transport_stream_playlists_have_no_initialisation() -> None:
    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        await scene.play(clip(), 5)
        listing = await scene.media()
        assert listing.inits == []
        assert all(name.endswith(".ts") for name in listing.segments)
        assert (await scene.get(listing.segments[0]))[:1] == b"G"
        other = listing.segments[0].replace(".ts", ".m4s")
        assert await refusal_of(scene.get(other)) is Refusal.NOT_FOUND

    act(script, HlsPolicy(container=Container.MPEGTS))


def test_the_master_tells_what_was_measured() -> None:
    async def script(scene: Scene) -> None:
        made = clip(CodecId.H265, CodecId.AC3)
        await scene.publish(made.tracks)
        await scene.play(made, 7)
        master = (await scene.get("index.m3u8")).decode()
        listing = await scene.media()
        sizes = [len(await scene.get(name)) * 4 for name in listing.segments]
        assert f"BANDWIDTH={max(sizes)},AVERAGE-BANDWIDTH={-(-sum(sizes) // len(sizes))}," in master
        assert "RESOLUTION=160x96,FRAME-RATE=30.000" in master
        assert 'CODECS="hvc1.' in master
        assert ',ac-3"' in master

    act(script)


def test_sound_alone_is_packaged() -> None:
    async def script(scene: Scene) -> None:
        made = clip(None, CodecId.AAC)
        await scene.publish(made.tracks)
        await scene.play(made, 7)
        listing = await scene.media()
        assert len(listing.segments) == 3
        assert "RESOLUTION" not in (await scene.get("index.m3u8")).decode()

    act(script)


def test_bytes_on_the_shelf_are_bounded() -> None:
    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        playing = asyncio.ensure_future(scene.play(clip(), 20))
        await scene.wait(19)
        listing = await scene.media()
        assert len(listing.segments) == 3
        kept = [len(await scene.get(name)) for name in [*listing.inits, *listing.segments]]
        assert sum(kept) <= 120_000
        await playing

    act(script, HlsPolicy(shelf_bytes=120_000))


def test_too_many_waiting_players_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HLS_WAITERS", 3)

    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        asked = [asyncio.ensure_future(scene.get("media.m3u8")) for _ in range(4)]
        await scene.wait(0.1)
        assert await refusal_of(asked[3]) is Refusal.LIMIT
        await scene.play(clip(), 2.5)
        assert len({await request for request in asked[:3]}) == 1

    act(script)


def test_too_many_packaged_streams_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HLS_STREAMS", 0)

    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        assert await refusal_of(scene.get("media.m3u8")) is Refusal.LIMIT

    act(script)


def test_a_frame_that_arrives_is_dated_by_its_arrival() -> None:
    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        late = 100 * NS_PER_S
        await scene.send([replace(frame, captured=0, arrival=late + frame.dts) for frame in clip().play(3)])
        listing = await scene.media()
        assert "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:15:00" in listing.text

    act(script)


def test_the_bus_refuses_while_it_shuts_down() -> None:
    async def script(scene: Scene) -> None:
        scene.origin._bus = Bus(scene.system, {}, scene.events, lambda _, __: ())
        assert await refusal_of(scene.get("media.m3u8")) is Refusal.SHUTTING_DOWN

    act(script)
