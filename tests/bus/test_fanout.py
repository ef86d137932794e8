"""Fan-out: every viewer gets each frame once, in order, from a keyframe on, and none costs the others anything."""

import pytest

from arcly_actors import limits
from arcly_actors.bus.fanout import IMMEDIATE_NS, SPREAD_NS
from arcly_actors.bus.policy import ApplicationPolicy, GopBound, Join
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.runtime import System
from tests.bus.fan import Fan, Seat
from tests.bus.frames import AUDIO, STEP_MS, audio, video
from tests.support.virtual import in_virtual_time, pass_time

CONFS = ["<conf 0.0>", "<conf 1.0>"]
FEW, MANY = 1, 100


@in_virtual_time
async def test_a_joiner_gets_the_configuration_the_gop_and_what_follows(system: System) -> None:
    fan = Fan(system)
    sent = fan.send(8)
    seat = fan.join()
    assert seat.tokens == ["<open 200>", *CONFS, *sent[5:]]
    sent += await fan.play(8)
    assert seat.tokens == ["<open 200>", *CONFS, *sent[5:]]


@pytest.mark.parametrize("others", [0, MANY])
@in_virtual_time
async def test_frames_that_come_between_neither_miss_nor_repeat(system: System, others: int) -> None:
    fan = Fan(system)
    for _ in range(others):
        fan.join()
    sent = await fan.play(3)
    seats: list[Seat] = []
    for _ in range(30):
        seats.append(fan.join())
        sent += fan.send(1)
        seats.append(fan.join())
        sent += await fan.play(1)
    await fan.settle()
    for seat in seats:
        first = sent.index(seat.frames[0])
        assert first % 5 == 0
        assert seat.frames == sent[first:]
        assert seat.tokens[:3] == [f"<open {first * STEP_MS}>", *CONFS]


@in_virtual_time
async def test_a_large_gop_goes_out_by_turns_and_whole(system: System) -> None:
    fan = Fan(system)
    size = limits.FIRST_WRITE // 4
    sent = fan.send(20, gop=20, size=size)
    await fan.settle()
    seats = [fan.join() for _ in range(3)]
    assert all(len(seat.outlet.writes) == 1 for seat in seats)
    await fan.settle()
    sent += await fan.play(5, gop=100, size=size)
    assert [seat.frames for seat in seats] == [sent] * 3
    assert max(len(data) for data in seats[0].outlet.writes[:5]) <= limits.FIRST_WRITE + 100


@in_virtual_time
async def test_what_a_slow_joiner_lacks_follows_though_no_frame_comes(system: System) -> None:
    fan = Fan(system)
    sent = fan.send(20, gop=20, size=limits.FIRST_WRITE // 4)
    await fan.settle()
    seat = fan.join(room=1000)
    await fan.settle()
    assert len(seat.frames) < len(sent)
    seat.outlet.make_room(None)
    await pass_time(100 * NS_PER_MS)
    assert seat.frames == sent


@in_virtual_time
async def test_live_waits_for_the_next_keyframe(system: System) -> None:
    fan = Fan(system)
    fan.send(7)
    seat = fan.join(Join.LIVE)
    await fan.play(2)
    assert seat.tokens == []
    sent = await fan.play(6)
    assert seat.tokens == ["<open 400>", *CONFS, *sent[1:]]


@in_virtual_time
async def test_without_a_cached_gop_everybody_waits(system: System) -> None:
    fan = Fan(system)
    seat = fan.join()
    fan.append(video(0))
    fan.append(audio(0))
    await fan.settle()
    assert seat.tokens == []
    sent = await fan.play(3)
    assert seat.frames == sent


@in_virtual_time
async def test_an_instant_joiner_takes_a_keyframe_that_was_logged_just_before(system: System) -> None:
    """The GOP cache looks at a frame a moment after it is logged."""
    fan = Fan(system)
    position = fan.channel.append(video(0, key=True), 0)
    seat = fan.join()
    fan.channel.anchor_at(position)
    fan.channel.append(video(40), 40 * NS_PER_MS)
    await fan.settle()
    assert seat.frames == ["K0", "p40"]


@in_virtual_time
async def test_a_gop_that_outgrew_is_not_joined(system: System) -> None:
    fan = Fan(system, ApplicationPolicy(gop=GopBound(frames=5)))
    fan.send(7, gop=20)
    seat = fan.join()
    await fan.play(10, gop=20)
    assert seat.tokens == []
    sent = await fan.play(6, gop=20)
    assert seat.frames == sent[3:]


@in_virtual_time
async def test_all_viewers_are_written_the_very_same_bytes(system: System) -> None:
    fan = Fan(system)
    fan.send(1)
    seats = [fan.join() for _ in range(MANY)]
    await fan.settle()
    before = [len(seat.outlet.writes) for seat in seats]
    encoded = fan.encoder.frames
    sent = await fan.play(40)
    await fan.settle()
    assert fan.encoder.frames == encoded + 40
    for seat, count in zip(seats, before, strict=True):
        assert seat.frames[1:] == sent
        assert len(seat.outlet.writes) - count <= 40 * STEP_MS / 35 + 1
    cohort = [seats[number].outlet for number in range(0, MANY, 16)]
    for writes in zip(*(outlet.writes[-10:] for outlet in cohort), strict=True):
        assert len({id(data) for data in writes}) == 1


@pytest.mark.parametrize(
    ("viewers", "cap_ms", "interval_ms"),
    [
        (1, 95, 0),
        (14, 95, 0),
        (15, 95, 5.25),
        (100, 95, 35),
        (200, 95, 70),
        (1000, 95, 95),
        (1000, 350, 350),
        (500, 0, 0),
    ],
)
@in_virtual_time
async def test_writes_are_spaced_out_as_viewers_grow(
    system: System, viewers: int, cap_ms: int, interval_ms: float
) -> None:
    fan = Fan(system, ApplicationPolicy(flush_interval_ns=cap_ms * NS_PER_MS))
    for _ in range(viewers):
        fan.join()
    assert fan.fanout.interval_ns == round(interval_ms * NS_PER_MS)
    assert len(fan.fanout) == viewers
    assert min(viewers * SPREAD_NS, cap_ms * NS_PER_MS) >= IMMEDIATE_NS or interval_ms == 0


@pytest.mark.parametrize(("viewers", "interval_ms"), [(FEW, 0), (MANY, 35), (1000, 95)])
@in_virtual_time
async def test_no_frame_waits_longer_than_the_interval(system: System, viewers: int, interval_ms: int) -> None:
    fan = Fan(system)
    fan.send(1)
    seats = [fan.join() for _ in range(viewers)]
    await fan.settle()
    for _ in range(8):
        sent = fan.send(1)
        await pass_time(interval_ms * NS_PER_MS + 1000)
        assert {seat.frames[-1] for seat in seats} == set(sent)
        await pass_time(7 * NS_PER_MS)


@in_virtual_time
async def test_frames_that_come_together_are_one_write(system: System) -> None:
    fan = Fan(system)
    fan.send(1)
    seat = fan.join()
    await fan.settle()
    fan.send(3)
    await fan.settle()
    assert len(seat.outlet.writes) == 2


@in_virtual_time
async def test_a_change_of_tracks_travels_among_the_frames(system: System) -> None:
    fan = Fan(system)
    fan.send(2)
    seat = fan.join()
    changed = (fan.channel.tracks[0], AUDIO.__class__(1, AUDIO.codec, b"other", version=1))
    fan.channel.tracks = changed
    fan.send(2)
    await fan.settle()
    assert seat.tokens == ["<open 0>", *CONFS, "K0", "p40", "<conf 1.1>", "p80", "p120"]
    assert fan.join().tokens[:3] == ["<open 0>", *CONFS]


@in_virtual_time
async def test_a_viewer_leaves_and_comes_back_at_its_position(system: System) -> None:
    fan = Fan(system)
    sent = fan.send(2)
    seat, other = fan.join(), fan.join()
    sent += await fan.play(10)
    fan.fanout.detach(seat.place)
    missed = await fan.play(7)
    assert seat.frames == sent
    fan.fanout.attach(seat.place)
    await fan.play(1)
    assert other.frames == seat.frames
    assert seat.frames[: len(sent) + 7] == sent + missed
    assert seat.tokens.count("<open 0>") == 1


@pytest.mark.parametrize("viewers", [FEW, MANY])
@in_virtual_time
async def test_detached_in_the_middle_nothing_is_written_any_more(system: System, viewers: int) -> None:
    fan = Fan(system)
    fan.send(1)
    seats = [fan.join() for _ in range(viewers)]
    await fan.play(3)
    fan.send(1)
    fan.fanout.detach(seats[0].place)
    fan.fanout.detach(seats[0].place)
    await fan.settle()
    assert seats[0].frames[-1] != "p160"
    assert all(seat.frames[-1] == "p160" for seat in seats[1:])
    assert len(fan.fanout) == viewers - 1


@pytest.mark.parametrize("viewers", [FEW, MANY])
@in_virtual_time
async def test_a_viewer_is_drained_to_the_last_frame(system: System, viewers: int) -> None:
    fan = Fan(system)
    fan.send(1)
    seats = [fan.join() for _ in range(viewers)]
    slow = fan.join(room=30)
    late = fan.join(Join.LIVE)
    await fan.play(3)
    fan.send(3)
    for seat in (*seats, slow, late):
        fan.fanout.drain(seat.place)
    assert all(seat.frames == ["K0", "p40", "p80", "p120", "p160", "K200", "p240"] for seat in (*seats, slow))
    assert late.frames == ["K200", "p240"]
    assert fan.fanout.ending() == b"<end>"
    assert len(fan.fanout) == 0


@in_virtual_time
async def test_a_broken_encoder_ends_its_own_viewers_and_nothing_else(system: System) -> None:
    fan = Fan(system)
    fan.send(2)
    seat, other = fan.join(), fan.channel.encoded("other", Fan(system).feed.encoder.__class__)
    fan.encoder.broken = True
    fan.send(3)
    assert seat.out is not None
    assert "broken" in seat.out[1]
    assert other.head == fan.channel.log.head == 5
    assert len(fan.fanout) == 0
    again = fan.channel.encoded("tokens", Fan(system).feed.encoder.__class__)
    assert again is not fan.feed
    assert (again.failed, again.head) == (None, 5)
    assert fan.channel.formats() == ("tokens", "other")


@in_virtual_time
async def test_an_encoder_that_breaks_on_what_is_logged_already_refuses_its_viewers(system: System) -> None:
    fan = Fan(system)
    fan.encoder.broken = True
    fan.send(3)
    seat = fan.join()
    assert seat.out is not None
    assert len(fan.fanout) == 0


@in_virtual_time
async def test_an_encoder_that_cannot_open_does_not_hold_up_the_others(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    fan = Fan(system)
    fan.send(1)
    seats = [fan.join() for _ in range(3)]
    waiting = fan.join(Join.LIVE)
    monkeypatch.setattr(fan.encoder, "opening", lambda *_: 1 // 0)
    sent = await fan.play(6)
    assert waiting.out is not None
    assert all(seat.out == waiting.out for seat in seats)
    assert sent[0] in seats[0].frames


@in_virtual_time
async def test_the_last_user_ends_the_encoding(system: System) -> None:
    fan = Fan(system)
    fan.channel.encoded("tokens", fan.encoder.__class__)
    fan.fanout.release()
    assert fan.channel.formats() == ("tokens",)
    fan.fanout.release()
    assert fan.channel.formats() == ()
    fan.send(3)
    assert fan.encoder.frames == 0


@in_virtual_time
async def test_figures_count_every_viewer_by_itself(system: System) -> None:
    fan = Fan(system)
    fan.send(5)
    early = fan.join()
    await fan.play(10)
    late = fan.join()
    await fan.play(3)
    for seat in (early, late):
        figures = fan.fanout.qos(seat.place)
        assert (figures.size, figures.frames) == (len(seat.outlet.received), len(seat.frames))
        assert (figures.skipped, figures.lag_ns, figures.pending) == (0, 0, 0)
    early.outlet.stall()
    await fan.play(25)
    figures = fan.fanout.qos(early.place)
    assert figures.pending == early.outlet.pending > 0
    assert figures.lag_ns == 24 * STEP_MS * NS_PER_MS
    early.outlet.make_room(None)
    await fan.play(1)
    figures = fan.fanout.qos(early.place)
    assert (figures.size, figures.frames, figures.lag_ns) == (len(early.outlet.received), len(early.frames), 0)
    assert figures.size < NS_PER_S


@in_virtual_time
async def test_a_viewer_whose_socket_drains_gets_the_rest_though_nothing_more_is_published(system: System) -> None:
    fan = Fan(system)
    fan.send(1)
    seat = fan.join(room=0)
    await fan.play(4)
    assert seat.frames == ["K0"]
    seat.outlet.make_room(None)
    await fan.settle()
    assert seat.frames == ["K0", "p40", "p80", "p120", "p160"]
    assert seat.skips == []
