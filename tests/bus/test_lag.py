"""Viewers that do not keep up: they skip, then they go, and nobody else notices."""

from arcly_actors import limits
from arcly_actors.bus.policy import ApplicationPolicy, GopBound, Join
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import Refusal
from arcly_actors.runtime import System
from tests.bus.fan import Fan
from tests.bus.frames import STEP_MS
from tests.support.virtual import in_virtual_time, pass_time

CONFS = ["<conf 0.0>", "<conf 1.0>"]
PER_SECOND = 1000 // STEP_MS
POLICY = ApplicationPolicy(max_lag_ns=4 * NS_PER_S)


@in_virtual_time
async def test_after_a_short_stall_not_a_byte_is_missing(system: System) -> None:
    fan = Fan(system, POLICY)
    sent = fan.send(1)
    seat, other = fan.join(), fan.join()
    sent += await fan.play(10)
    seat.outlet.stall()
    sent += await fan.play(PER_SECOND)
    seat.outlet.make_room(None)
    sent += await fan.play(2)
    assert seat.frames == other.frames == sent
    assert (seat.skips, seat.out) == ([], None)
    assert fan.fanout.qos(seat.place).lag_ns == 0


@in_virtual_time
async def test_past_half_its_budget_a_viewer_skips_to_the_newest_keyframe(system: System) -> None:
    fan = Fan(system, POLICY)
    sent = fan.send(1)
    seat, other = fan.join(), fan.join()
    sent += await fan.play(10)
    seat.outlet.stall()
    sent += await fan.play(3 * PER_SECOND)
    seat.outlet.make_room(None)
    sent += await fan.play(10)
    assert other.frames == sent
    assert seat.out is None
    resync = seat.tokens.index("<conf 0.0>", 3)
    assert seat.tokens[resync : resync + 2] == CONFS
    after = seat.tokens[resync + 2 :]
    assert after[0].startswith("K")
    assert after == sent[-len(after) :]
    lost = len(sent) - len(seat.frames)
    assert seat.place.skipped == sum(seat.skips) == lost > PER_SECOND


@in_virtual_time
async def test_a_cached_gop_that_is_longer_than_the_budget_puts_nobody_out(system: System) -> None:
    """Found by simulation, seed 1006: a joiner whose socket did not take the whole GOP at once was put out at once."""
    fan = Fan(system, POLICY)
    sent = fan.send(6 * PER_SECOND, gop=1000)
    seat = fan.join(room=10)
    sent += await fan.play(PER_SECOND, gop=1000)
    assert (seat.skips, seat.out) == ([], None)
    seat.outlet.make_room(None)
    sent += await fan.play(2, gop=1000)
    assert seat.frames == sent


@in_virtual_time
async def test_a_publishers_clock_that_is_set_forward_makes_nobody_lag(system: System) -> None:
    """Less than what the timeline takes for a clock that was set, more than a viewer may lag."""
    fan = Fan(system, ApplicationPolicy(gop=GopBound(duration_ns=NS_PER_S), max_lag_ns=2 * NS_PER_S))
    sent = fan.send(1)
    steady = [fan.join() for _ in range(30)]
    behind = fan.join()
    sent += await fan.play(10)
    behind.outlet.stall()
    sent += await fan.play(10)
    fan.clock += 7 * PER_SECOND
    sent += await fan.play(10)
    assert fan.fanout.qos(behind.place).lag_ns < NS_PER_S
    behind.outlet.make_room(None)
    sent += await fan.play(10)
    await fan.settle()
    for seat in (*steady, behind):
        assert (seat.skips, seat.out) == ([], None)
        assert seat.frames == sent


@in_virtual_time
async def test_what_comes_at_once_makes_nobody_lag(system: System) -> None:
    fan = Fan(system, POLICY)
    sent = fan.send(1)
    seat = fan.join(room=10)
    sent += fan.send(8 * PER_SECOND, gop=10)
    await fan.settle()
    assert (seat.skips, seat.out) == ([], None)
    seat.outlet.make_room(None)
    sent += await fan.play(2)
    assert seat.frames == sent


@in_virtual_time
async def test_a_pause_that_the_timeline_leaves_out_makes_nobody_lag(system: System) -> None:
    fan = Fan(system, POLICY)
    sent = fan.send(1)
    seat = fan.join()
    sent += await fan.play(10)
    seat.outlet.stall()
    sent += await fan.play(10)
    await pass_time(20 * NS_PER_S)
    sent += await fan.play(10)
    assert (seat.skips, seat.out) == ([], None)
    seat.outlet.make_room(None)
    sent += await fan.play(2)
    assert seat.frames == sent


@in_virtual_time
async def test_past_its_budget_a_viewer_is_put_out_with_a_reason(system: System) -> None:
    fan = Fan(system, POLICY)
    sent = fan.send(1)
    seat, other = fan.join(), fan.join()
    sent += await fan.play(5)
    seat.outlet.stall()
    sent += await fan.play(4 * PER_SECOND + 4)
    assert seat.out is not None
    assert seat.out[0] is Refusal.LAGGED
    assert "behind" in seat.out[1]
    assert len(fan.fanout) == 1
    before = seat.outlet.received
    sent += await fan.play(5)
    assert seat.outlet.received == before
    assert other.frames == sent


@in_virtual_time
async def test_a_viewer_that_stops_reading_holds_little_and_keeps_no_frame(system: System) -> None:
    size = 20_000
    fan = Fan(system, POLICY)
    fan.send(1, size=size)
    stuck = [fan.join(room=100) for _ in range(20)]
    reading = fan.join()
    sent = await fan.play(10 * PER_SECOND, size=size)
    assert all(seat.out is not None for seat in stuck)
    assert max(seat.outlet.pending for seat in stuck) <= limits.MAX_WRITE
    assert sum(seat.outlet.pending for seat in stuck) <= 20 * 3 * size
    assert reading.frames[1:] == sent
    assert fan.channel.log.size <= (POLICY.max_lag_ns + POLICY.gop.duration_ns) // NS_PER_S * PER_SECOND * size * 1.1


@in_virtual_time
async def test_a_viewer_whose_place_is_forgotten_waits_for_a_keyframe(system: System) -> None:
    fan = Fan(system, ApplicationPolicy(gop=GopBound(frames=10, duration_ns=NS_PER_S), max_lag_ns=40 * NS_PER_S))
    fan.send(1)
    seat = fan.join()
    seat.outlet.stall()
    await fan.play(3)
    await fan.play(500, gop=10**6)
    assert fan.feed.tail == 0
    await fan.play(100, gop=10**6)
    assert seat.place.position is None
    seat.outlet.make_room(None)
    await fan.play(1)
    seat.outlet.writes.clear()
    sent = await fan.play(25, gop=fan.clock + 5)
    key = next(number for number, token in enumerate(sent) if token.startswith("K"))
    assert seat.frames[-(25 - key) :] == sent[key:]
    assert seat.out is None
    assert len(seat.frames) + seat.place.skipped == fan.clock


@in_virtual_time
async def test_more_frames_at_once_than_the_log_holds_starve_nobody(system: System) -> None:
    gop = GopBound(frames=10, size=50_000)
    fan = Fan(system, ApplicationPolicy(gop=gop))
    fan.send(1, size=9000)
    seats = [fan.join() for _ in range(3)]
    await fan.play(3, size=9000)
    fan.send(30, size=9000)
    sent = await fan.play(10, size=9000)
    for seat in seats:
        assert seat.frames[-10:] == sent
        assert seat.skips
        assert len(seat.frames) + seat.place.skipped == fan.clock


@in_virtual_time
async def test_one_frame_larger_than_the_log_reaches_everybody(system: System) -> None:
    fan = Fan(system, ApplicationPolicy(gop=GopBound(size=1000)))
    fan.send(1)
    seat = fan.join()
    await fan.play(2)
    await fan.play(1, size=5000)
    sent = await fan.play(10)
    assert seat.frames == ["K0", "p40", "p80", "p120", *sent]


@in_virtual_time
async def test_a_format_that_leaves_much_out_forgets_no_later_than_the_frames(system: System) -> None:
    """Its log has room for entries whose frames are gone; nobody can start or go on there."""
    fan = Fan(system, ApplicationPolicy(gop=GopBound(size=10_000), max_lag_ns=40 * NS_PER_S))
    fan.encoder.frame = lambda frame: frame.payload[:8]  # type: ignore[method-assign]  # small entries for large frames
    fan.send(1, size=1000)
    seat = fan.join()
    await fan.play(2, size=1000)
    seat.outlet.stall()
    await fan.play(80, size=1000)
    assert fan.feed.tail == fan.channel.log.tail > 0
    seat.outlet.make_room(None)
    sent = await fan.play(10, size=1000)
    assert seat.frames[-5:] == sent[-5:]
    assert seat.out is None


@in_virtual_time
async def test_a_closed_outlet_is_written_to_no_more_and_harms_nobody(system: System) -> None:
    fan = Fan(system, POLICY)
    sent = fan.send(1)
    seat, other = fan.join(), fan.join()
    await fan.settle()
    seat.outlet.lose()
    sent += await fan.play(10 * PER_SECOND)
    assert other.frames == sent
    assert len(seat.outlet.writes) == 1
    fan.fanout.detach(seat.place)
    assert len(fan.fanout) == 1


@in_virtual_time
async def test_a_waiting_viewer_has_no_lag(system: System) -> None:
    fan = Fan(system, POLICY)
    fan.send(1)
    seat = fan.join(Join.LIVE)
    await fan.play(10 * PER_SECOND, gop=10**6)
    assert seat.out is None
    assert fan.fanout.qos(seat.place).lag_ns == 0
