"""The engine's clock: it can be set forward, and made to stand by whoever records what comes in."""

from arcly_actors.clock import SteppedClock, VirtualClock


def test_it_stands_until_the_last_who_holds_it_lets_go() -> None:
    inner = VirtualClock(100, 5_000)
    clock, one, other = SteppedClock(inner), object(), object()
    clock.stand(one)
    inner.advance(10)
    assert (clock.monotonic_ns(), clock.wall_ns()) == (100, 5_000)
    clock.stand(other)
    inner.advance(10)
    assert (clock.monotonic_ns(), clock.wall_ns()) == (110, 5_010)
    clock.go(one)
    clock.go(one)
    assert clock.monotonic_ns() == 110
    clock.go(other)
    assert (clock.monotonic_ns(), clock.wall_ns()) == (120, 5_020)


def test_what_is_set_while_it_stands_counts() -> None:
    inner = VirtualClock(100, 5_000)
    clock = SteppedClock(inner)
    clock.stand(inner)
    clock.step(7)
    assert clock.wall_ns() == 5_007
    clock.go(inner)
    assert clock.wall_ns() == 5_007
