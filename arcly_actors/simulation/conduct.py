"""Invariants of how the engine treats its peers: nobody is disconnected, refused or asked without a reason of his own."""

from typing import Any

from arcly_actors import limits
from arcly_actors.bus.events import (
    ConnectionRefused,
    Event,
    KeyframeRequested,
    PublishEnded,
    PublishHeld,
    PublishRefused,
    PublishResumed,
    PublishStarted,
    SubscriberRefused,
)
from arcly_actors.bus.key import StreamKey
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.errors import Refusal
from arcly_actors.simulation.inside import InsidePublisher
from arcly_actors.simulation.invariant import Invariant
from arcly_actors.simulation.peer import Peer, PublishingPeer, ViewingPeer

_FAREWELL = limits.RTSP_FAREWELL + limits.LINGER_TIMEOUT + NS_PER_S
"""How long after a stream's end its viewers may be sent away: RTSP says BYE for a while, who does not read lingers."""

_TURNED_AWAY = "turned away"

_ORPHANED = limits.ORPHAN_TIMEOUT + limits.LINGER_TIMEOUT + 3 * NS_PER_S
"""How long a connection may stay whose session has crashed."""

_ASKING = 500 * NS_PER_MS
"""How long a refusal is under way."""


class Blameless(Invariant):
    """Nobody is disconnected by somebody else's fault: whoever is has an excuse, or the stream has ended."""

    text = "nobody is disconnected by somebody else's fault"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._ended: dict[StreamKey, int] = {}
        self._resumed: dict[StreamKey, int] = {}
        self._absent: dict[StreamKey, int] = {}
        self._taken: dict[StreamKey, int] = {}
        self._full: int | None = None

    def happened(self, event: Event) -> None:
        """See `Invariant`."""
        now = self.world.now
        if isinstance(event, PublishEnded):
            self._ended[event.key] = now
            self._absent[event.key] = now
        elif isinstance(event, PublishStarted | PublishResumed):
            self._taken[event.key] = now
            if isinstance(event, PublishResumed):
                self._resumed[event.key] = now
            else:
                self._absent[event.key] = now  # until now
        elif isinstance(event, PublishRefused | SubscriberRefused | ConnectionRefused) and event.refusal is Refusal.LIMIT:
            self._full = now

    def check(self) -> None:
        """See `Invariant`."""
        now = self.world.now
        for key in self.world.keys:
            if key not in self.world.holders:
                self._absent[key] = now
            if self.world.holders.get(key) is not None:
                self._taken[key] = now
        for peer in (*self.world.publishers, *self.world.viewers):
            asleep = isinstance(peer, InsidePublisher) and peer.silent  # a program that sends nothing learns nothing
            if peer.doomed is not None and now - peer.doomed > _ORPHANED and not (peer.over or asleep):
                peer.doomed = None
                self.broken(f"{peer} is still there, though {', '.join(peer.excuses)}")

    def ended(self, peer: Peer) -> None:
        """See `Invariant`."""
        if peer.fate is None or peer.fate.by == "us" or peer.excuses or self._is_over(peer):
            return
        if peer.began is None and self._no_room(peer):
            return
        if isinstance(peer, PublishingPeer):
            held = self.world.holders.get(peer.key) is not None
            if peer.began is None and (held or self._taken.get(peer.key, -1) >= peer.born - _ASKING):
                return  # the slot was somebody's
            other = self.world.holders.get(peer.key) not in (None, str(peer.address))
            if self.world.takes_over(peer.key) and (other or self._resumed.get(peer.key, -1) >= peer.born):
                return  # another took it over
        elif isinstance(peer, ViewingPeer) and peer.began is None:
            if peer.key not in self.world.holders or self._absent.get(peer.key, -1) >= peer.born - _ASKING:
                return  # there was no such stream
            life = self.world.journal.current(peer.key)
            if peer.tells_tracks and (life is None or not life.entries):
                return  # its publisher has sent nothing that could be described
        self.broken(f"{peer} was sent away without a reason of its own")

    def _no_room(self, peer: Peer) -> bool:
        """Whether it was turned away since its endpoint was down, or since there was a bound to reach."""
        if peer.fate is not None and peer.fate.told == _TURNED_AWAY:
            return self.world.is_full() or self.world.now - self.world.trouble(None) < NS_PER_S * 5
        return self.world.is_full() or (self._full is not None and self._full >= peer.born)

    def _is_over(self, peer: Peer) -> bool:
        ended = self._ended.get(peer.key)
        return ended is not None and ended >= peer.born and self.world.now - ended <= _FAREWELL


class EndedForAReason(Invariant):
    """A stream ends when nobody has published it for its hold, or since somebody ended it; not otherwise."""

    text = "a stream is held for as long as it says"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._since: dict[StreamKey, int] = {}

    def happened(self, event: Event) -> None:
        """See `Invariant`."""
        now = self.world.now
        if isinstance(event, PublishHeld):
            self._since[event.key] = now
        elif isinstance(event, PublishStarted | PublishResumed):
            self._since.pop(event.key, None)
        elif isinstance(event, PublishEnded):
            held = self._since.pop(event.key, None)
            hold = self.world.policy(event.key).hold_ns
            # One that left while the stream's actor was down is not told of: the hold is counted from its restart.
            unheard = limits.REATTACH_PATIENCE + (hold if held is None else 0)
            if self.world.was_ended(event.key) or self.world.now - self.world.trouble(event.key) < unheard:
                return
            if held is None:
                self.broken(f"{event.key} ended with a publisher: {event.reason}")
            elif now - held < hold:
                self.broken(f"{event.key} was held for {(now - held) / NS_PER_S:.3f} s of {hold / NS_PER_S:g} s")


class KeyframesAsked(Invariant):
    """Keyframe requests to one publisher are at least `limits.KEYFRAME_THROTTLE` apart, and answered where it can."""

    text = "keyframe requests are throttled and answered"
    ANSWER = 2 * NS_PER_S

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._asked: dict[StreamKey, int] = {}
        self._open: dict[StreamKey, int] = {}

    def happened(self, event: Event) -> None:
        """See `Invariant`."""
        now = self.world.now
        if isinstance(event, KeyframeRequested):
            last = self._asked.get(event.key)
            if last is not None and last >= self.world.trouble(event.key) and now - last < limits.KEYFRAME_THROTTLE:
                self.broken(f"{event.key} was asked for a keyframe {(now - last) / NS_PER_MS:.3f} ms after the last time")
            self._asked[event.key] = now
            self._open.setdefault(event.key, now)
        elif isinstance(event, PublishStarted | PublishHeld | PublishResumed | PublishEnded):
            self._open.pop(event.key, None)
            if isinstance(event, PublishStarted | PublishEnded):
                self._asked.pop(event.key, None)

    def check(self) -> None:
        """See `Invariant`."""
        now = self.world.now
        for key, since in tuple(self._open.items()):
            life = self.world.journal.current(key)
            came = life is not None and bool(life.keyframes) and life.entries[life.keyframes[-1]].at >= since
            publisher = next((each for each in self.world.publishers if each.key == key and each.began), None)
            quiet = publisher is None or publisher.silent or publisher.camera.picture is None
            if came or quiet or now - self.world.trouble(key) < self.ANSWER:
                del self._open[key]
            elif publisher is not None and now - max(since, publisher.trouble) > self.ANSWER:
                self.broken(f"{publisher} was asked for a keyframe {(now - since) / NS_PER_S:.1f} s ago; none has come")
                del self._open[key]
