"""What happens on the bus, as values: for logs, metrics, the console, and programs that embed the engine."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.bus.feed import Feed
from arcly_actors.bus.key import StreamKey
from arcly_actors.errors import Refusal


@dataclass(frozen=True, slots=True)
class PublishStarted:
    """A publisher has the slot of a key that had none."""

    key: StreamKey
    protocol: str
    peer: str


@dataclass(frozen=True, slots=True)
class PublishHeld:
    """The publisher is gone; viewers are kept for `hold_ns`."""

    key: StreamKey
    reason: str
    hold_ns: int


@dataclass(frozen=True, slots=True)
class PublishResumed:
    """A publisher took the slot of a held (or taken over) stream; viewers stayed."""

    key: StreamKey
    protocol: str
    peer: str


@dataclass(frozen=True, slots=True)
class PublishEnded:
    """The stream is over; its viewers are told."""

    key: StreamKey
    reason: str


@dataclass(frozen=True, slots=True)
class PublishRefused:
    """A publisher was turned away."""

    key: str
    protocol: str
    peer: str
    refusal: Refusal
    detail: str


@dataclass(frozen=True, slots=True)
class ConnectionRefused:
    """A connection was turned away before it named a stream. Of many for one reason only some are told of."""

    peer: str
    refusal: Refusal
    detail: str


@dataclass(frozen=True, slots=True)
class SubscriberJoined:
    """A viewer has a seat."""

    key: StreamKey
    number: int
    protocol: str
    peer: str


@dataclass(frozen=True, slots=True)
class SubscriberLeft:
    """A viewer gave its seat back."""

    key: StreamKey
    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class SubscriberLagged:
    """A viewer was too slow and skipped `frames` frames to the newest keyframe."""

    key: StreamKey
    number: int
    frames: int


@dataclass(frozen=True, slots=True)
class SubscriberDegraded:
    """A viewer's path carries about `estimate` bits per second, less than the stream takes: it gets keyframes only."""

    key: StreamKey
    number: int
    estimate: int


@dataclass(frozen=True, slots=True)
class SubscriberRecovered:
    """A degraded viewer gets every picture again."""

    key: StreamKey
    number: int
    estimate: int


@dataclass(frozen=True, slots=True)
class SubscriberEvicted:
    """A viewer lost its seat."""

    key: StreamKey
    number: int
    refusal: Refusal
    detail: str


@dataclass(frozen=True, slots=True)
class SubscriberRefused:
    """A viewer was turned away."""

    key: str
    protocol: str
    peer: str
    refusal: Refusal
    detail: str


@dataclass(frozen=True, slots=True)
class KeyframeRequested:
    """A keyframe was asked of the publisher; `full_intra` when by FIR, after PLIs that were not honoured."""

    key: StreamKey
    full_intra: bool


@dataclass(frozen=True, slots=True)
class GopOutgrown:
    """A GOP passed its bound and was dropped from the cache whole: joiners wait for the next keyframe."""

    key: StreamKey
    frames: int
    size: int


@dataclass(frozen=True, slots=True)
class BFramesDropped:
    """This many B-frames of a stream were left out of a rendition, at first and then since this was told last."""

    key: StreamKey
    rendition: str
    frames: int


@dataclass(frozen=True, slots=True)
class BFramesRefused:
    """B-frames appeared in a stream whose application refuses them; the rendition's viewers are told so."""

    key: StreamKey
    rendition: str
    detail: str


@dataclass(frozen=True, slots=True)
class TranscodeStarted:
    """A track of a stream is being transcoded for a rendition, from this codec to that."""

    key: StreamKey
    rendition: str
    track: int
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class TranscodeStopped:
    """A track is transcoded no longer; `frames` came out, `dropped` and `damaged` source frames did not go in."""

    key: StreamKey
    rendition: str
    track: int
    frames: int
    dropped: int
    damaged: int


@dataclass(frozen=True, slots=True)
class TranscodeLagged:
    """A transcoder was slower than its stream: `frames` source frames were skipped."""

    key: StreamKey
    rendition: str
    track: int
    frames: int


@dataclass(frozen=True, slots=True)
class TranscodeFailed:
    """A transcoder failed; another one is started, at once or (`resting`) after a while, as they fail too often."""

    key: StreamKey
    rendition: str
    track: int
    error: str
    resting: bool


@dataclass(frozen=True, slots=True)
class PacketsMissing:
    """Of a publisher's transport stream packets are missing, `gaps` times since the last such event.

    There is at most one a second. What they belonged to was dropped.
    """

    key: StreamKey
    peer: str
    gaps: int


@dataclass(frozen=True, slots=True)
class StreamScrambled:
    """An elementary stream of a publisher is encrypted from here on, and left out."""

    key: StreamKey
    peer: str
    pid: int


@dataclass(frozen=True, slots=True)
class SourceConnected:
    """A source is live. In `url`, here and in the events below, what could be a secret is masked."""

    key: StreamKey
    url: str


@dataclass(frozen=True, slots=True)
class SourceStalled:
    """A source sent nothing, or nothing that can be decoded; it is dialled anew."""

    key: StreamKey
    url: str
    detail: str


@dataclass(frozen=True, slots=True)
class SourceFailed:
    """A try of a source ended; there will be another."""

    key: StreamKey
    url: str
    error: str


@dataclass(frozen=True, slots=True)
class SourceIdled:
    """A source on demand hung up since nobody watches, or one that has an end (a file) came to it."""

    key: StreamKey
    url: str
    reason: str


@dataclass(frozen=True, slots=True)
class WorkerAbandoned:
    """A native call hangs; its thread is left behind and what it may still say ignored. `count` of this source hang."""

    key: StreamKey
    url: str
    count: int


@dataclass(frozen=True, slots=True)
class SinkConnected:
    """A stream is being pushed. `note`: what of it the target does not take, in words; mostly empty."""

    key: StreamKey
    url: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class SinkFailed:
    """A push ended; there will be another."""

    key: StreamKey
    url: str
    error: str


@dataclass(frozen=True, slots=True)
class SinkEnded:
    """A push ended in order, with its stream; it begins again with the next one."""

    key: StreamKey
    url: str
    reason: str


@dataclass(frozen=True, slots=True)
class TapeStarted:
    """A stream, or everything (``*``), is being recorded, `path` says to which file; without one, for whom."""

    key: str
    path: str


@dataclass(frozen=True, slots=True)
class TapeEnded:
    """It is recorded no more. `size` is the file's bytes, 0 without one; `reason` is empty when the tape was stopped."""

    key: str
    path: str
    size: int
    reason: str


@dataclass(frozen=True, slots=True)
class TapeFailed:
    """What `record:` asks for could not be recorded."""

    key: str
    path: str
    error: str


@dataclass(frozen=True, slots=True)
class FaultInjected:
    """Something goes wrong because it was asked for, by `faults:` of the topology or by the program."""

    what: str


@dataclass(frozen=True, slots=True)
class ActorRestarted:
    """A supervisor restarted `actor` for the `restarts`-th time; why, the `Failed` before it says."""

    actor: str
    restarts: int


@dataclass(frozen=True, slots=True)
class ActorGaveUp:
    """`actor` failed more often than its policy allows; `retried` when it stays down but is tried again now and then."""

    actor: str
    error: str
    retried: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """Something of ours failed that nobody asked for."""

    actor: str
    error: str


Event = (
    PublishStarted
    | PublishHeld
    | PublishResumed
    | PublishEnded
    | PublishRefused
    | ConnectionRefused
    | SubscriberJoined
    | SubscriberLeft
    | SubscriberLagged
    | SubscriberDegraded
    | SubscriberRecovered
    | SubscriberEvicted
    | SubscriberRefused
    | KeyframeRequested
    | GopOutgrown
    | BFramesDropped
    | BFramesRefused
    | TranscodeStarted
    | TranscodeStopped
    | TranscodeLagged
    | TranscodeFailed
    | PacketsMissing
    | StreamScrambled
    | SourceConnected
    | SourceStalled
    | SourceFailed
    | SourceIdled
    | WorkerAbandoned
    | SinkConnected
    | SinkFailed
    | SinkEnded
    | TapeStarted
    | TapeEnded
    | TapeFailed
    | FaultInjected
    | ActorRestarted
    | ActorGaveUp
    | Failed
)


class Events:
    """All events of an engine: `observable` for reactive code, ``async for event in events`` for the rest."""

    def __init__(self) -> None:
        self.observable: Feed[Event] = Feed()

    def emit(self, event: Event) -> None:
        """Tell every listener."""
        self.observable.deliver(event)

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Events from now on. A reader that falls behind loses the oldest (`limits.EVENT_BACKLOG`), never the newest."""
        backlog: deque[Event] = deque(maxlen=limits.EVENT_BACKLOG)
        ready = asyncio.Event()
        ended = False

        def take(event: Event) -> None:
            backlog.append(event)
            ready.set()

        def end() -> None:
            nonlocal ended
            ended = True
            ready.set()

        seat = self.observable.subscribe(take, None, end)
        try:
            while not ended or backlog:
                await ready.wait()
                ready.clear()
                while backlog:
                    yield backlog.popleft()
        finally:
            seat.dispose()
