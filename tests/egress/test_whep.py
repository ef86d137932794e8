"""The session of a WebRTC viewer: what it asks of the stream, what it survives, that nothing of it is left."""

import asyncio

import pytest

from arcly_actors import limits
from arcly_actors.bus.events import KeyframeRequested, SubscriberDegraded, SubscriberJoined, SubscriberRecovered
from arcly_actors.bus.policy import ApplicationPolicy, GopBound
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.egress.rtp_line import RtpLine
from arcly_actors.endpoints.webrtc_sessions import Session
from arcly_actors.errors import Refusal, Refused
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import Track
from arcly_actors.protocols.rtp.feedback import Fir, Pli
from arcly_actors.protocols.rtp.reporting import ReceiverReport, ReportBlock, SenderReport
from arcly_actors.runtime import ChildGaveUp, System
from tests.bus.stage import KEY
from tests.support.rtc_door import WHEP_OFFER, Caller, Door, play
from tests.support.rtp_viewing import PICTURES, SOUND, picture
from tests.support.virtual import in_virtual_time, pass_time


@in_virtual_time
async def test_a_viewer_sees_the_cached_gop_and_then_live(system: System) -> None:
    door = Door(system)
    source = await door.publish()
    sent = await play(source, 17)
    viewer = await door.play()
    sent += await play(source, 5)
    assert viewer.names() == sent[10:]
    assert source.wanted == []
    await door.sessions.end(viewer.session)
    assert viewer.transport.closed is not None
    door.check_empty()
    await door.close_stream()


@in_virtual_time
async def test_an_outgrown_gop_has_a_keyframe_asked_for(system: System) -> None:
    door = Door(system, ApplicationPolicy(gop=GopBound(frames=9)))
    source = await door.publish()
    sent = await play(source, 6)
    viewer = await door.play()
    await pass_time(NS_PER_MS)
    assert source.wanted == [False]
    assert viewer.packets() == []
    sent += await play(source, 6)
    assert viewer.names() == sent[10:]
    await door.close_stream()


@in_virtual_time
async def test_a_hundred_viewers_complaints_are_few_requests(system: System) -> None:
    door = Door(system)
    source = await door.publish()
    await play(source, 3, gop=1000)
    viewers = [await door.play() for _ in range(100)]
    before = len(source.wanted)
    for _ in range(10):
        for viewer in viewers:
            viewer.tell(Pli(1, viewer.ssrc(Kind.VIDEO)))
        await play(source, 2, gop=1000)
        await pass_time(20 * NS_PER_MS)
    assert 1 <= len(source.wanted) - before <= 3
    assert len(door.stage.of(KeyframeRequested)) == len(source.wanted)
    await door.close_stream()


@in_virtual_time
async def test_a_request_goes_on_until_a_real_keyframe_comes_and_turns_into_a_fir(system: System) -> None:
    door = Door(system)
    source = await door.publish()
    await play(source, 3, gop=1000)
    viewer = await door.play()
    viewer.tell(Fir(1, ((viewer.ssrc(Kind.VIDEO), 3),)))
    await play(source, 75, gop=1000)
    assert source.wanted == [False] * 4 + [True] * 3
    viewer.tell(Fir(1, ((viewer.ssrc(Kind.VIDEO), 3),)))
    await source.send(picture(source.clock * 40, key=True))
    await play(source, 1, gop=10_000)
    asked = len(source.wanted)
    viewer.tell(Fir(1, ((viewer.ssrc(Kind.VIDEO), 3),)))
    await play(source, 50, gop=10_000)
    assert len(source.wanted) == asked, "that number was heeded"
    viewer.tell(Fir(1, ((viewer.ssrc(Kind.VIDEO), 4),)))
    await pass_time(NS_PER_MS)
    assert len(source.wanted) == asked + 1
    await door.close_stream()


@in_virtual_time
async def test_where_nobody_makes_keyframes_the_cached_gop_is_sent_again(system: System) -> None:
    door = Door(system)
    source = await door.publish(keyframes=False)
    sent = await play(source, 14)
    viewer, other = await door.play(), await door.play()
    for _ in range(20):
        viewer.tell(Pli(1, viewer.ssrc(Kind.VIDEO)))
        await pass_time(20 * NS_PER_MS)
    assert viewer.names() == sent[10:] + sent[10:]
    sent += await play(source, 3)
    assert viewer.names() == sent[10:14] + sent[10:]
    assert other.names() == sent[10:]
    stamps = [unit.timestamp for unit in viewer.units()]
    assert stamps == sorted(set(stamps))
    await door.close_stream()


async def congest(viewer: Caller, seconds: float) -> None:
    for count in range(round(seconds * 4)):
        viewer.tell(ReceiverReport(1, (ReportBlock(viewer.ssrc(Kind.VIDEO), 90, 35 * count, 100 * count),)))
        await pass_time(NS_PER_S // 4)


@in_virtual_time
async def test_a_bad_path_is_told_and_recovers_at_a_keyframe_that_is_asked_for(system: System) -> None:
    door = Door(system)
    source = await door.publish()
    sent = await play(source, 1, gop=10_000)
    viewer, other = await door.play(), await door.play()
    await congest(viewer, 2.5)
    assert [event.number for event in door.stage.of(SubscriberDegraded)] == [1]
    sent += await play(source, 100, gop=10_000)
    assert viewer.names() == sent[:1]
    assert source.wanted, "the path was good for long enough"
    await source.send(picture(source.clock * 40, key=True))
    source.clock += 1
    sent.append("K@4040")
    sent += await play(source, 30, gop=10_000)
    assert viewer.names() == [sent[0], *sent[101:]]
    assert [event.number for event in door.stage.of(SubscriberRecovered)] == [1]
    assert other.names() == sent
    await door.close_stream()


@in_virtual_time
async def test_a_crashed_session_is_back_on_the_same_transport_without_a_gap(system: System) -> None:
    door = Door(system)
    source = await door.publish()
    sent = await play(source, 14)
    viewer = await door.play()
    for _ in range(3):
        sent += await play(source, 7, gop=50)
        viewer.crash()
        sent += await play(source, 20, gop=50)
    assert len(door.transports) == 1
    assert viewer.transport.closed is None
    assert viewer.names() == sent[10:]
    assert len(viewer.names(Kind.AUDIO)) == 2 * len(sent[14:])
    await door.sessions.end(viewer.session)
    door.check_empty()
    await door.close_stream()


@in_virtual_time
async def test_a_session_that_fails_too_often_is_given_up_and_nothing_is_left(system: System) -> None:
    door = Door(system)
    source = await door.publish()
    await play(source, 3)
    viewer = await door.play()
    for _ in range(8):
        if viewer.actor.is_alive():
            viewer.crash()
        await play(source, 30)
    assert any(isinstance(event, ChildGaveUp) for event in door.seen)
    assert viewer.transport.closed is not None
    door.check_empty()
    await door.close_stream()


@in_virtual_time
async def test_a_session_that_is_ended_while_it_is_down_does_not_come_back(system: System) -> None:
    door = Door(system)
    source = await door.publish()
    await play(source, 3)
    viewer = await door.play()
    viewer.crash()
    await pass_time(NS_PER_MS)
    assert not viewer.actor.is_alive()
    await door.sessions.end(viewer.session)
    door.check_empty()
    joined = len(door.stage.of(SubscriberJoined))
    await pass_time(10 * NS_PER_S)
    assert len(door.stage.of(SubscriberJoined)) == joined
    await door.close_stream()


@pytest.mark.parametrize("kind", ["StreamActor", "GopCacheActor"])
def test_viewers_stay_when_the_streams_actors_crash(kind: str) -> None:
    @in_virtual_time
    async def scenario(system: System) -> None:
        door = Door(system)
        source = await door.publish()
        sent = await play(source, 4)
        viewer = await door.play()
        sent += await play(source, 3)
        door.stage.crash(door.stage.actor(kind))
        await pass_time(NS_PER_S)
        sent += await play(source, 20)
        assert viewer.transport.closed is None
        got = viewer.names()
        assert [each for each in got if each in sent] == got
        assert got[-5:] == sent[-5:]
        viewer.tell(Pli(1, viewer.ssrc(Kind.VIDEO)))
        await pass_time(NS_PER_S)
        assert source.wanted, "it has a seat at the new one"
        late = await door.play()
        assert late.names()[0][0] == "K"
        await door.close_stream()

    scenario()


@in_virtual_time
async def test_a_stream_actor_that_crashes_while_the_offer_is_answered_costs_nothing(system: System) -> None:
    door = Door(system)
    source = await door.publish()
    await play(source, 3)
    door.slow_ns = 5 * NS_PER_S
    pending = asyncio.create_task(door.sessions.play(KEY, WHEP_OFFER, "there", None, {}))
    await pass_time(NS_PER_S)
    door.stage.crash(door.stage.actor("StreamActor"))
    session = await pending
    await pass_time(NS_PER_S)
    assert sum(each.closed is None for each in door.transports) == 1
    await door.sessions.end(session)
    door.check_empty()
    await door.close_stream()


@pytest.mark.parametrize("slow_ns", [0, NS_PER_S // 10])
@pytest.mark.parametrize("turns", [*range(8), 20])
def test_a_session_that_crashes_before_its_answer_leaves_nothing(turns: int, slow_ns: int) -> None:
    @in_virtual_time
    async def scenario(system: System) -> None:
        door = Door(system)
        source = await door.publish()
        await play(source, 3)
        door.slow_ns = slow_ns
        pending = asyncio.create_task(door.sessions.play(KEY, WHEP_OFFER, "there", None, {}))
        for _ in range(turns):
            await asyncio.sleep(0)
        for ref in door.stage.actors("WhepSession"):
            door.stage.crash(ref)
        try:
            session = await pending
        except Refused:
            pass
        else:
            await pass_time(NS_PER_S)
            await door.sessions.end(session)
        await pass_time(limits.ORPHAN_TIMEOUT)
        door.check_empty()
        await door.close_stream()

    scenario()


@pytest.mark.parametrize("slow_ns", [0, NS_PER_S])
@pytest.mark.parametrize("turns", [*range(8), 20])
def test_a_client_that_goes_while_it_waits_leaves_nothing(turns: int, slow_ns: int) -> None:
    @in_virtual_time
    async def scenario(system: System) -> None:
        door = Door(system)
        door.slow_ns = slow_ns
        source = await door.stage.publish(tracks=() if turns % 2 else (PICTURES, SOUND))
        pending = asyncio.create_task(door.sessions.play(KEY, WHEP_OFFER, "there", None, {}))
        for _ in range(turns):
            await asyncio.sleep(0)
        pending.cancel()
        for session in await asyncio.gather(pending, return_exceptions=True):
            if isinstance(session, Session):  # it was answered just before
                await door.sessions.end(session)
        await pass_time(limits.ORPHAN_TIMEOUT)
        door.check_empty()
        assert source.lost == []
        await door.close_stream()

    scenario()


@in_virtual_time
async def test_an_offer_waits_for_tracks_and_not_for_ever(system: System) -> None:
    door = Door(system)
    source = await door.stage.publish(tracks=())
    pending = asyncio.create_task(door.play())
    await pass_time(NS_PER_S)
    assert not pending.done()
    source.announce((PICTURES, SOUND))
    viewer = await pending
    sent = await play(source, 3)
    assert viewer.names() == sent
    await door.close_stream()
    await door.stage.publish(tracks=())
    with pytest.raises(Refused) as refused:
        await door.play()
    assert refused.value.refusal is Refusal.NOT_FOUND
    await door.close_stream()


@pytest.mark.parametrize(("tracks", "slow_ns"), [((), 0), ((PICTURES, SOUND), NS_PER_S)])
@in_virtual_time
async def test_an_offer_whose_stream_ends_while_it_waits_is_of_a_stream_that_is_not_live(
    system: System, tracks: tuple[Track, ...], slow_ns: int
) -> None:
    """It waits for tracks, or for its transport. Found by simulation: the answer was 500."""
    door = Door(system)
    door.slow_ns = slow_ns
    await door.stage.publish(tracks=tracks)
    pending = asyncio.create_task(door.play())
    await pass_time(NS_PER_MS)
    door.stage.bus.end(KEY, "the operator ended it")
    with pytest.raises(Refused) as refused:
        await pending
    assert refused.value.refusal is Refusal.NOT_FOUND
    assert "the operator ended it" in refused.value.detail
    await pass_time(2 * NS_PER_S)
    door.check_empty()


@in_virtual_time
async def test_a_publisher_that_comes_back_is_seen_by_the_same_viewer(system: System) -> None:
    door = Door(system)
    source = await door.publish()
    sent = await play(source, 4)
    viewer = await door.play()
    await source.leave()
    await pass_time(NS_PER_S)
    again = await door.publish()
    more = await play(again, 4)
    assert viewer.names() == sent + more
    stamps = [unit.timestamp for unit in viewer.units()]
    assert stamps == sorted(set(stamps))
    assert viewer.transport.closed is None
    await door.close_stream()


@in_virtual_time
async def test_another_codec_ends_the_session_with_its_reason(system: System) -> None:
    door = Door(system)
    source = await door.publish()
    await play(source, 4)
    viewer = await door.play()
    source.announce((Track(0, CodecId.VP8), SOUND))
    await pass_time(NS_PER_MS)
    assert viewer.transport.closed is not None
    assert "join again" in viewer.transport.closed.reason
    door.check_empty()
    await door.close_stream()


@in_virtual_time
async def test_a_peer_that_goes_and_a_stream_that_ends(system: System) -> None:
    door = Door(system)
    source = await door.publish()
    await play(source, 4)
    viewer, other = await door.play(), await door.play(connect=False)
    viewer.transport.end("the peer said goodbye")
    await pass_time(NS_PER_MS)
    assert len(door.sessions) == 1
    await door.close_stream()
    assert other.transport.closed is not None


@in_virtual_time
async def test_reports_come_once_a_second(system: System) -> None:
    door = Door(system)
    source = await door.publish()
    viewer = await door.play()
    await play(source, 130)
    told = [each for each in viewer.heard() if isinstance(each, SenderReport)]
    assert 2 * 4 <= len(told) <= 2 * 6
    viewer.crash()
    await play(source, 130)
    more = [each for each in viewer.heard() if isinstance(each, SenderReport)][len(told) :]
    assert 2 * 4 <= len(more) <= 2 * 6
    counts = [each.packets for each in told + more if each.ssrc == viewer.ssrc(Kind.VIDEO)]
    assert counts == sorted(counts)
    await door.close_stream()


@in_virtual_time
async def test_a_crowds_reports_are_made_in_turns(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REPORTING_CROWD", 2)
    door = Door(system)
    source = await door.publish()
    await play(source, 1)
    viewers = []
    for _ in range(3):
        await pass_time(37 * NS_PER_MS)
        viewers.append(await door.play())
    await play(source, 130)
    turn = limits.REPORTING_TURN
    for viewer in viewers[1:]:
        later = [sent.at for sent in viewer.transport.rtcp[1:]]
        assert len(later) >= 4
        assert all(min(at % turn, -at % turn) < NS_PER_MS for at in later)
    await door.close_stream()


@in_virtual_time
async def test_a_defect_in_packetising_ends_its_viewers_and_not_the_next_ones(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(system)
    source = await door.publish()
    await play(source, 3)
    viewer = await door.play()
    (feed,) = door.feeds._feeds.values()

    def defective(*_: object) -> list[object]:
        raise IndexError("a defect")

    monkeypatch.setattr(feed.tracks[Kind.VIDEO], "cut", defective)
    await play(source, 2)
    next_one = await door.play()
    sent = await play(source, 30)
    assert viewer.transport.closed is not None
    assert "packets" in viewer.transport.closed.reason
    assert next_one.names()[-3:] == sent[-3:]
    await door.close_stream()


@pytest.mark.parametrize("defect", ["leaves", "portion"])
def test_a_defect_in_what_leaves_later_ends_its_viewers_and_not_the_next_ones(
    defect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @in_virtual_time
    async def scenario(system: System) -> None:
        door = Door(system)
        source = await door.publish()
        await play(source, 3)
        viewer = await door.play()
        (feed,) = door.feeds._feeds.values()

        def defective(*_: object) -> object:
            raise IndexError("a defect")

        with monkeypatch.context() as patched:
            await source.send(picture(source.clock * 40, key=True, size=300_000))
            source.clock += 1
            if defect == "leaves":
                patched.setattr(feed.tracks[Kind.VIDEO], "leaves", defective)
            else:
                await pass_time(100 * NS_PER_MS)
                await door.play()
                patched.setattr(RtpLine, "portion", defective)
            await pass_time(50 * NS_PER_MS)
            assert isinstance(feed.failed, IndexError)
        next_one = await door.play()
        sent = await play(source, 120)
        assert viewer.transport.closed is not None
        assert "packets" in viewer.transport.closed.reason
        assert next_one.names()[-3:] == sent[-3:]
        await door.close_stream()

    scenario()
