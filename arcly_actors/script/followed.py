"""The streams of a tape: their frames, and their publishers where nothing else tells what these send."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from reactivex import abc

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.channel import Channel
from arcly_actors.bus.key import StreamKey
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.script.plain import publisher_fields, track_fields
from arcly_actors.script.record import told_by_digest
from arcly_actors.script.taped_datagrams import Recorded


class Writing(Protocol):
    """What this asks of its tape."""

    def came(self, source: Recorded | None, kind: str, fields: dict[str, Any], data: bytes | None = None) -> None:
        """Put down what came in."""
        ...

    def put(self, source: Recorded | None, kind: str, fields: dict[str, Any], data: bytes | None = None) -> None:
        """Put down what comes of it."""
        ...


@dataclass(eq=False, slots=True)
class _Followed:
    """A stream whose frames are recorded: `by_frames` when nothing else tells what its publisher sends."""

    channel: Channel
    who: str
    by_frames: bool
    seat: abc.DisposableBase | None = None
    tracks: tuple[Track, ...] = ()


class FollowedStreams:
    """See the module. `name` gives a publisher its name; `payload`: frames whose bytes are on the tape already have their
    payload, too; `herald` is to be called before a frame that is recorded itself.
    """

    def __init__(
        self,
        tape: Writing,
        bus: Bus,
        name: Callable[[str], str],
        *,
        payload: bool,
        herald: Callable[[], object] | None,
    ) -> None:
        self._tape = tape
        self._bus = bus
        self._name = name
        self._payload = payload
        self._herald = herald
        self._followed: dict[StreamKey, _Followed] = {}

    def follow(self, key: StreamKey, *, by_frames: bool) -> None:
        """From now on, and what the log holds already."""
        self.unfollow(key)
        channel = self._bus.channel(key)
        if channel is None:
            return
        followed = self._followed[key] = _Followed(channel, "", by_frames)
        followed.seat = channel.feed.subscribe(lambda frame: self._framed(followed, frame))
        if not by_frames:
            return
        if self._herald is not None:
            channel.heralds += (self._herald,)
        followed.who = self._name("frames")
        self._tape.came(None, "publish", {"who": followed.who, "key": str(key), **publisher_fields(channel)})
        log, anchor = channel.log, channel.anchor
        for position in range(log.tail, log.head):
            # What is before the keyframe that joiners start from is in the log, and in how packets are numbered.
            self._framed(followed, log[position].frame, kept=anchor is None or position < anchor)

    def unfollow(self, key: StreamKey) -> None:
        """It has no publisher any more."""
        followed = self._followed.pop(key, None)
        if followed is not None:
            self._leave(followed)
            if followed.by_frames:
                self._tape.came(None, "unpublish", {"who": followed.who})

    def close(self) -> None:
        """The tape is over."""
        for followed in self._followed.values():
            self._leave(followed)

    def _leave(self, followed: _Followed) -> None:
        if followed.seat is not None:
            followed.seat.dispose()
        if followed.by_frames and self._herald is not None:
            heralds = list(followed.channel.heralds)
            heralds.remove(self._herald)  # once: another tape may have the same
            followed.channel.heralds = tuple(heralds)

    def _framed(self, followed: _Followed, frame: MediaFrame, *, kept: bool = False) -> None:
        tracks = followed.channel.tracks
        whose = {"who": followed.who} if followed.by_frames else {}
        key = {"key": str(followed.channel.key)}
        if tracks is not followed.tracks:
            followed.tracks = tracks
            listed = [track_fields(track) for track in tracks]
            put = self._tape.came if followed.by_frames else self._tape.put
            put(None, "tracks", {**whose, **key, "tracks": listed})
        fields: dict[str, Any] = {**(whose or key), "track": frame.track.id, "pts": frame.pts, "dts": frame.dts}
        if frame.keyframe:
            fields["keyframe"] = True
        if followed.by_frames:
            self._tape.came(None, "send", fields | {"kept": True} if kept else fields, frame.payload)
            return
        if frame.discontinuity:
            fields["discontinuity"] = True
        if self._payload:
            self._tape.put(None, "frame", fields, frame.payload)
        else:
            self._tape.put(None, "frame", told_by_digest(fields, frame.payload))
