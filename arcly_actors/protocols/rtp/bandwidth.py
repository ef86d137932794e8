"""What one viewer's path carries, and what the viewer gets: everything, or keyframes only until the path has recovered.

The estimate follows REMB, and loss as in draft-ietf-rmcat-gcc-02 §6: below 2 % it grows, above 10 % it shrinks.

    FULL ──congested──▶ KEYFRAMES ──clear──▶ RECOVERING ──keyframe──▶ FULL
                            ▲────────congested────┘

Congested: for a second the estimate was below four fifths of what the stream needs, or the socket takes no more.
Clear: no sign of it for a time that doubles with each recovery that fails soon after, from 2 s up to 30 s.
"""

from enum import StrEnum
from types import MappingProxyType

from arcly_actors.media.timebase import MILLISECOND, SECOND

_SUSTAINED = 1 * SECOND
_FIRST_PATIENCE = 2 * SECOND
_LONGEST_PATIENCE = 30 * SECOND
_RELAPSE = 10 * SECOND
_LOW, _HIGH = 0.02, 0.10
_ENOUGH = 0.8
_QUEUED = 100 * MILLISECOND
"""A round trip longer than the shortest one by this: packets stand in a queue."""


class Delivery(StrEnum):
    """What a viewer gets."""

    FULL = "full"
    KEYFRAMES = "keyframes"
    RECOVERING = "recovering"


class PathEvent(StrEnum):
    """What happened to its path."""

    CONGESTED = "congested"
    CLEAR = "clear"
    KEYFRAME = "keyframe"


STATES: MappingProxyType[Delivery, MappingProxyType[PathEvent, Delivery]] = MappingProxyType(
    {
        Delivery.FULL: MappingProxyType({PathEvent.CONGESTED: Delivery.KEYFRAMES}),
        Delivery.KEYFRAMES: MappingProxyType({PathEvent.CLEAR: Delivery.RECOVERING}),
        Delivery.RECOVERING: MappingProxyType(
            {PathEvent.CONGESTED: Delivery.KEYFRAMES, PathEvent.KEYFRAME: Delivery.FULL}
        ),
    }
)


class ViewerBandwidth:
    """The estimate and state of one viewer. `needed` is what the stream takes, bits per second; keep it up to date.
    `found` is the estimate when the path was last found congested.

    A browser's REMB says how much came, and half as much again, or less once it sees delay grow. So a low one says
    something only if it fell, and if packets are lost or late as well: it also lags behind a stream that grows.
    Loss that is reported while frames are left out on purpose counts only if sequence numbers have no gaps for them.
    """

    def __init__(self, needed: int) -> None:
        self.needed = needed
        self.state = Delivery.FULL
        self.degraded = 0
        self.found = needed
        self._by_loss = 1.0  # as a share of what is needed
        self._remb: int | None = None
        self._fell = False
        self._lossy = False
        self._shortest: int | None = None
        self._late = False
        self._low_since: int | None = None
        self._bad_at: int | None = None
        self._patience = _FIRST_PATIENCE
        self._recovered_at: int | None = None

    @property
    def estimate(self) -> int:
        """Bits per second that the path is thought to carry."""
        by_loss = int(self._by_loss * self.needed)
        return by_loss if self._remb is None or not self._fell else min(by_loss, self._remb)

    @property
    def open(self) -> bool:
        """Whether the viewer gets everything."""
        return self.state is Delivery.FULL

    def heard_loss(self, fraction: float, now: int) -> None:
        """So much was lost (0 to 1) over the last half second or more.

        While little is sent it says nothing about how much would pass, only that the path is not clear yet.
        """
        self._lossy = fraction > _LOW
        if self.state is not Delivery.FULL:
            if fraction > _HIGH:
                self._bad_at = now
        elif fraction > _HIGH:
            self._by_loss *= 1 - fraction / 2
        elif fraction < _LOW:
            self._by_loss = min(self._by_loss * 1.08, 4.0)
        self._judge(now)

    def heard_round_trip(self, rtt: int, now: int) -> None:
        """To the viewer and back took this long (ns)."""
        self._shortest = rtt if self._shortest is None else min(self._shortest, rtt)
        self._late = rtt > self._shortest + _QUEUED
        self._judge(now)

    def heard_remb(self, bitrate: int, now: int) -> None:
        """A REMB told bits per second. While little is sent it only says so, and is not believed."""
        if self.state is Delivery.FULL:
            before, self._remb = self._remb, bitrate
            if before is not None and bitrate < before:
                self._fell = True
            elif bitrate * 5 >= self.needed * 4:
                self._fell = False
        self._judge(now)

    def blocked(self, now: int) -> None:
        """The socket took no more: congested at once."""
        self._bad_at = now
        self._happened(PathEvent.CONGESTED, now)

    def passes(self, *, keyframe: bool, now: int) -> bool:
        """Whether the viewer gets this picture."""
        if self.state is Delivery.KEYFRAMES and self._bad_at is not None and now - self._bad_at >= self._patience:
            self._happened(PathEvent.CLEAR, now)
        if keyframe and self.state is Delivery.RECOVERING:
            self._happened(PathEvent.KEYFRAME, now)
        return keyframe or self.state is Delivery.FULL

    def _judge(self, now: int) -> None:
        if self._by_loss >= _ENOUGH and not self._remb_is_low():
            self._low_since = None
            return
        self._bad_at = now
        if self._low_since is None:
            self._low_since = now
        elif now - self._low_since >= _SUSTAINED:
            self._happened(PathEvent.CONGESTED, now)

    def _remb_is_low(self) -> bool:
        low = self._remb is not None and self._remb < self.needed * _ENOUGH
        return low and self._fell and (self._lossy or self._late)

    def _happened(self, event: PathEvent, now: int) -> None:
        after = STATES[self.state].get(event)
        if after is None:
            return
        self.state = after
        if after is Delivery.KEYFRAMES:
            self.found = self.estimate
            self.degraded += 1
            soon = self._recovered_at is not None and now - self._recovered_at < _RELAPSE
            self._patience = min(self._patience * 2, _LONGEST_PATIENCE) if soon else _FIRST_PATIENCE
            self._bad_at = now
        elif after is Delivery.FULL:
            self._recovered_at = now
        # What was measured in the state before says nothing about this one.
        self._by_loss, self._remb, self._low_since = 1.0, None, None
        self._fell = self._lossy = self._late = False
