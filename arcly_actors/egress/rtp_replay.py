"""When one viewer over RTP that asks for a keyframe, which nobody makes, may be given the cached GOP again."""

from arcly_actors import limits


class Replays:
    """Whoever lost something may have it each `limits.REPLAY_INTERVAL`.

    Others ask by habit: servers that take a stream over WebRTC do so every two seconds or three, whatever came, and each
    time those who watch there would see the last pictures once more. For who lost nothing the interval therefore doubles
    from one time to the next, until it asks as rarely by itself. Times are monotonic ns.
    """

    __slots__ = ("_after", "_given", "_wait")

    def __init__(self) -> None:
        self._wait = limits.REPLAY_INTERVAL
        self._given, self._after = -self._wait, 0

    def lost(self) -> None:
        """Something that it was sent did not arrive."""
        self._wait = limits.REPLAY_INTERVAL
        self._after = self._given + self._wait

    def allowed(self, now: int) -> bool:
        """Whether it may be given the GOP."""
        return now >= self._after

    def given(self, now: int) -> None:
        """It was."""
        rarely = now - self._after > self._wait
        self._given, self._after = now, now + (limits.REPLAY_INTERVAL if rarely else self._wait)
        self._wait = 2 * (self._after - now)
