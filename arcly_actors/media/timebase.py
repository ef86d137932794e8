"""Time in integers: ticks of any clock to nanoseconds and back, and clocks that wrap.

Nothing here uses floating point: at 90 kHz a double loses single nanoseconds within a month, and DTS that must not repeat
would.
"""

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
MICROSECOND = 1_000


def to_ns(ticks: int, rate: int) -> int:
    """Ticks of a clock with `rate` ticks per second as nanoseconds, to the nearest; exact where it divides."""
    return (ticks * SECOND * 2 + rate) // (rate * 2)


def from_ns(nanoseconds: int, rate: int) -> int:
    """Nanoseconds as ticks of a clock with `rate` ticks per second, to the nearest.

    For rates up to 1 GHz, ``from_ns(to_ns(t, rate), rate) == t``.
    """
    return (nanoseconds * rate * 2 + SECOND) // (SECOND * 2)


def to_ms(nanoseconds: int) -> int:
    """Nanoseconds as milliseconds, to the nearest."""
    return from_ns(nanoseconds, 1000)


def from_ms(milliseconds: int) -> int:
    """Milliseconds as nanoseconds, exactly."""
    return milliseconds * MILLISECOND


class Unwrap:
    """Gives a clock of `bits` bits the higher bits it lacks: each value is taken as the nearest to the one before.

    A step of up to half the range, forwards or backwards, is followed (16: RTP sequence numbers, 24 and 32: RTMP, 32: RTP
    time, 33: MPEG-TS). The first value stands for itself, so results may go below zero when the clock then steps back.
    """

    __slots__ = ("_half", "_last", "_range")

    def __init__(self, bits: int) -> None:
        self._range = 1 << bits
        self._half = self._range >> 1
        self._last: int | None = None

    def __call__(self, value: int) -> int:
        """The unwrapped value; bits of `value` above the clock's width are ignored."""
        value %= self._range
        if self._last is None:
            self._last = value
        else:
            step = (value - self._last) % self._range
            self._last += step - self._range if step > self._half else step
        return self._last

    def reset(self) -> None:
        """Forget the clock: the next value stands for itself again."""
        self._last = None
